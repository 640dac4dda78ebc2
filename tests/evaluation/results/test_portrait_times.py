import torch
from diffsfsr.evaluation.results.portrait_times import lines
from diffsfsr.models.pipeline import DiffSFSR


def test_every_step_of_a_portrait_is_timed():
    threads = torch.get_num_threads()
    heading, _, *rows = lines(DiffSFSR.load("mini"), sampling=1, rounds=1)
    assert "2048x2048 pixels, a selfie of 1696x2528" in heading
    found = {name.strip(): float(value) for _, name, value, _ in (row.split("|") for row in rows)}
    assert {"paint, 1 steps", "finish: retouch", "finish, all of it", "paste", "selfie: find the face"} <= set(found)
    assert all(value > 0 for value in found.values())
    assert torch.get_num_threads() == threads
