"""Faces that are shown while sliders move: the last question counts, others are dropped; a setting turns all off."""

import asyncio
import threading
import time

import pytest

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
        desk = studio.Studio()
        desk._kept["one"], desk._finisher = studio.Kept((), None), "networks"
        await desk.do("other", lambda _: None)
        assert desk._kept and desk._later.when() > asyncio.get_running_loop().time() + studio.IDLE
        desk._later.cancel()
        desk.drop_idle()
        assert desk._kept  # not yet
        monkeypatch.setattr(studio, "IDLE", -1.0)
        desk.drop_idle()
        assert not desk._kept and desk._finisher is None

    host.loop.run_until_complete(asked())


@pytest.mark.parametrize("setting, there", [("0", False), ("off", False), ("1", True), (None, True)])
def test_the_environment_switches_it_off(host, monkeypatch, setting, there):
    from aiohttp import web

    monkeypatch.delenv("DIFFSFSR_LIVE", raising=False)
    if setting is not None:
        monkeypatch.setenv("DIFFSFSR_LIVE", setting)
    routes = web.RouteTableDef()
    host.part("nodes.routes").register(routes)
    assert bool(len(routes)) == there and all(route.path.startswith("/diffsfsr/") for route in routes)
