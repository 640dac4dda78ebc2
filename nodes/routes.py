"""Questions of the pack's own front end, under /diffsfsr: labels and their pictures, and faces shown at once.

Asked are names of pictures in the input folder and codes, never paths. The host's own checks of where a question comes
from lie before these; those with a body want it as JSON, which a page from elsewhere cannot send unasked.
"""

from __future__ import annotations

import asyncio
import functools
import io
import json
import logging
import re
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from aiohttp import web

from ..models.expression.words import MAX_INTENSITY
from .expression import ASSETS, labels, people, references, words
from .folders import BUNDLED, EXPRESSIONS, kept_file, kept_files, state_of
from .load import find
from .studio import Studio, Superseded, studio, switched_off

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from ..models.codes import Expression

PREFIX = "/diffsfsr"
LARGEST_BODY = 16 * 1024  # bytes
SIDES = (128, 256, 512)  # pixels of a face's picture
QUALITY = 90  # JPEG
NODE = re.compile(r"[\w:.-]{1,64}")
SHORT = 200  # letters of names and phrases
SLIDERS = 11  # that a code is made of, at most
DAY = {"Cache-Control": "max-age=86400"}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def register(routes: web.RouteTableDef) -> None:
    """Add the questions to the host's own, unless DIFFSFSR_LIVE=0."""
    if switched_off():
        logging.info("DiffSFSR: no live faces, as DIFFSFSR_LIVE says")
        return
    live = studio()
    for method, name, answer in (
        ("GET", "labels", _labels),
        ("GET", "label", _label),
        ("GET", "find", _find),
        ("GET", "file", _file),
        ("POST", "photo", functools.partial(_photo, live)),
        ("POST", "face", functools.partial(_face, live)),
        ("POST", "forget", functools.partial(_forget, live)),
    ):
        routes.route(method, f"{PREFIX}/{name}")(_in_words(answer))


def _in_words(answer: Handler) -> Handler:
    async def handle(request: web.Request) -> web.StreamResponse:
        try:
            return await answer(request)
        except Superseded:
            return web.Response(status=204)  # browsers write what is 400 or more into their console
        except (ValueError, OSError) as error:
            return web.json_response({"error": str(error)}, status=400)

    return handle


async def _labels(request: web.Request) -> web.Response:
    told = await asyncio.to_thread(table, _checkpoint(request.query))
    return web.json_response(told, headers={"Cache-Control": "no-cache"})


@functools.lru_cache(maxsize=2)
def _known(checkpoint: Path, state: str) -> dict:
    """state: of the file, so that another of its name is read again."""
    from ..models.expression.edit import ASYMMETRY, MORE, SIDED, SLIDERS
    from ..models.expression.library import ExpressionLibrary
    from ..models.expression.normalisation import Normalisation
    from ..models.faces.mesh import BLENDSHAPES

    normalisation = Normalisation.load(checkpoint)
    library = ExpressionLibrary.load(ASSETS / "expressions.json")
    synonyms = words().synonyms()
    return {
        "blendshapes": list(BLENDSHAPES),
        "sliders": {name: {"lowest": each.lowest, "meaning": each.meaning} for name, each in SLIDERS.items()},
        "more": {name: {"lowest": each.lowest, "meaning": each.meaning} for name, each in MORE.items()},
        "sided": list(SIDED),
        "asymmetry": ASYMMETRY,
        "labels": {
            label: {
                "cluster": library.cluster(label),
                "group": library.group(label),
                "why": list(library.variants(label)),
                "words": synonyms.get(label, []),
                "codes": [
                    values_of(normalisation.word(library, label, i)[0]) for i in range(len(library.variants(label)))
                ],
            }
            for label in labels()
        },
    }


def table(checkpoint: str) -> dict:
    """All that the front end has to know: sliders, labels with clusters, words and codes; the user's own files."""
    path = find(checkpoint)
    return _known(path, state_of(path)) | {"files": kept_files(EXPRESSIONS)}


def values_of(code: Tensor) -> dict[str, float]:
    """A code (51,) by the names of blendshapes, without what is nothing; to three digits."""
    from ..models.faces.mesh import BLENDSHAPES

    rounded = ((name, round(value, 3)) for name, value in zip(BLENDSHAPES, code.tolist(), strict=True))
    return {name: value for name, value in rounded if value}


async def _label(request: web.Request) -> web.Response:
    """The bundled person, or a rendered head, that shows a label, WebP."""
    label, head = _text(request.query, "label"), _number(request.query, "head", 0, 9)
    variant = _number(request.query, "variant", 0, 99)
    of = people if request.query.get("of") == "people" else references
    content = await asyncio.to_thread(lambda: of().encoded(label, variant, head))
    return web.Response(body=content, content_type="image/webp", headers=DAY)


async def _find(request: web.Request) -> web.Response:
    text = _text(request.query, "text")
    try:
        found = await asyncio.to_thread(lambda: words().find(text, 8))
    except ValueError:  # somebody is typing: nothing is found yet
        found = []
    return web.json_response([{"label": each.label, "score": each.score, "degree": each.degree} for each in found])


async def _file(request: web.Request) -> web.Response:
    from ..models.expression.file import load_expression

    name = _text(request.query, "name")
    path = kept_file(EXPRESSIONS, name, "expression", "Save Expression")
    expression = await asyncio.to_thread(load_expression, path)
    return web.json_response(values_of(expression.code[0]))


