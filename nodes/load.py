"""Load DiffSFSR: one weight file into a MODEL, a VAE and everything else. Nothing else here knows the file's layout."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import comfy.model_management
import folder_paths
import torch
from comfy.model_patcher import ModelPatcher
from comfy_api.latest import io

from ..models.faces.task_file import TASK_FILE
from .compat import only_known
from .folders import FOLDER, checkpoints, find_mesh, listed, meshes, pack_files, pack_folders, packs, state_of
from .wires import CATEGORY, DiffSFSRType, Loaded

if TYPE_CHECKING:
    from torch import Tensor

    from ..models.encoders import Encoders
    from ..models.network.config import Config

NO_PACK = "none"


class DiffSFSRLoad(io.ComfyNode):
    @classmethod
    def define_schema(cls) -> io.Schema:
        return io.Schema(
            node_id="DiffSFSRLoad",
            display_name="Load DiffSFSR (face swap)",
            category=CATEGORY,
            description="Loads a DiffSFSR checkpoint: the model that paints a face with identity, expression and "
            "background controlled separately. A small one comes with the pack; put others into models/diffsfsr.",
            **only_known(
                io.Schema,
                search_aliases=["face swap", "reenactment", "reactor", "liveportrait", "insightface", "portrait"],
            ),
            inputs=[
                io.Combo.Input(
                    "checkpoint",
                    options=listed(checkpoints),
                    tooltip="A .safetensors file in models/diffsfsr, or one that comes with the pack (mini).",
                ),
                io.Combo.Input(
                    "insightface_pack",
                    options=[NO_PACK, *listed(packs)],
                    default=NO_PACK,
                    optional=True,
                    tooltip="An insightface pack in models/insightface/models: its detector finds the faces, and Face "
                    "Report also tells the likeness by its recogniser. It needs the package insightface.",
                    **only_known(io.Combo.Input, advanced=True),
                ),
                mesh_input(),
            ],
            outputs=[
                DiffSFSRType.Output(
                    id="diffsfsr",
                    display_name="DIFFSFSR",
                    tooltip="Face finder, encoders and expression library of the checkpoint; all other nodes need it.",
                ),
                io.Model.Output(
                    id="model",
                    display_name="MODEL",
                    tooltip="The denoiser, for KSampler, guiders and model patches. DiffSFSR Sampler has it already.",
                ),
                io.Vae.Output(
                    id="vae",
                    display_name="VAE",
                    tooltip="The checkpoint's own autoencoder, for VAE Decode and DiffSFSR Conditioning. It fits no "
                    "other model.",
                ),
            ],
        )

    @classmethod
    def fingerprint_inputs(
        cls, checkpoint: str | None = None, insightface_pack: str | None = NO_PACK, face_mesh: str | None = TASK_FILE
    ) -> str:
        try:
            files = [find(checkpoint), find_mesh(face_mesh)]
        except (ValueError, OSError):  # which running the node says in words
            files = [checkpoint]
        return state_of(*files, *(file for folder in pack_folders() for file in pack_files(folder / insightface_pack)))

    @classmethod
    def execute(cls, checkpoint: str, insightface_pack: str = NO_PACK, face_mesh: str = TASK_FILE) -> io.NodeOutput:
        loaded = load(find(checkpoint), None if insightface_pack == NO_PACK else insightface_pack, face_mesh)
        return io.NodeOutput(loaded, loaded.model, loaded.vae)


def mesh_input() -> io.Combo.Input:
    """Where the file is missing, the front end is told what to do (web/missing.js): nobody should learn it by a run.

    The host's own list of missing models does not serve: it never sees a .task, and would name it when it is there.
    """
    asked = io.Combo.Input(
        "face_mesh",
        options=listed(meshes),
        default=TASK_FILE,
        optional=True,
        tooltip="MediaPipe's face landmarker, a .task file in models/mediapipe (3.8 MB). It finds faces and reads what "
        "they do.",
        **only_known(io.Combo.Input, advanced=True),
    )
    try:
        find_mesh(TASK_FILE)
    except OSError as error:
        asked.extra_dict = {"missing": str(error)}
    return asked


def find(name: str) -> Path:
    """The path of a checkpoint that is on the list; a name is never used as a path."""
    known = checkpoints()
    if name not in known:
        raise ValueError(
            f'there is no checkpoint "{name}"; choose one of {sorted(known)}, or put the file into models/{FOLDER}'
        )
    return known[name] or Path(folder_paths.get_full_path_or_raise(FOLDER, name))


def load(path: Path, pack: str | None = None, mesh: str = TASK_FILE) -> Loaded:
    """pack: of packs(), mesh: of meshes(); raises ValueError for a file that is broken, incomplete or none of ours."""
    from ..models.encoders import Encoders
    from ..models.network.checkpoint import read_checkpoint

    task_file = find_mesh(mesh)
    config, weights = read_checkpoint(path, parts=("unet", "vae"), dtype=None)  # the host decides
    encoders = Encoders.load(path, task_file, packs=pack_folders(), pack=pack)
    return assemble(config, encoders, weights["unet"], weights["vae"])


def assemble(config: Config, encoders: Encoders, unet: dict[str, Tensor], autoencoder: dict[str, Tensor]) -> Loaded:
    """The parts of a checkpoint, put into the host's hands; the last two are state dicts by diffusers' names."""
    from .native import load_model, load_vae

    vae = load_vae(config, autoencoder)
    grey = vae.encode(torch.full((1, 64, 64, 3), 0.5)).mean((0, 2, 3))  # (C,) raw latents
    if not grey.isfinite().all():
        raise ValueError("the checkpoint's autoencoder gives no numbers (NaN); get the file again")
    patcher = ModelPatcher(
        # the host sets `device` on what it moves, and Encoders has that as a property
        torch.nn.ModuleDict({"encoders": encoders}),
        load_device=comfy.model_management.text_encoder_device(),
        offload_device=comfy.model_management.text_encoder_offload_device(),
    )
    return Loaded(patcher, load_model(config, unet, grey), vae)
