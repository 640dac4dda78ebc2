"""Which number format networks are fast in here: the one place that knows; training, encoding and tests ask it (ours).

A processor without bfloat16 instructions computes in it all the same, but up to a hundred times slower than in float32.
"""

import torch

# what a CPU is asked, by the names that torch has for it: AVX512-BF16, and AMX's tiles
CPU_QUERIES = ("_is_avx512_bf16_supported", "_is_amx_tile_supported")


def fast_dtype(device: torch.device | str) -> torch.dtype:
    """bfloat16 where the device has instructions for it, else float32."""
    device = torch.device(device)
    if device.type == "cuda":
        with torch.cuda.device(device):
            fast = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device.type == "cpu":
        queries = [getattr(torch.cpu, name, None) for name in CPU_QUERIES]  # older versions of torch lack them
        fast = any(query() for query in queries if query)
    else:
        fast = False
    return torch.bfloat16 if fast else torch.float32


def autocast(device: torch.device | str, bfloat16: bool | None = None) -> torch.autocast:
    """torch's autocast to bfloat16, or a block that changes nothing.

    bfloat16  whether to; None: where that is fast_dtype
    """
    device = torch.device(device)
    wanted = fast_dtype(device) == torch.bfloat16 if bfloat16 is None else bfloat16
    return torch.autocast(device.type, torch.bfloat16, enabled=wanted)
