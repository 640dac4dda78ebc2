"""Faces that are shown while sliders move: the last question counts, others are dropped; a setting turns all off."""

import asyncio
import gc
import json
import shutil
import threading
import time

import pytest
import torch
from diffsfsr.models.expression.edit import SLIDERS
from diffsfsr.models.network.checkpoint import ASSETS
from PIL import Image

pytestmark = pytest.mark.host


def test_of_what_one_node_asks_only_the_last_is_answered(host):
    studio, done = host.part("nodes.studio"), []

    async def asked() -> list:
        desk = studio.Studio()
        questions = [desk.do("one", lambda _, i=i: done.append(i) or i) for i in range(5)]
        other = desk.do("other", lambda _: "another's")
        return await asyncio.gather(*questions, other, return_exceptions=True)

    *mine, other = host.loop.run_until_complete(asked())
    assert mine[0] == 0 and mine[-1] == 4 and other == "another's"  # what is being done already is finished
    assert all(isinstance(each, studio.Superseded) for each in mine[1:-1]) and done == [0, 4]


def test_what_is_being_done_is_left_where_the_same_node_asks_again(host):
    studio, began = host.part("nodes.studio"), threading.Event()

    def long(go_on) -> None:
        began.set()
        while True:  # until it is superseded
            go_on()
            time.sleep(0.001)

    async def asked() -> list:
        desk = studio.Studio()
        first = asyncio.ensure_future(desk.do("one", long))
        await asyncio.to_thread(began.wait)
        return await asyncio.gather(first, desk.do("one", lambda _: 1), return_exceptions=True)

    first, second = host.loop.run_until_complete(asked())
    assert isinstance(first, studio.Superseded) and second == 1


def test_a_failure_is_told_and_the_next_is_answered(host):
    async def asked():
        desk = host.part("nodes.studio").Studio()
        with pytest.raises(ZeroDivisionError):
            await desk.do("one", lambda _: 1 / 0)
        return await desk.do("one", lambda _: 5)

    assert host.loop.run_until_complete(asked()) == 5


def test_faces_that_nobody_asks_for_are_dropped_with_the_networks(host, monkeypatch):
    studio = host.part("nodes.studio")

    async def asked():
        desk, began = studio.Studio(), asyncio.get_running_loop().time()
        desk._kept["one"], desk._networks = studio.Kept((), None), "networks"
        await desk.do("other", lambda _: None)
        assert desk._kept and desk._later.when() > began + studio.IDLE
        desk._later.cancel()
        desk.drop_idle()
        assert desk._kept  # not yet
        monkeypatch.setattr(studio, "IDLE", -1.0)
        desk.drop_idle()
        assert not desk._kept and desk._networks is None

    host.loop.run_until_complete(asked())


def test_faces_leave_nothing_behind(host, desk, monkeypatch):
    """Of any number of nodes only the last ones' faces are held, however often they move; then none."""
    monkeypatch.setattr(host.part("nodes.studio"), "NODES", 2)
    shutil.copy(host.part("nodes.photo").EXAMPLES / "example_portrait.jpg", host.base / "input" / "kept.jpg")
    code = torch.zeros(51)

    def move(nodes: int) -> int:
        for i in range(2 * nodes):
            desk.live(f"n{i // 2}", "kept.jpg").show(code + i / 20, detail=1)
        return bytes_of_tensors()

    before = bytes_of_tensors()
    one, two, four = move(1), move(2), move(4)
    assert before < one < two == four
    for i in range(4):
        desk.forget(f"n{i}")
    assert bytes_of_tensors() == before  # of the networks, too


def bytes_of_tensors() -> int:
    """In this process."""
    gc.collect()
    storages = [each.untyped_storage() for each in gc.get_objects() if issubclass(type(each), torch.Tensor)]
    return sum({each.data_ptr(): each.nbytes() for each in storages}.values())


@pytest.mark.parametrize("setting, there", [("0", False), ("off", False), ("1", True), (None, True)])
def test_the_environment_switches_it_off(host, monkeypatch, setting, there):
    from aiohttp import web

    monkeypatch.delenv("DIFFSFSR_LIVE", raising=False)
    if setting is not None:
        monkeypatch.setenv("DIFFSFSR_LIVE", setting)
    routes = web.RouteTableDef()
    host.part("nodes.routes").register(routes)
    assert bool(len(routes)) == there and all(route.path.startswith("/diffsfsr/") for route in routes)


@pytest.fixture
def desk(host):
    return host.part("nodes.studio").Studio()


@pytest.fixture
def other_checkpoint(host) -> str:
    """The name of a checkpoint of the user's, with a neutral face of its own."""
    from safetensors import safe_open
    from safetensors.torch import save_file

    with safe_open(ASSETS / "mini.safetensors", "pt") as file:
        tensors, metadata = {key: file.get_tensor(key) for key in file.keys()}, file.metadata()  # noqa: SIM118
    tensors["conditioner.neutral"] = tensors["conditioner.neutral"].flip(0).contiguous()
    path = host.base / "models" / "diffsfsr" / "other.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file(tensors, path, metadata)
    yield path.name
    path.unlink()


def test_the_sampler_and_the_live_face_want_the_same(host, run, people, desk, other_checkpoint):
    """Of words, held back ones among them, and of a photo's own expression: the same blendshapes, to three digits."""
    routes = host.part("nodes.routes")
    portrait = people(8, "amateur_selfie")
    file = host.base / "input" / "lit.png"
    Image.fromarray((portrait[0] * 255).round().byte().numpy()).save(file)
    largest, still = dict(face="largest", face_number=0), dict.fromkeys((*SLIDERS, "asymmetry"), 0.0)
    for checkpoint in ("mini.safetensors", other_checkpoint):
        diffsfsr, *_ = run("DiffSFSRLoad", checkpoint=checkpoint)
        finisher, given = diffsfsr.ready().finisher, {"checkpoint": checkpoint}
        live = desk.live("one", file.name, checkpoint=checkpoint)
        for label, intensity in (("joy", 1.0), ("grief", 1.0), ("woe", 1.5), ("anger", 0.0)):
            choice = dict(label=label, variant=0, intensity=intensity)
            word, _ = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, **choice)
            shown = live.finisher.wants(routes.wanted(desk, {"wired": choice} | given).code)
            torch.testing.assert_close(shown, finisher.wants(word.code), atol=1e-6, rtol=0)
        # chosen in the editor, which lays the table's values under its sliders
        values = routes.table(checkpoint)["labels"]["grief"]["codes"][0]
        laid = routes.wanted(desk, {"edit": {"values": json.dumps(values)}} | given)
        grief, _ = run("DiffSFSRExpressionByLabel", diffsfsr=diffsfsr, label="grief", variant=0, intensity=1.0)
        (edited,) = run("DiffSFSREditExpression", expression=grief, **still, intensity=1.0)
        assert (live.finisher.wants(laid.code) - finisher.wants(edited.code)).abs().max() < 1e-3
        (photo,) = run("DiffSFSRExpressionFromImage", diffsfsr=diffsfsr, image=portrait, intensity=1.0, **largest)
        own = routes.values_of(live.blendshapes - live.finisher.neutral)
        shown = routes.wanted(desk, {"wired": own} | given)
        assert (live.finisher.wants(shown.code) - finisher.wants(photo.code)).abs().max() < 1e-3
    file.unlink()


def test_an_unknown_checkpoint_is_told(desk):
    with pytest.raises(ValueError, match="no checkpoint"):
        desk.word("joy", 0, 1.0, "../mini.safetensors")
