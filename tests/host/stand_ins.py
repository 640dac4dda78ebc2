"""Stand-ins for files that no test can download: a checkpoint in the SD 1.5 layout, and an upscale model.

The checkpoint's UNet predicts no noise at all, so that a sampler ends on the latents that it began with, and its
decoder is solved for so that just these latents come out as a picture. Its encoder gives zeros. The upscale model
repeats pixels.
"""

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import conv2d, group_norm, interpolate, silu, unfold

SMOOTH = torch.tensor([1.0, 2.0, 1.0]).outer(torch.tensor([1.0, 2.0, 1.0])) / 16


class Layout(dict):
    """State dict under construction; all weights are zero, those of norms one, unless they are drawn."""

    def __init__(self, prefix: str, generator: torch.Generator):
        self.prefix, self.generator = prefix, generator

    def layer(self, name: str, *shape: int, scale: float = 0.0) -> None:
        spread = scale / np.sqrt(np.prod(shape[1:]))
        self[self.prefix + name + ".weight"] = torch.randn(shape, generator=self.generator) * spread
        self[self.prefix + name + ".bias"] = torch.zeros(shape[0])

    def norm(self, name: str, channels: int) -> None:
        self[self.prefix + name + ".weight"] = torch.ones(channels)
        self[self.prefix + name + ".bias"] = torch.zeros(channels)

    def weight(self, name: str) -> Tensor:
        return self[self.prefix + name + ".weight"]


def unet(generator: torch.Generator) -> Layout:
    """SD 1.5's UNet, cut to two levels with one block each; the first width and the context are what it is known by."""
    layout = Layout("model.diffusion_model.", generator)
    width, embedding, context = 320, 1280, 768

    def block(name: str, channels: int) -> None:
        layout.norm(f"{name}.in_layers.0", channels)
        layout.layer(f"{name}.in_layers.2", width, channels, 3, 3, scale=1.0)
        layout.layer(f"{name}.emb_layers.1", width, embedding, scale=1.0)
        layout.norm(f"{name}.out_layers.0", width)
        layout.layer(f"{name}.out_layers.3", width, width, 3, 3, scale=1.0)
        if channels != width:
            layout.layer(f"{name}.skip_connection", width, channels, 1, 1, scale=1.0)

    def attention(name: str) -> None:
        layout.norm(f"{name}.norm", width)
        layout.layer(f"{name}.proj_in", width, width, 1, 1, scale=1.0)
        inner = f"{name}.transformer_blocks.0"
        for part, tokens in (("attn1", width), ("attn2", context)):
            for letter, channels in (("q", width), ("k", tokens), ("v", tokens)):
                layout.layer(f"{inner}.{part}.to_{letter}", width, channels, scale=1.0)
                del layout[f"{layout.prefix}{inner}.{part}.to_{letter}.bias"]
            layout.layer(f"{inner}.{part}.to_out.0", width, width, scale=1.0)
        layout.layer(f"{inner}.ff.net.0.proj", 8 * width, width, scale=1.0)
        layout.layer(f"{inner}.ff.net.2", width, 4 * width, scale=1.0)
        for number in (1, 2, 3):
            layout.norm(f"{inner}.norm{number}", width)
        layout.layer(f"{name}.proj_out", width, width, 1, 1, scale=1.0)

    layout.layer("time_embed.0", embedding, width, scale=1.0)
    layout.layer("time_embed.2", embedding, embedding, scale=1.0)
    layout.layer("input_blocks.0.0", width, 4, 3, 3, scale=1.0)
    block("input_blocks.1.0", width)
    layout.layer("input_blocks.2.0.op", width, width, 3, 3, scale=1.0)
    block("input_blocks.3.0", width)
    attention("input_blocks.3.1")
    block("middle_block.0", width)
    attention("middle_block.1")
    block("middle_block.2", width)
    for number in range(4):
        block(f"output_blocks.{number}.0", 2 * width)
    attention("output_blocks.0.1")
    attention("output_blocks.1.1")
    layout.layer("output_blocks.1.2.conv", width, width, 3, 3, scale=1.0)
    layout.norm("out.0", width)
    layout.layer("out.2", 4, width, 3, 3)  # no noise predicted
    return layout


