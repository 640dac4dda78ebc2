import torch
from diffsfsr.evaluation.results.crossing import HEAD, HEIGHT, SHOTS, WIDTH, Frame, Video, is_other, measure
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.network.checkpoint import resolve_checkpoint


def face(x: float) -> Face:
    across = torch.linspace(x - 40, x + 40, 478)
    return Face(torch.stack([across, across, across], 1), torch.zeros(51), torch.zeros(3), 1.0)


def test_a_frame_says_who_is_seen_where():
    video = Video(100)
    assert len(video) == 100 * SHOTS and video[0].picture.shape == (3, HEIGHT, WIDTH)
    assert (video[0].anna, video[100].anna) == (HEAD / 2, WIDTH - HEAD / 2)  # another side in the next shot
    assert (video[33].anna, video[61].anna, video[61].bert) == (None, None, None)
    assert all(video[i].seen for i in range(60) if video[i].anna)  # she is in front
    hidden = [i for i in range(100, 200) if video[i].anna and not video[i].seen]
    assert hidden and all(abs(video[i].anna - video[i].bert) < HEAD for i in hidden)  # here he is


def test_who_is_taken_for_another_is_told():
    both = Frame(torch.zeros(3, HEIGHT, WIDTH), anna=100.0, bert=400.0, seen=True)
    alone = Frame(both.picture, anna=None, bert=400.0, seen=False)
    assert not is_other(both, [face(110)]) and not is_other(alone, [])
    assert is_other(both, [face(390)]) and is_other(alone, [face(390)])
    for seen in (True, False):  # in front of him, or behind
        assert is_other(Frame(both.picture, 100.0, 110.0, seen), [face(112)]) != seen


def test_the_beginning_is_followed():
    found = measure(Encoders.load(resolve_checkpoint("mini"), find_task_file()), Video(100), 6)
    assert (found.frames, found.shown, found.switches, found.missed) == (6, 6, 0, 0)
