"""Do the rendered references show what their words mean? An expression judge, and a head that took no part (ours)."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ...models.comparison import correlation
from ...models.expression.library import MOVING, ExpressionLibrary
from ...models.expression.references import FILE, SIDE, References
from ...models.faces.mesh import BLENDSHAPES, FaceMesh
from ...models.network.checkpoint import ASSETS
from ...models.pictures import to_pil
from ..judges.face_api import EMOTIONS
from ..judges.networks import Judges

BASIC = {  # written down before the judge looked: the emotion that stands for a cluster
    "love": "happy", "joy": "happy", "surprise": "surprised", "anger": "angry", "sadness": "sad", "fear": "fearful",
}  # fmt: skip
UNSEEN = {
    "skin_colour": (0.6, 0.39, 0.28),
    "lip_colour": (0.42, 0.17, 0.14),
    "wrinkles": 0.4,
}  # an East Asian woman of 50
SURVIVES = 0.5  # correlation over the labels from which on an action counts as seen on another head
COLUMNS, WIDTH, CAPTION = 10, 200, 16  # of the contact sheet; pixels
COLOURS = {
    "love": "#c2477f", "joy": "#b98300", "surprise": "#7a4fb5", "anger": "#b3261e", "sadness": "#2f62a8",
    "fear": "#3b7a57",
}  # fmt: skip


def report(library: ExpressionLibrary, mesh: FaceMesh, judges: Judges | None) -> Iterator[str]:
    """All of the below as lines of Markdown; what is not installed is left out and named."""
    references = References.load(ASSETS / FILE)
    yield "\n## Rendered references\n"
    if judges is None:
        yield "no judge: run `make judges`"
    else:
        yield from judge_report(library, judged(references, mesh, judges, library.labels))
    if find_spec("anny") is None:
        yield "no unseen head: run `pip install -r rendering/requirements.txt`"
    else:
        yield from unseen_report(library, unseen_readings(references, mesh))


def judged(references: References, mesh: FaceMesh, judges: Judges, labels: Sequence[str]) -> Tensor:
    """(L, H, 7) probabilities of EMOTIONS that the judge gives to each head's picture of each label, variant 0."""
    found = []
    for label in labels:
        for picture in references.pictures(label):
            faces = mesh.find(picture, limit=1)
            if not faces:
                raise ValueError(f"the mesh finds no face in the reference picture of {label}; render it anew")
            found.append(judges.read(picture, faces[0]).emotions)
    return torch.stack(found).view(len(labels), len(references.heads), -1)


def judge_report(library: ExpressionLibrary, found: Tensor) -> Iterator[str]:
    """Agreement with the cluster's basic emotion, and confusion tables, in Markdown. found: (L, H, 7) from judged"""
    logs = found.clamp(min=1e-6).log()
    for what, scores in (("as it is", logs), ("against each head's mean over all labels", logs - logs.mean(0))):
        yield from _confusion(library, what, scores.argmax(-1))


def _confusion(library: ExpressionLibrary, what: str, called: Tensor) -> Iterator[str]:
    """called: (L, H) numbers of EMOTIONS"""
    clusters = [library.cluster(label) for label in library.labels]
    wanted = torch.tensor([EMOTIONS.index(BASIC[cluster]) for cluster in clusters])
    right = called == wanted[:, None]  # (L, H)
    heads = ", ".join(f"{share:.0%}" for share in right.float().mean(0).tolist())
    yield (
        f"face-api, {what}: the cluster's emotion in {int(right.sum())} of {right.numel()} pictures "
        f"({float(right.float().mean()):.0%}; head by head {heads})\n"
    )
    counts = Counter(
        (cluster, EMOTIONS[one]) for cluster, row in zip(clusters, called.tolist(), strict=True) for one in row
    )
    yield "| cluster | " + " | ".join(EMOTIONS) + " | right |"
    yield "|---|" + "---|" * (len(EMOTIONS) + 1)
    for cluster, basic in BASIC.items():
        row = [counts[cluster, emotion] for emotion in EMOTIONS]
        yield f"| {cluster} | " + " | ".join(map(str, row)) + f" | {counts[cluster, basic] / sum(row):.0%} |"
    missed = [label for label, each in zip(library.labels, right.any(1).tolist(), strict=True) if not each]
    yield f"\non neither head ({len(missed)}): {', '.join(missed)}\n"


