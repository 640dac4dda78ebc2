"""The 135 labels on a person who does not exist, made by the model itself (ours): assets/people.safetensors.

Rendered heads (references.py) say what a label means, and its code is read on them; this shows what comes of it.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..models import DiffSFSR
from ..models.appearance.finish import Wish
from ..models.appearance.live import Live
from ..models.appearance.shape import OPENERS
from ..models.codes import Expression, join_expressions, repeat_background
from ..models.expression.references import save_references
from ..models.faces.mesh import BLENDSHAPES

AT_ONCE = 6  # faces that are made together
OPEN = 0.3  # sum of what parts the lips from which on the painter takes part: the inside of a mouth is no photo's
WISH = Wish(detail=2)  # 256 pixels
LEFT, TOP, SIDE = 0.12, 0.17, 0.76  # of the crop: what is shown of it, the face without the hair and the shoulders


def reenact(
    model: DiffSFSR,
    name: str,
    photos: Sequence[Tensor],
    scene: Tensor,
    path: Path,
    labels: Sequence[str] | None = None,
) -> Iterator[str]:
    """Make a picture of every variant of every label, and write what References.load reads.

    name    of the person, in the file
    photos  (3, H, W) in [-1, 1] each, of one person: a calm one, which is all for shut mouths, then one with teeth
    scene   (3, H, W), in which the person is shown
    labels  some of them alone
    yields  a line for each few faces, how many are there
    """
    library, mesh = model.encoders.library, model.encoders.mesh
    variants = {label: len(library.variants(label)) for label in labels or library.labels}
    keys = [(label, variant) for label, count in variants.items() for variant in range(count)]
    meant = torch.stack([library.code(*key) for key in keys])
    wanted = join_expressions([model.encoders.label(*key) for key in keys])
    person, place = model.identity(photos), model.background(scene)
    calm = model.identity(photos[:1]).appearances[0]
    live = Live(model.encoders.finisher, scene, mesh.find(scene, limit=1)[0], calm)
    opened = wanted.code[:, [BLENDSHAPES.index(name) for name in OPENERS]].clamp(min=0).sum(1) > OPEN
    pictures, read = {}, {}
    for painted in (True, False):
        rows = (opened == painted).nonzero()[:, 0].tolist()
        for first in range(0, len(rows), AT_ONCE):
            some = rows[first : first + AT_ONCE]
            if painted:
                given = person, Expression(wanted.code[some]), repeat_background(place, len(some))
                crops = model.finish(model.paint(*given), *given, WISH)
            else:  # as the picker shows the user's own person
                crops = [live.show(wanted.code[row], WISH.detail).picture for row in some]
            for row, crop in zip(some, crops, strict=True):
                faces = mesh.find(crop, limit=1)
                if not faces:
                    raise ValueError(f"the mesh finds no face in the picture of {keys[row][0]}; take another scene")
                read[row] = faces[0].blendshapes - model.encoders.conditioner.neutral
                left, top, side = (round(part * crop.shape[-1]) for part in (LEFT, TOP, SIDE))
                pictures[row] = [crop[:, top : top + side, left : left + side]]
            yield f"{len(pictures)} of {len(keys)}"
    pictures, read = ([of[row] for row in range(len(keys))] for of in (pictures, read))
    tensors = {"meant": meant, "acted": meant.clamp(min=0), "read": torch.stack(read)[:, None], "codes": meant}
    save_references(path, pictures, [name], variants, BLENDSHAPES, tensors)