async def _photo(studio: Studio, request: web.Request) -> web.Response:
    """What the face in a photo does itself, as values."""
    asked = await _asked(request)
    node, photo, checkpoint = _node(asked), _text(asked, "photo"), _checkpoint(asked)

    def read(_: Callable[[], None]) -> dict[str, float]:
        live = studio.live(node, photo, checkpoint=checkpoint)
        return values_of(live.blendshapes - live.finisher.neutral)

    return web.json_response(await studio.do(f"{node} photo", read))


async def _face(studio: Studio, request: web.Request) -> web.Response:
    """A face with an expression, JPEG; where it can be held stands in the answer's head."""
    asked = await _asked(request)
    node, photo, side = _node(asked), _text(asked, "photo"), asked.get("size", 256)
    scene, checkpoint = _text(asked, "scene") if asked.get("scene") else None, _checkpoint(asked)
    if side not in SIDES or isinstance(side, bool):
        raise ValueError(f"got {str(side):.20} for size, want one of {SIDES}")

    def show(go_on: Callable[[], None]) -> tuple[bytes, dict]:
        from ..models.pictures import to_pil

        code = None if asked.get("untouched") is True else wanted(studio, asked).code[0]
        live, stream = studio.live(node, photo, scene, checkpoint), io.BytesIO()
        shown = live.untouched(side // 128) if code is None else live.show(code, side // 128, go_on)
        to_pil(shown.picture).save(stream, "JPEG", quality=QUALITY, subsampling=0)
        return stream.getvalue(), shown.handles

    # a node with several pictures has a turn for each of them
    picture, handles = await studio.do(f"{node} {_text(asked, 'turn')}" if "turn" in asked else node, show)
    told = {name: [round(x, 4) for x in at] for name, at in handles.items()}
    head = {"Cache-Control": "no-store", "X-DiffSFSR-Handles": json.dumps(told)}
    return web.Response(body=picture, content_type="image/jpeg", headers=head)


async def _forget(studio: Studio, request: web.Request) -> web.Response:
    node = _node(await _asked(request))
    await studio.do(f"{node} forget", lambda _: studio.forget(node))
    return web.json_response({})


def wanted(studio: Studio, asked: dict) -> Expression:
    """The code of a question: a label, or what is wired and the values of Edit Expression; ValueError for others."""
    import torch

    from ..models.codes import Expression
    from ..models.expression.edit import edit_all
    from ..models.expression.file import from_values
    from ..models.faces.mesh import BLENDSHAPES
    from ..models.files import is_number

    wired, edit = asked.get("wired", {}), asked.get("edit", {})
    if not isinstance(wired, dict) or not isinstance(edit, dict) or len(edit) > SLIDERS + 4:
        raise ValueError("got something else, want objects for wired and edit")
    if "label" in wired:
        label, variant, intensity = _text(wired, "label"), wired.get("variant", 0), wired.get("intensity", 1.0)
        if variant not in range(100) or not is_number(intensity, 0, MAX_INTENSITY):
            raise ValueError(f"got variant {str(variant):.10} and intensity {str(intensity):.10} of a label")
        expression = Expression(studio.word(label, int(variant), intensity, _checkpoint(asked)), label)
    elif wired:
        expression = from_values(wired, "wired")
    else:
        expression = Expression(torch.zeros(1, len(BLENDSHAPES)), "neutral")
    if not edit:
        return expression
    edit = dict(edit)
    values = edit.pop("values", "")
    if not isinstance(values, str):
        raise ValueError("got values that are no text, want JSON in a text")
    more = {name: edit.pop(name, default) for name, default in (("intensity", 1.0), ("asymmetry", 0.0))}
    strength = edit.pop("strength", 1.0)
    return edit_all(expression, more["intensity"], edit, more["asymmetry"], values, strength)


async def _asked(request: web.Request) -> dict:
    if request.content_type != "application/json":
        raise ValueError(f"got {request.content_type}, want application/json")
    if request.content_length is None or request.content_length > LARGEST_BODY:
        raise web.HTTPRequestEntityTooLarge(LARGEST_BODY, request.content_length or -1)
    try:
        asked = await request.json()
    except RecursionError:
        asked = None
    if not isinstance(asked, dict):
        raise ValueError("got no JSON object")
    return asked


def _node(asked: dict) -> str:
    node = asked.get("node")
    if not isinstance(node, str) or not NODE.fullmatch(node):
        raise ValueError("got no name of a node, want up to 64 letters, digits, or - . : _")
    return node


def _text(asked: dict, name: str) -> str:
    text = asked.get(name)
    if not isinstance(text, str) or not 0 < len(text) <= SHORT:
        raise ValueError(f"got no {name}, want up to {SHORT} letters")
    return text


def _checkpoint(asked: dict) -> str:
    """The name that Load DiffSFSR has for it; where none is given, the bundled one."""
    return _text(asked, "checkpoint") if asked.get("checkpoint") else BUNDLED[0]


def _number(asked: dict, name: str, default: int, most: int) -> int:
    text = str(asked.get(name, default))
    if not re.fullmatch("[0-9]{1,3}", text) or int(text) > most:
        raise ValueError(f"got {text:.20} for {name}, want 0 to {most}")
    return int(text)
