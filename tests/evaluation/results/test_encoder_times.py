import torch
from diffsfsr.evaluation.results.encoder_times import lines
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.identity.recogniser import Recogniser


def test_every_step_is_timed_for_one_face_and_for_many():
    threads = torch.get_num_threads()
    small = Recogniser((8, 8, 8, 8), (1, 1, 1), 6).eval()
    found = lines(FaceMesh.load(find_task_file()), {"small": small}, batches=(1, 2), rounds=1)
    table = [line.split("|")[1:-1] for line in found]
    steps = {name.strip(): [float(value) for value in values] for name, *values in table[2:]}
    assert {"detector, the first look", "mesh: points and blendshapes", "recogniser small"} <= set(steps)
    assert all(len(values) == 2 for values in steps.values()) and min(steps["detector, the first look"]) > 0
    assert torch.get_num_threads() == threads
