"""What a step of training the `sd15` size takes, counted on tensors without content: nothing is computed.

Operations are counted by torch's own counter, memory by what autograd keeps for the way back.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import torch
from diffusers.models.attention import BasicTransformerBlock
from diffusers.models.resnet import ResnetBlock2D
from diffusers.models.unets.unet_2d_blocks import UNetMidBlock2D, UpDecoderBlock2D
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from ...models.conditions import Conditions
from ...models.frames import FRAMES
from ...models.network.autoencoder import build_autoencoder
from ...models.network.config import Config, sd15
from ..run import trained
from .lora import add_lora
from .train import Model

GIB = 2**30
GPUS = {"RTX 4090": 165e12, "A100": 312e12, "H100": 989e12}  # makers' bfloat16 operations a second, dense
USED = 0.4  # share of them that training of this kind reaches


@dataclass(frozen=True)
class Cost:
    settings: str
    batch: int
    parameters: int
    trained: int
    operations: float  # of a picture, there and back
    fixed: float  # bytes: weights, their bfloat16 copies, gradients, AdamW's two moments, averaged weights
    activations: float  # numbers kept for the way back, of a picture

    def table(self) -> str:
        low, high = (self.fixed + self.batch * size * self.activations for size in (2, 4))  # autocast lies between
        lines = [
            f"{self.settings}: {self.parameters / 1e6:.0f} million weights, {self.trained / 1e6:.0f} trained",
            f"operations a picture: {self.operations / 1e12:.2f}e12",
            f"memory: {self.fixed / GIB:.1f} GiB, and for a batch of {self.batch} "
            f"{(low - self.fixed) / GIB:.1f} (all in bfloat16) to {(high - self.fixed) / GIB:.1f} (all in float32)",
            f"together: {low / GIB:.1f} to {high / GIB:.1f} GiB",
        ]
        for name, speed in GPUS.items():
            rate = USED * speed / self.operations
            lines.append(f"{name} at {USED:.0%}: {rate:.0f} pictures a second, {1e6 / rate / 3600:.1f} h a million")
        return "\n".join(lines)


@dataclass
class Kept:
    """Numbers that autograd keeps: in all, and with checkpointing."""

    heads: int
    total: int = 0
    in_blocks: int = 0
    largest_block: int = 0
    block_inputs: int = 0
    seen: set[int] = field(default_factory=set)

    def pack(self, tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()._cdata
        square = tensor.dim() > 2 and tensor.shape[-1] == tensor.shape[-2] and tensor.shape[:-2].numel() == self.heads
        if storage not in self.seen and not square:  # GPUs have attention that keeps no matrix of it
            self.seen.add(storage)
            self.total += tensor.numel()
        return tensor

    @property
    def checkpointed(self) -> int:
        return self.total - self.in_blocks + self.block_inputs + self.largest_block

    @contextmanager
    def counting(self, model: nn.Module, blocks: tuple[type, ...] = ()) -> Iterator[None]:
        """blocks: what checkpointing does anew as a whole"""
        self.seen |= {parameter.untyped_storage()._cdata for parameter in model.parameters()}
        before: dict[nn.Module, int] = {}

        def enter(block: nn.Module, inputs: tuple) -> None:
            before[block] = self.total
            self.block_inputs += inputs[0].numel()

        def leave(block: nn.Module, inputs: tuple, output: Tensor) -> None:
            own = self.total - before[block]
            self.in_blocks += own
            self.largest_block = max(self.largest_block, own)

        handles = []
        for block in model.modules():
            if isinstance(block, blocks):
                handles += [block.register_forward_pre_hook(enter), block.register_forward_hook(leave)]
        with torch.autograd.graph.saved_tensors_hooks(self.pack, lambda tensor: tensor):
            yield
        for handle in handles:
            handle.remove()


def count(frame: str, batch: int, lora: int, checkpointing: bool, losses: str, estimate: str) -> Cost:
    """As `train denoiser` takes these settings, and "none" for losses as there."""
    config = sd15(frame=frame)
    with torch.device("meta"):
        model = Model(config)
        if lora:
            add_lora(model, lora)
        passes = 1 if losses == "none" or estimate == "one-step" else 2
        there, operations, kept = count_denoiser(model, config)
        operations = passes * (operations + there * checkpointing)  # which goes there twice
        kept = passes * (kept.checkpointed if checkpointing else kept.total)
        if losses == "decoded":
            there, both, decoding = count_decoder(config)
            operations += both + there * checkpointing
            kept += decoding.checkpointed if checkpointing else decoding.total
    every, own = (sum(p.numel() for p in group) for group in (list(model.parameters()), trained(model)))
    how = f"LoRA of rank {lora}" if lora else "all weights"
    how += ", checkpointing" if checkpointing else ""
    how += "" if losses == "none" else f", {losses} losses on the {estimate} estimate"
    return Cost(f"{frame}, {how}", batch, every, own, operations, (4 + 2) * every + (4 + 8 + 4) * own, kept)


def count_denoiser(model: Model, config: Config) -> tuple[float, float, Kept]:
    """Of one picture: operations there, there and back, and what is kept."""
    side, kept = FRAMES[config.frame].size // 8, Kept(config.heads)
    z = torch.empty(1, config.latent_channels, side, side)
    planes = {name: torch.empty(1, channels, side, side) for name, channels in config.plane_channels.items()}
    with FlopCounterMode(display=False) as counter:
        with kept.counting(model, (ResnetBlock2D, BasicTransformerBlock)):
            tokens = torch.empty(1, config.tokens, config.context, requires_grad=True)
            output = model.denoiser(z, torch.zeros(1, dtype=torch.long), Conditions(tokens, planes))
        there = counter.get_total_flops()
        output.sum().backward()
    return there, counter.get_total_flops(), kept


def count_decoder(config: Config) -> tuple[float, float, Kept]:
    """The same for losses on decoded pixels; mesh and recognisers are small beside it."""
    shape = config.autoencoder_widths, config.autoencoder_layers, config.latent_channels, config.latent_scale
    autoencoder, kept = build_autoencoder(*shape).requires_grad_(False), Kept(1)
    side = FRAMES[config.frame].size // 8
    with FlopCounterMode(display=False) as counter:
        with kept.counting(autoencoder, (UNetMidBlock2D, UpDecoderBlock2D)):
            output = autoencoder.decode(torch.empty(1, config.latent_channels, side, side, requires_grad=True)).sample
        there = counter.get_total_flops()
        output.sum().backward()
    return there, counter.get_total_flops(), kept
