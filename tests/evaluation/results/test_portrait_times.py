import torch
from diffsfsr.evaluation.results.portrait_times import (
    ALL,
    LOAD,
    PREVIEW,
    Cost,
    Measured,
    Setting,
    lines,
    measure,
    scene,
)
from diffsfsr.models.faces.mesh import FaceMesh
from diffsfsr.models.pipeline import DiffSFSR  # noqa: F401  loaded before measure() would leave out parts of diffusers

PARTS = ("find the selfie's face", "encode it, and the word", "find the faces to replace", "paint, 4 steps", "finish")


def tables(found) -> list[list[list[str]]]:
    """Cells of each table, its heading first."""
    parted = "\n".join(found).strip().split("\n\n")
    return [[[cell.strip() for cell in row.split("|")[1:-1]] for row in each.splitlines()] for each in parted]


def made_up(setting: Setting) -> Measured:
    """A face costs 1 s to paint and 0.5 s in a preview, in every frame; two threads halve what the clock says."""
    n = setting.frames * (setting.faces or 1)
    parts = {name: Cost(20, 10 / setting.threads, 10, 100) for name in PARTS[:2]}
    parts |= {name: Cost(2 * n, n / setting.threads, n, 100 + n) for name in PARTS[2:]}
    return Measured({LOAD: Cost(7)} | parts, {PREVIEW: Cost(n, n / setting.threads / 2, n / 2, 300)})


def test_tables_hold_what_was_measured():
    asked = []
    whole, sides, faces, frames = tables(lines(lambda setting: asked.append(setting) or made_up(setting)))
    assert len(asked) == len(set(asked))  # nothing is measured twice
    heading, rows = whole[0], {name: cells for name, *cells in whole[2:]}
    at = [heading.index(f"2 threads: {name}") - 1 for name in ("cold", "warm", "warm, processor")]
    assert [rows["finish"][i] for i in at] == ["2.000", "0.500", "1.000"]
    assert [rows[LOAD][i] for i in at] == ["7.000", "", ""]
    assert [rows[ALL][i] for i in at] == ["53.000", "11.500", "23.000"]
    assert sides[0][1:] == ["512 px", "1024 px", "2048 px"]
    assert ["finish", "1.000", "2.000", "4.000", "8.000"] in faces
    assert ["frames a second", "", "0.33", "0.33"] in frames  # finding, painting, finishing: 3 s
    assert ["frames a second without the painter", "", "0.67", "0.67"] in frames
    assert ["most memory, MiB", "101", "104", "116"] in frames


def test_every_part_of_a_video_is_timed():
    threads = torch.get_num_threads()
    found = measure(Setting(side=256, frames=2, steps=1, rounds=1))
    assert {LOAD, *PARTS[:3], "smooth", "paint, 1 steps", "finish", "paste"} <= set(found.parts)
    assert {PREVIEW, "paint: one step, bfloat16", "finish: retouch"} <= set(found.asides)
    costs = [cost for name, cost in (found.parts | found.asides).items() if name != LOAD]
    assert all(min(cost.cold, cost.warm, cost.processor, cost.memory) > 0 for cost in costs)
    assert torch.get_num_threads() == threads


def test_pictures_show_as_many_faces_as_asked_for(face_mesh: FaceMesh):
    assert [len(face_mesh.find(scene(Setting(faces=n))[0])) for n in (1, 8)] == [1, 8]
