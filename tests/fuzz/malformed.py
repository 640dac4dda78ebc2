"""Feeds every reader of the pack with spoiled files, and counts what comes of it.

    python tests/fuzz/malformed.py --cases 200      # for each reader; prints the table of docs/robustness.md

A file may be refused in words (ValueError, FileNotFoundError) or read; an object that was read is looked at: no NaN, no
number that cannot be, and it can be used. Anything else is a fault, which is printed with the seed that makes it again.
"""

import argparse
import random
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
if __name__ == "__main__":
    runpy.run_path(str(ROOT / "cli.py"))  # makes the pack importable as `diffsfsr`
    sys.path.insert(0, str(Path(__file__).parent))

import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402
from diffsfsr.models.appearance.composed import PLANES  # noqa: E402
from diffsfsr.models.appearance.mouth import Mouth  # noqa: E402
from diffsfsr.models.appearance.photos import PORTRAIT, Appearance  # noqa: E402
from diffsfsr.models.appearance.retouch import Retoucher  # noqa: E402
from diffsfsr.models.codes import Expression, Identity  # noqa: E402
from diffsfsr.models.conditions import Conditioner  # noqa: E402
from diffsfsr.models.expression.file import STRONGEST, load_expression, save_expression  # noqa: E402
from diffsfsr.models.expression.library import ExpressionLibrary  # noqa: E402
from diffsfsr.models.expression.references import References, save_references  # noqa: E402
from diffsfsr.models.expression.user_library import FORMAT, UserLibrary  # noqa: E402
from diffsfsr.models.expression.words import Words  # noqa: E402
from diffsfsr.models.faces.mesh import BLENDSHAPES  # noqa: E402
from diffsfsr.models.files import write_tensors  # noqa: E402
from diffsfsr.models.identity.file import load_identity, save_identity  # noqa: E402
from diffsfsr.models.identity.recogniser import Recogniser  # noqa: E402
from diffsfsr.models.network.autoencoder import build_autoencoder  # noqa: E402
from diffsfsr.models.network.checkpoint import fill, read_checkpoint, save_checkpoint  # noqa: E402
from diffsfsr.models.network.config import mini  # noqa: E402
from diffsfsr.models.network.denoiser import Denoiser  # noqa: E402
from diffsfsr.models.pictures import read_picture, to_pil  # noqa: E402
from spoil import dumps, spoil_bytes, spoil_json, spoil_safetensors  # noqa: E402

SLOW = 1.0  # seconds of the processor, so that what runs beside does not count


@dataclass
class Counts:
    cases: int = 0
    refused: int = 0
    accepted: int = 0
    faults: list[str] = field(default_factory=list)  # what happened, and how to make it again
    slowest: float = 0.0  # seconds of the processor


@dataclass(frozen=True)
class Reader:
    name: str
    file: str
    write: Callable[[Path], None]  # a good file
    read: Callable[[Path], object]  # read it, and use what was read; AssertionError if it should have been refused
    spoil: Callable[[bytes, random.Random], bytes]


def readers() -> list[Reader]:
    def tensors(name, write, read):
        return Reader(name, f"{name.replace(' ', '_')}.safetensors", write, read, spoil_safetensors)

    def texts(name, write, read):
        def spoil(content: bytes, draw: random.Random) -> bytes:
            if draw.random() < 0.2:
                return spoil_bytes(content, draw)
            return spoil_json(content.decode(), draw).encode(draw.choice(("utf-8", "utf-8", "utf-16")), "replace")

        return Reader(name, f"{name.replace(' ', '_')}.json", write, read, spoil)

    def pictures(suffix):
        return Reader(f"picture {suffix}", f"picture.{suffix}", _write_picture, _read_picture, spoil_bytes)

    return [
        tensors("identity", _write_identity, _read_identity),
        tensors("identity with photos", _write_photographed, _read_identity),
        tensors("expression", _write_expression, _read_expression),
        texts(
            "expression values", lambda path: path.write_text('{"jawOpen": 0.4, "mouthSmile": 0.5}'), _read_expression
        ),  # fmt: skip
        tensors("own library", _write_library, _read_library),
        tensors("references", _write_references, _read_references),
        tensors("recogniser", lambda path: _recogniser().save(path), _read_recogniser),
        tensors("mouth", lambda path: Mouth((8, 12)).save(path), _read_mouth),
        tensors("retoucher", lambda path: Retoucher((8, 12)).save(path), _read_retoucher),
        tensors("checkpoint", _write_checkpoint, _read_checkpoint),
        texts("table of labels", lambda path: path.write_text(dumps(TABLE)), _read_labels),
        texts("table of synonyms", lambda path: path.write_text(dumps(SYNONYMS)), _read_words),
        *map(pictures, ("png", "jpg", "webp", "tiff")),
    ]


