"""The denoiser as the host's own MODEL and the autoencoder as its own VAE, from weights under diffusers' names.

Every sampler, scheduler, preview, hook, LoRA and low-memory mode of the host then works (ours).
"""

import comfy.diffusers_convert
import comfy.latent_formats
import comfy.model_base
import comfy.model_management
import comfy.sd
import comfy.supported_models_base
import comfy.utils
from comfy.model_patcher import ModelPatcher
from torch import Tensor, cat

from ..models.network.config import PICTURES, Config
from .compat import load_weights, patch_model

PREDICTIONS = {"v_prediction": comfy.model_base.ModelType.V_PREDICTION, "epsilon": comfy.model_base.ModelType.EPS}


def plane_key(name: str) -> str:
    """Under which a CONDITIONING has a plane; mask and background where the host's inpainting models have them."""
    return {"mask": "concat_mask", "background": "concat_latent_image"}.get(name, f"concat_{name}")


class LatentFormat(comfy.latent_formats.LatentFormat):
    def __init__(self, config: Config):
        self.latent_channels = config.latent_channels
        self.scale_factor = config.latent_scale
        if config.latent_rgb:  # scaled latents to colours in [-1, 1], for previews while sampling
            self.latent_rgb_factors = [list(row) for row in config.latent_rgb]
            self.latent_rgb_factors_bias = list(config.latent_rgb_bias)


class DiffSFSRModel(comfy.model_base.BaseModel):
    """The host's own, whose vector beside the timestep is made of the tokens, with the config's planes beside the noisy
    latents (models/network/denoiser.py)."""

    planes: dict[str, int]  # names and channels, in their order

    def concat_cond(self, **conditions: object) -> Tensor:
        """All planes in their order. What a conditioning does not bring is zero; mask and background are the host's."""
        noise = conditions["noise"]
        mask, background = super().concat_cond(**conditions).split([1, noise.shape[1]], dim=1)
        found = {"mask": mask, "background": background}
        for name, channels in self.planes.items():
            plane = conditions.get(plane_key(name))
            if name in found:
                continue
            if plane is None:
                found[name] = noise.new_zeros(len(noise), channels, *noise.shape[2:])
                continue
            plane = self.process_latent_in(plane) if name in PICTURES else plane
            if plane.shape[2:] != noise.shape[2:]:
                plane = comfy.utils.common_upscale(plane, noise.shape[-1], noise.shape[-2], "area", "center")
            found[name] = comfy.utils.resize_to_batch_size(plane, len(noise)).to(mask)
        return cat([found[name] for name in self.planes], dim=1)

    def encode_adm(self, cross_attn: Tensor | None = None, **conditions: object) -> Tensor | None:
        if cross_attn is None or self.diffusion_model.num_classes is None:
            return None
        return cross_attn.flatten(1)


class DiffSFSRModelConfig(comfy.supported_models_base.BASE):
    """What the host wants to know of a model; the pack's own models are told from others by this class."""

    unet_extra_config = {}  # the host's default would overwrite the number of heads
    memory_usage_factor = 1.0  # as the host's SD 1.5

    def __init__(self, config: Config):
        super().__init__(host_unet_config(config))
        self.latent_format = LatentFormat(config)
        self.prediction, self.planes = PREDICTIONS[config.prediction], config.plane_channels

    def model_type(self, state_dict, prefix=""):
        return self.prediction

    def get_model(self, state_dict, prefix="", device=None):
        model = DiffSFSRModel(self, model_type=self.prediction, device=device)
        model.set_inpaint()
        model.planes = self.planes
        return model


