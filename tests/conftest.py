import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

runpy.run_path(str(Path(__file__).parents[1] / "cli.py"))  # makes the pack importable as `diffsfsr`

TOGETHER = ("host", "nodes")  # folders whose files share a ComfyUI, which takes long to start
LONGEST = ("host", "nodes", "training")  # folders that begin, so that short files fill up what is left


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: (*LONGEST, folder_of(item.nodeid)).index(folder_of(item.nodeid)))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """Several processes, as of `make test`, take a file each, or a folder of TOGETHER."""
    from xdist.scheduler import LoadFileScheduling

    class Scheduling(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return folder_of(nodeid) if folder_of(nodeid) in TOGETHER else super()._split_scope(nodeid)

    return Scheduling(config, log)


def folder_of(nodeid: str) -> str:
    """tests/host/test_http.py::test_it -> host"""
    return nodeid.partition("::")[0].split("/")[1]


@pytest.fixture(scope="session")
def face_mesh():
    from diffsfsr.models.faces.mesh import FaceMesh
    from diffsfsr.models.faces.task_file import find_task_file

    return FaceMesh.load(find_task_file())


@pytest.fixture(scope="session")
def scrfd() -> Callable[..., None]:
    """scrfd(path, box, points): an .onnx in the layout of insightface's SCRFD, for pictures of 640 x 640 pixels.

    It finds a face by every pure red cell of its grid of 8 pixels. box (4), points (5, 2): where, from the left upper
    corner of the cell, in pixels.
    """
    pytest.importorskip("insightface", reason="insightface is not installed; `make test` installs it")
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    def write(path: Path, box: Sequence[float], points: Sequence[Sequence[float]]) -> None:
        left, top, right, bottom = box
        # one row, to be repeated for all anchors: two in each cell of grids of 8, 16 and 32 pixels
        rows = {"score": [0.0], "bbox": [-left, -top, right, bottom], "kps": [x for point in points for x in point]}
        outputs = [(f"{kind}_{stride}", 2 * (640 // stride) ** 2, row) for kind, row in rows.items()
                   for stride in (8, 16, 32)]  # fmt: skip
        constants = {
            "red_alone": np.array([[8, -8, -8], [0, 0, 0]], np.float32).reshape(2, 3, 1, 1),
            "threshold": np.array([-16, -20], np.float32),
            "column": np.array([-1, 1]),
        }
        nodes = [
            helper.make_node("AveragePool", ["image"], ["cells"], kernel_shape=[8, 8], strides=[8, 8]),
            helper.make_node("Conv", ["cells", "red_alone", "threshold"], ["red"]),
            helper.make_node("Sigmoid", ["red"], ["sure"]),
            helper.make_node("Transpose", ["sure"], ["grid"], perm=[0, 2, 3, 1]),
            helper.make_node("Reshape", ["grid", "column"], ["score_8"]),
        ]
        for name, count, row in outputs[1:]:
            constants[f"row of {name}"] = np.array([row], np.float32) / 8  # the loader multiplies by the grid's step
            constants[f"shape of {name}"] = np.array([count, len(row)])
            nodes.append(helper.make_node("Expand", [f"row of {name}", f"shape of {name}"], [name]))
        graph = helper.make_graph(
            nodes, "scrfd", [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, 3, 640, 640])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, [n, len(row)]) for name, n, row in outputs],
            [numpy_helper.from_array(value, name) for name, value in constants.items()],
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
        onnx.checker.check_model(model)
        onnx.save(model, path)

    return write