def try_out(reader: Reader, cases: int, seed: int, folder: Path) -> Counts:
    """Spoil the reader's good file in so many ways."""
    path, counts = folder / reader.file, Counts()
    reader.write(path)
    good = path.read_bytes()
    reader.read(path)
    for number in range(cases):
        made = f"{reader.name} {seed} {number}"
        path.write_bytes(reader.spoil(good, random.Random(made)))
        counts.cases += 1
        started = time.process_time()
        try:
            reader.read(path)
            counts.accepted += 1
        except (ValueError, FileNotFoundError) as error:
            counts.refused += 1
            said = str(error)
            if isinstance(error, UnicodeError) or not 20 < len(said) < 1000:
                counts.faults.append(f"{made}: poor words: {type(error).__name__}: {said[:200]!r}")
        except Exception as error:
            last = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{Path(last.filename).name}:{last.lineno}"
            counts.faults.append(f"{made}: {type(error).__name__}: {error!s:.150} ({place})")
        counts.slowest = max(counts.slowest, time.process_time() - started)
    return counts


def table(results: dict[str, Counts]) -> Iterator[str]:
    yield "| reader | cases | refused in words | read, and sound | faults | slowest |"
    yield "|---|---|---|---|---|---|"
    for name, counts in results.items():
        yield (
            f"| {name} | {counts.cases} | {counts.refused} | {counts.accepted} | {len(counts.faults)} | "
            f"{counts.slowest * 1000:.0f} ms |"
        )
    parts = [sum(getattr(c, key) for c in results.values()) for key in ("cases", "refused", "accepted")]
    faults, slowest = sum(len(c.faults) for c in results.values()), max(c.slowest for c in results.values())
    yield f"| all | {' | '.join(map(str, parts))} | {faults} | {slowest * 1000:.0f} ms |"


def _draw() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _sound(*tensors: torch.Tensor) -> None:
    assert all(tensor.isfinite().all() for tensor in tensors), "NaN or infinite numbers were read"


def _write_identity(path: Path) -> None:
    vectors = F.normalize(torch.randn(2, 2, 24, generator=_draw()), dim=-1)
    save_identity(path, Identity(vectors.flatten(1), ("resnet-face", "resnet-inner"), 3))


def _write_photographed(path: Path) -> None:
    vectors = F.normalize(torch.randn(2, 2, 24, generator=_draw()), dim=-1)
    pictures = torch.randint(256, (1, 3, PORTRAIT.size, PORTRAIT.size), generator=_draw(), dtype=torch.uint8)
    points, blendshapes = 600 * torch.rand(1, 478, 3, generator=_draw()), torch.rand(1, 51, generator=_draw())
    appearances = tuple(
        Appearance(*(x.expand(n, *x.shape[1:]) for x in (pictures, points, blendshapes))) for n in (1, 2)
    )
    save_identity(path, Identity(vectors.flatten(1), ("resnet-face", "resnet-inner"), 3, appearances))


def _read_identity(path: Path) -> None:
    identity = load_identity(path)
    _sound(identity.code, *(tensor for own in identity.appearances for tensor in (own.points, own.blendshapes)))
    assert all(own.points.abs().max() < 1e4 for own in identity.appearances)
    lengths = identity.code.norm(dim=1) / len(identity.recognisers) ** 0.5
    assert (lengths - 1).abs().max() < 0.02 and identity.photos >= 1


def _write_expression(path: Path) -> None:
    save_expression(path, Expression(torch.rand(3, 51, generator=_draw()) - 0.5, "mine"))


def _read_expression(path: Path) -> None:
    expression = load_expression(path)
    _sound(expression.code)
    assert expression.code.abs().max() <= STRONGEST and expression.code.shape[1:] == (51,)


def _write_library(path: Path) -> None:
    photos = ["joy/a.jpg", "joy/b.jpg", "rage/c.jpg"]
    state = {"blendshapes": BLENDSHAPES, "photos": photos, "rejected": {"d.jpg": "no face"},
             "stamps": dict.fromkeys([*photos, "d.jpg"], "1 2")}  # fmt: skip
    tensors = {"blendshapes": torch.rand(3, 51, generator=_draw()), "pose": torch.rand(3, 3, generator=_draw()) * 40}
    write_tensors(path, tensors, {"format": FORMAT, "library": dumps(state)})


def _read_library(path: Path) -> None:
    library = UserLibrary.load(path)
    for label in library.labels:
        expression = library.expression([library.random(label, 0), library.nearest(label, torch.zeros(3))],
                                        torch.zeros(51))  # fmt: skip
        _sound(expression.code)
        assert expression.code.abs().max() <= 1


