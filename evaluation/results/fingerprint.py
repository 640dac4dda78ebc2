"""Which weights numbers were measured with, in a line (ours)."""

import hashlib
from pathlib import Path

from ...models.appearance.mouth import Mouth
from ...models.appearance.retouch import Retoucher
from ...models.network.checkpoint import resolve_checkpoint


def fingerprint(checkpoint: str | Path = "mini", retouched: bool = True) -> str:
    """Such as "weights mini 0f3a9c21, mouth 5d20c4e1, retoucher 77d1b05e": the first digits of the files' SHA-256.

    retouched  False for what the painter has made alone
    """
    files = {"mini" if checkpoint == "mini" else Path(checkpoint).stem: resolve_checkpoint(checkpoint)}
    if retouched:
        files |= {network.kind: network.file() for network in (Mouth, Retoucher)}
    return "weights " + ", ".join(f"{name} {_digits(path)}" for name, path in files.items())


def _digits(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:8]
