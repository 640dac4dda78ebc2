import torch
from diffsfsr.evaluation.results.portrait_times import lines
from diffsfsr.models.pipeline import DiffSFSR


def test_every_step_of_a_portrait_is_timed():
    threads = torch.get_num_threads()
    heading, _, *rows = lines(DiffSFSR.load("mini"), sampling=1, rounds=1)
    assert "2048x2048 pixels, a selfie of 1696x2528" in heading
    found = {name.strip(): float(value) for _, name, value, _ in (row.split("|") for row in rows)}
    assert all(value > 0 for value in found.values())
    parts = sum(value for name, value in found.items() if name.startswith("finish: "))
    assert {"paint, 1 steps", "paste", "selfie: find the face"} <= set(found) and parts < found["finish, all of it"]
    assert torch.get_num_threads() == threads