def text_encoder(generator: torch.Generator) -> Layout:
    """CLIP-L in full; its layers pass on what they get."""
    layout = Layout("cond_stage_model.transformer.text_model.", generator)
    layout.layer("embeddings.token_embedding", 49408, 768, scale=1.0)
    layout.layer("embeddings.position_embedding", 77, 768, scale=1.0)
    del layout[layout.prefix + "embeddings.token_embedding.bias"]
    del layout[layout.prefix + "embeddings.position_embedding.bias"]
    for number in range(12):
        for part in ("k_proj", "v_proj", "q_proj", "out_proj"):
            layout.layer(f"encoder.layers.{number}.self_attn.{part}", 768, 768)
        layout.layer(f"encoder.layers.{number}.mlp.fc1", 3072, 768)
        layout.layer(f"encoder.layers.{number}.mlp.fc2", 768, 3072)
        layout.norm(f"encoder.layers.{number}.layer_norm1", 768)
        layout.norm(f"encoder.layers.{number}.layer_norm2", 768)
    layout.norm("final_layer_norm", 768)
    return layout


def residual(layout: Layout, name: str, channels: int, width: int) -> None:
    """A residual block of the autoencoder that passes on what it gets."""
    layout.norm(f"{name}.norm1", channels)
    layout.layer(f"{name}.conv1", width, channels, 3, 3)
    layout.norm(f"{name}.norm2", width)
    layout.layer(f"{name}.conv2", width, width, 3, 3)
    if channels != width:
        layout.layer(f"{name}.nin_shortcut", width, channels, 1, 1)
        layout.weight(f"{name}.nin_shortcut")[: min(channels, width), :, 0, 0] = torch.eye(width, channels)[:channels]


def middle(layout: Layout, name: str) -> None:
    """The autoencoder's middle: two residual blocks and an attention between them, none of which does anything."""
    residual(layout, f"{name}.block_1", 512, 512)
    layout.norm(f"{name}.attn_1.norm", 512)
    for part in ("q", "k", "v", "proj_out"):
        layout.layer(f"{name}.attn_1.{part}", 512, 512, 1, 1)
    residual(layout, f"{name}.block_2", 512, 512)


def encoder(generator: torch.Generator) -> Layout:
    """The encoder of SD's autoencoder at its full widths; its latents are zero, whatever the picture."""
    layout = Layout("first_stage_model.", generator)
    layout.layer("encoder.conv_in", 128, 3, 3, 3)
    channels = 128
    for level, width in enumerate((128, 256, 512, 512)):
        for number in range(2):
            residual(layout, f"encoder.down.{level}.block.{number}", channels, width)
            channels = width
        if level < 3:
            layout.layer(f"encoder.down.{level}.downsample.conv", width, width, 3, 3)
    middle(layout, "encoder.mid")
    layout.norm("encoder.norm_out", 512)
    layout.layer("encoder.conv_out", 8, 512, 3, 3)
    layout.layer("quant_conv", 8, 8, 1, 1)
    return layout


def decoder(generator: torch.Generator) -> Layout:
    """The decoder of SD's autoencoder at its full widths; its blocks pass on what they get, enlarged and smoothed.

    Channels 0, 4 and 8 and their copies 1, 5 and 9 are kept free for a picture's red, green and blue.
    """
    layout = Layout("first_stage_model.", generator)

    layout.layer("post_quant_conv", 4, 4, 1, 1)
    layout.weight("post_quant_conv")[:, :, 0, 0] = torch.eye(4)
    layout.layer("decoder.conv_in", 512, 4, 3, 3, scale=1.0)
    layout.weight("decoder.conv_in")[:16] = 0
    middle(layout, "decoder.mid")
    layout.layer("decoder.mid.block_1.conv1", 512, 512, 3, 3, scale=1.0)
    channels = 512
    for level, width in ((3, 512), (2, 512), (1, 256), (0, 128)):
        for number in range(3):
            residual(layout, f"decoder.up.{level}.block.{number}", channels, width)
            channels = width
        if level:
            layout.layer(f"decoder.up.{level}.upsample.conv", width, width, 3, 3)
            for channel in range(16):
                layout.weight(f"decoder.up.{level}.upsample.conv")[channel, channel] = SMOOTH
    layout.norm("decoder.norm_out", 128)
    layout.layer("decoder.conv_out", 3, 128, 3, 3)
    return layout


