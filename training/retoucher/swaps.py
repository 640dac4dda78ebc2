"""One person's photo in another one's picture, doing what a third one does or what a word says: as in use (ours).

Nobody knows what these should look like. What is known is whom they should resemble, what they should do, and what
photos look like.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from ...models.appearance.finish import DETAIL, Wish
from ...models.appearance.photos import Appearance, photograph
from ...models.codes import Expression
from ...models.faces.choice import NoFace
from ...models.pipeline import DiffSFSR, Painting
from ...models.pixels import to_bytes
from ..data.elsewhere import as_taken_elsewhere
from ..data.photos import person_of
from ..run import generator_at
from .portraits import Kept, Portrait, photos_of, read_portrait

WORDS, CALM = 0.5, 0.1  # share of words, and of the scene's own expression; the others' are an actor's
INTENSITY = (0.5, 1.2)  # of a word
ELSEWHERE = 0.5  # share of photos as if taken elsewhere; the others as they are


@dataclass(frozen=True)
class Swap(Kept):
    """B of them where they are drawn for a step."""

    planes: Tensor  # (PLANES, SIDE, SIDE) uint8, what the retoucher is given, [-1, 1] as 0..255
    scene: Tensor  # (3, SIDE, SIDE) uint8: the photo that another person was put into
    points: Tensor  # (478, 2) pixels of both: the wanted mesh
    wanted: Tensor  # (51,) blendshapes 0..1
    identity: Tensor  # (D,) the person's code


def write_swaps(sources: list[Path], out: Path, model: DiffSFSR, count: int) -> Iterator[tuple[int, int]]:
    """Files of at most so many below `out`; those that are there stay. Yields how many are done, and of how many.

    sources  as of write_examples()
    """
    photos = photos_of(sources)
    if len({person_of(name) for _, name in photos}) < 2:
        raise ValueError("got portraits of one person, want two people or more to put one into another one's picture")
    for number in range(count):
        path = out / f"{number:06d}.safetensors"
        generator = generator_at(0, number)
        drawn = [photos[i] for i in torch.randint(len(photos), (3,), generator=generator).tolist()]
        (_, scene), (_, person), _ = drawn
        if not path.is_file() and person_of(scene) != person_of(person):
            found = [read_portrait(source, name, model) for source, name in drawn]
            swap = make_swap(*found, model, generator) if all(found) else None
            if swap is not None:
                swap.save(path)
        yield number + 1, count


@torch.no_grad()
def make_swap(
    scene: Portrait, person: Portrait, actor: Portrait, model: DiffSFSR, generator: torch.Generator
) -> Swap | None:
    """None where the scene's face is turned too far, or has no colours, which planes do not tell."""
    finisher = model.encoders.finisher
    try:
        background = model.encoders.background(scene.picture[None], known=lambda _: [scene.face])
    except NoFace:
        return None
    kind, intensity, elsewhere = torch.rand(3, generator=generator).tolist()
    neutral = model.encoders.conditioner.neutral
    if kind < WORDS:
        words = model.encoders.library.labels
        word = words[int(torch.randint(len(words), (), generator=generator))]
        low, high = INTENSITY
        expression = model.expression(word, low + (high - low) * intensity)
    else:
        acting = actor.face.blendshapes if kind < 1 - CALM else background.blendshapes[0]
        expression = Expression((acting - neutral)[None])
    identity, _ = model.encoders.identity([person.picture], known=lambda _: [person.face])
    shown = photograph([person.picture], [person.face])
    photo = as_taken_elsewhere(shown.photos, generator) if elsewhere < ELSEWHERE else shown.photos
    own = Appearance(to_bytes(photo), shown.points, shown.blendshapes)
    seed = int(torch.randint(2**31, (), generator=generator))
    given = replace(identity, appearances=(own,)), expression, background
    painted = model.paint(*given, Painting(seed=seed), wish=Wish())
    place = finisher.place(background, 0, background.pictures.__getitem__, Wish(detail=DETAIL))
    wanted = finisher.wants(expression.code)
    target = finisher.target(place, finisher.person(own), wanted, Wish())
    composed = finisher.compose(painted, place, own, wanted, target, 1.0)
    if composed.colour < 1:
        return None
    planes, around = (to_bytes(x[0]) for x in (composed.planes(), place.around))
    return Swap(planes, around, target[0, :, :2].contiguous(), wanted[0], identity.code[0])


class Swaps:
    """Files that write_swaps() wrote."""

    def __init__(self, folder: Path):
        self.paths = sorted(folder.glob("*.safetensors"))
        if not self.paths:
            raise ValueError(f"got no portraits that could be put into others in {folder}")

    def draw(self, count: int, generator: torch.Generator) -> Swap:
        """Some of them, side by side."""
        rows = torch.randint(len(self.paths), (count,), generator=generator).tolist()
        drawn = [load_file(self.paths[row]) for row in rows]
        return Swap(**{key: torch.stack([each[key] for each in drawn]) for key in drawn[0]})