def unseen_readings(references: References, mesh: FaceMesh) -> Tensor:
    """(L, 51): what is read, minus neutral, when a head that took no part acts variant 0 of each label."""
    from ...rendering.portraits import PORTRAITS
    from ...rendering.references import Head

    person, hair = PORTRAITS["ines"]
    person = replace(person, races=(0.0, 1.0, 0.0), age=0.7, weight=0.6, dials={}, look=person.look | UNSEEN)
    head = Head(person, hair, mesh)
    return torch.stack([head.act(references.actions_of(label))[1] for label in references.variants])


def unseen_report(library: ExpressionLibrary, read: Tensor) -> Iterator[str]:
    """read: (L, 51) from unseen_readings"""
    codes = torch.stack([library.code(label) for label in library.labels])
    each = correlation(codes[:, MOVING], read[:, MOVING])
    order = each.argsort()
    worst = ", ".join(f"{library.labels[i]} {each[i]:.2f}" for i in order[:8])
    yield f"unseen head: correlation with the code {each.mean():.2f} on average over {len(each)} labels; worst {worst}"
    distance = torch.cdist(read[:, MOVING], codes[:, MOVING])
    places = (distance < distance.diag()[:, None]).sum(1)  # how many labels are nearer than the right one
    clusters = [library.cluster(label) for label in library.labels]
    own = sum(clusters[i] == mine for i, mine in zip(distance.argmin(1).tolist(), clusters, strict=True))
    yield (
        f"the label itself is the nearest for {(places == 0).sum()}, among five for {(places < 5).sum()}; the nearest "
        f"is of its cluster for {own} ({own / len(each):.0%})"
    )
    over_labels = correlation(codes.T, read.T).tolist()
    survives = {BLENDSHAPES[i]: over_labels[i] for i in MOVING if codes[:, i].std() > 0.02}
    lost = {name: value for name, value in survives.items() if not value >= SURVIVES}
    yield (
        f"{len(survives) - len(lost)} of {len(survives)} channels correlate by {SURVIVES} or more over the labels; "
        + (
            "less: "
            + ", ".join(f"{name} {value:.2f}" for name, value in sorted(lost.items(), key=lambda each: each[1]))
        )
    )


def contact_sheet(library: ExpressionLibrary, references: References, variant: int = 0) -> Image.Image:
    """All labels on all heads, cluster by cluster."""
    cell = min(SIDE, WIDTH // len(references.heads))
    width = cell * len(references.heads)
    labels = sorted(library.labels, key=lambda label: (list(BASIC).index(library.cluster(label)), label))
    rows = -(-len(labels) // COLUMNS)
    sheet = Image.new("RGB", (COLUMNS * (width + 4) + 4, rows * (cell + CAPTION + 4) + 4), "white")
    draw = ImageDraw.Draw(sheet)
    for number, label in enumerate(labels):
        left, top = 4 + number % COLUMNS * (width + 4), 4 + number // COLUMNS * (cell + CAPTION + 4)
        for i, picture in enumerate(references.pictures(label, variant)):
            small = to_pil(picture).resize((cell, cell), Image.Resampling.LANCZOS)
            sheet.paste(small, (left + i * cell, top + CAPTION))
        colour = COLOURS[library.cluster(label)]
        draw.text((left + width / 2, top + CAPTION / 2), label, colour, ImageFont.load_default(14), "mm")
    return sheet