def paint(layout: Layout, picture: Tensor, latents: Tensor) -> None:
    """Solve for decoder weights that make a picture of given latents; their scale does not matter.

    picture: (3, h, w) in [-1, 1];  latents: (1, 4, h, w)
    """
    features = conv2d(latents, layout.weight("decoder.conv_in"), padding=1)
    features = conv2d(silu(group_norm(features, 32)), layout.weight("decoder.mid.block_1.conv1"), padding=1)
    patches = unfold(silu(group_norm(features, 32)), 3, padding=1)[0].double()  # (512 * 9, h * w)
    gram = patches.T @ patches
    gram += gram.diagonal().mean() * 1e-4 * torch.eye(len(gram))
    solution = (patches @ torch.linalg.solve(gram, picture.flatten(1).T.double())).T.reshape(3, 512, 3, 3)

    enlarged = picture[None]
    for _ in range(3):
        enlarged = conv2d(interpolate(enlarged, scale_factor=2), SMOOTH.expand(3, 1, 3, 3), padding=1, groups=3)
    for colour in range(3):
        first = 4 * colour  # a group of decoder.norm_out: the colour, its copy, two empty channels
        layout.weight("decoder.mid.block_1.conv2")[first : first + 2] = solution[colour].float()
        values = torch.cat([enlarged[0, colour].flatten().repeat(2), torch.zeros(2 * enlarged[0, colour].numel())])
        mean, spread = values.mean(), values.std(correction=0)
        norm = layout.prefix + "decoder.norm_out"
        layout[f"{norm}.weight"][first : first + 2] = torch.stack([spread, -spread])
        layout[f"{norm}.bias"][first : first + 2] = torch.stack([mean, -mean])
        layout.weight("decoder.conv_out")[colour, first : first + 2, 1, 1] = torch.tensor(
            [1.0, -1.0]
        )  # silu(x) - silu(-x) = x


def write_checkpoint(path: Path, photo: Path | None, size: int, seed: int) -> None:
    """A checkpoint that paints the face of a studio portrait for one size and seed of the noise; without one, a blur.

    size    side of the square picture in pixels
    """
    generator = torch.Generator().manual_seed(0)
    layout = decoder(generator)
    if photo is None:
        for name, weight in layout.items():
            if weight.dim() == 4:
                layout[name] = torch.randn(weight.shape, generator=generator) / np.sqrt(weight[0].numel())
    else:
        portrait = Image.open(photo).convert("RGB")
        around_the_face = (0.2 * portrait.width, 0.05 * portrait.height, 0.85 * portrait.width, 0.7 * portrait.height)
        small = portrait.resize((size // 8, size // 8), Image.Resampling.LANCZOS, around_the_face)
        latents = torch.randn(1, 4, size // 8, size // 8, generator=torch.Generator().manual_seed(seed))
        paint(layout, torch.from_numpy(np.array(small)).permute(2, 0, 1) / 127.5 - 1, latents)
    layout |= unet(generator) | text_encoder(generator) | encoder(generator)
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file({name: weight.half().contiguous() for name, weight in layout.items()}, path)


def write_upscaler(path: Path) -> None:
    """An upscale model in the layout of Real-ESRGAN's compact network: every pixel becomes 4 x 4 like it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shapes = {"body.0.weight": (8, 3, 3, 3), "body.0.bias": (8,), "body.1.weight": (8,), "body.2.weight": (48, 8, 3, 3)}
    save_file({name: torch.zeros(shape) for name, shape in (shapes | {"body.2.bias": (48,)}).items()}, path)