def _write_references(path: Path) -> None:
    pictures = [[torch.rand(3, 16, 16, generator=_draw()) for _ in range(2)] for _ in range(3)]
    codes = torch.rand(3, 51, generator=_draw()) - 0.5
    tensors = {"meant": codes, "codes": codes, "acted": torch.rand(3, 4, generator=_draw()),
               "read": codes[:, None].expand(-1, 2, -1)}  # fmt: skip
    save_references(path, pictures, ["a", "b"], {"joy": 2, "rage": 1}, ["a", "b", "c", "d"], tensors)


def _read_references(path: Path) -> None:
    references = References.load(path)
    _sound(references.codes, references.read, references.meant, references.acted)
    for label, count in references.variants.items():
        references.actions_of(label, count - 1)
        assert references.pictures(label, count - 1).shape == (len(references.heads), 3, 160, 160)


def _recogniser() -> Recogniser:
    torch.manual_seed(0)
    return Recogniser((8, 8, 8, 8), (1, 1, 1), 24)


def _read_mouth(path: Path) -> None:
    assert Mouth.load(path)(torch.zeros(1, Mouth.planes, 16, 16)).isfinite().all()


def _read_retoucher(path: Path) -> None:
    change = Retoucher.load(path)(torch.zeros(1, PLANES, 16, 16))
    assert change.isfinite().all()


def _read_recogniser(path: Path) -> None:
    code = Recogniser.load(path)(torch.zeros(1, 3, 112, 112))
    _sound(code)
    assert (code.norm() - 1).abs() < 0.02


def _write_checkpoint(path: Path) -> None:
    torch.manual_seed(0)
    save_checkpoint(path, CONFIG, _networks(CONFIG), 1)


def _networks(config) -> dict[str, torch.nn.Module]:
    autoencoder = build_autoencoder(
        config.autoencoder_widths, config.autoencoder_layers, config.latent_channels, config.latent_scale
    )
    return {"unet": Denoiser(config).unet, "vae": autoencoder, "conditioner": Conditioner(config)}


def _read_checkpoint(path: Path) -> None:
    config, weights = read_checkpoint(path)
    if config != CONFIG:
        for name, network in _networks(config).items():
            fill(network, weights[name], name)
    for part in weights.values():
        _sound(*part.values())


def _read_labels(path: Path) -> None:
    library = ExpressionLibrary.authored(path)
    for label in library.labels:
        code = library.code(label, len(library.variants(label)) - 1)
        _sound(code)
        assert code.abs().max() <= 1 and library.cluster(label) + library.group(label) is not None


def _read_words(path: Path) -> None:
    words = Words.load(path, ("joy", "rage"))
    for match in words.find("a bit joyfull"):
        assert 0 <= match.score <= 1 and 0 <= match.degree <= 1.5


def _write_picture(path: Path) -> None:
    to_pil(torch.rand(3, 40, 50, generator=_draw()) * 2 - 1).save(path)


def _read_picture(path: Path) -> None:
    picture = read_picture(path)
    _sound(picture)
    assert len(picture) == 3 and picture.abs().max() <= 1


CONFIG = mini(
    name="tiny", recognisers=("small",), identity_size=16, latent_channels=4, widths=(32, 32), layers=1, heads=2,
    context=16, identity_tokens=2, expression_tokens=2, autoencoder_widths=(32, 32, 32, 32),
)  # fmt: skip
TABLE = {
    "format": 1, "neutral": {"jawOpen": 0.1}, "anchors": {"happy": {"mouthSmile": 0.6}},
    "labels": {
        "joy": {"cluster": "joy", "group": "zest", "variants": [
            {"anchors": {"happy": 0.8}, "actions": {"jawOpen": 0.2}, "why": "a smile"}]},
        "rage": {"cluster": "anger", "group": "rage", "variants": [
            {"anchors": {}, "actions": {"browDown": 0.5}, "why": "brows"}]},
    },
}  # fmt: skip
SYNONYMS = {
    "format": 1, "degrees": {"a bit": 0.6, "utterly": 1.5}, "fillers": ["i", "am"],
    "words": {"joyful": {"joy": 0.9}, "mad": {"rage": 0.8, "joy": 0.1}},
}  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description="Feed every reader with spoiled files.")
    parser.add_argument("--cases", type=int, default=200, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", help="one reader")
    options, results = parser.parse_args(), {}
    with tempfile.TemporaryDirectory() as folder:
        for reader in readers():
            if options.only in (None, reader.name):
                results[reader.name] = try_out(reader, options.cases, options.seed, Path(folder))
    print("\n".join(fault for counts in results.values() for fault in counts.faults), file=sys.stderr)
    print("\n".join(table(results)))
    return any(counts.faults or counts.slowest > SLOW for counts in results.values())


if __name__ == "__main__":
    sys.exit(main())