def host_unet_config(config: Config) -> dict:
    """Arguments of the host's UNetModel for the network that models/network/denoiser.py builds of diffusers' parts.

    raises   ValueError for a shape that the host's class cannot have
    """
    first, levels = config.widths[0], len(config.widths)
    if any(width % first or width % 32 for width in config.widths):
        raise ValueError(f"got denoiser widths {config.widths}, want multiples of the first and of 32")
    return {
        "image_size": 32,  # asked for, not read
        "in_channels": config.inputs,
        "out_channels": config.latent_channels,
        "model_channels": first,
        "channel_mult": [width // first for width in config.widths],
        "num_res_blocks": [config.layers] * levels,
        "transformer_depth": [int(flag) for flag in config.attention for _ in range(config.layers)],
        "transformer_depth_output": [int(flag) for flag in config.attention for _ in range(config.layers + 1)],
        "transformer_depth_middle": 1,
        "num_heads": config.heads,
        "num_head_channels": -1,
        "context_dim": config.context,
        "use_spatial_transformer": True,
        "use_linear_in_transformer": False,
        "num_classes": "sequential" if config.tokens_in_time else None,
        "adm_in_channels": config.tokens * config.context if config.tokens_in_time else None,
        "legacy": False,
    }


def load_model(config: Config, weights: dict[str, Tensor], grey: Tensor) -> ModelPatcher:
    """The denoiser as a MODEL that inpaints.

    weights  UNet2DConditionModel's state dict
    grey     (C,) raw latents of mid-grey, put in where a conditioning brings no background
    raises   ValueError where weights and config do not fit
    """
    model_config = DiffSFSRModelConfig(config)
    names = comfy.utils.unet_to_diffusers(model_config.unet_config)
    if foreign := sorted(set(weights) - set(names)):
        raise ValueError(f"the checkpoint has {len(foreign)} denoiser weights too many for its config: {foreign[:3]}")
    renamed = {names[name]: weight for name, weight in weights.items()}
    given = set(renamed)

    device, dtypes = comfy.model_management.get_torch_device(), model_config.supported_inference_dtypes
    size, stored = comfy.utils.calculate_parameters(weights), comfy.utils.weight_dtype(weights)
    dtype = comfy.model_management.unet_dtype(model_params=size, supported_dtypes=dtypes, weight_dtype=stored)
    model_config.set_inference_dtype(dtype, comfy.model_management.unet_manual_cast(dtype, device, dtypes))
    model = model_config.get_model(renamed)
    scaled = grey.float() * config.latent_scale
    # the host's own knows SD 1.5's four channels only
    model.blank_inpaint_image_like = lambda latents: scaled.to(latents).reshape(1, -1, 1, 1).expand_as(latents)

    offload_device = comfy.model_management.unet_offload_device()
    patcher = patch_model(model.to(offload_device), device, offload_device)
    try:
        load_weights(patcher, renamed)
    except RuntimeError as error:
        raise ValueError(f"the checkpoint's denoiser weights do not fit its config: {misfit(error)}") from error
    if missing := sorted(set(model.diffusion_model.state_dict()) - given):  # the host only logs them
        raise ValueError(f"the checkpoint lacks {len(missing)} denoiser weights: {missing[:3]}; get the file again")
    return patcher


def load_vae(config: Config, weights: dict[str, Tensor]) -> comfy.sd.VAE:
    """The autoencoder as a VAE.

    weights  AutoencoderKL's state dict, of four levels
    raises   ValueError where weights and config do not fit
    """
    widths = config.autoencoder_widths
    if len(widths) != 4 or any(width % widths[0] or width % 32 for width in widths):
        raise ValueError(f"got autoencoder widths {widths}, want four, multiples of the first and of 32")
    shape = {
        "double_z": True,
        "z_channels": config.latent_channels,
        "resolution": 256,  # asked for, not read
        "in_channels": 3,
        "out_ch": 3,
        "ch": widths[0],
        "ch_mult": [width // widths[0] for width in widths],
        "num_res_blocks": config.autoencoder_layers,
        "attn_resolutions": [],
        "dropout": 0.0,
    }
    try:
        vae = comfy.sd.VAE(weights, config={"params": {"ddconfig": shape, "embed_dim": config.latent_channels}})
    except RuntimeError as error:
        raise ValueError(f"the checkpoint's autoencoder weights do not fit its config: {misfit(error)}") from error
    vae.latent_channels = config.latent_channels
    given = set(comfy.diffusers_convert.convert_vae_state_dict(weights))
    if difference := sorted(given ^ set(vae.first_stage_model.state_dict())):  # the host only logs them
        raise ValueError(f"the checkpoint's autoencoder has missing or foreign weights: {difference[:3]}")
    return vae


def misfit(error: RuntimeError) -> str:
    """The first of the many lines in which torch says which tensors have another shape."""
    return next((line.strip() for line in str(error).splitlines() if "size mismatch" in line), str(error))
