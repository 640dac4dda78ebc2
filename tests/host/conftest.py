import os
from pathlib import Path

import numpy as np
import pytest
from diffsfsr.evaluation.host.server import Host, find_comfyui


@pytest.fixture(scope="session")
def host(tmp_path_factory):
    """A running ComfyUI with the pack in its custom_nodes."""
    try:
        comfyui = find_comfyui()
    except FileNotFoundError as error:
        if "COMFYUI" in os.environ:  # as under `make test`, where nothing may be skipped
            raise
        pytest.skip(str(error))
    with Host(comfyui, tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture(scope="session")
def people() -> list[Path]:
    """Folders of openpeople's synthetic people: amateur_selfie.jpg, studio_portrait.jpg, ..."""
    import openpeople

    return sorted((Path(openpeople.__file__).parent / "data" / "curated").glob("P*/assets"))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """The report of a failed test shows the end of the host's log."""
    report = yield
    host = getattr(item, "funcargs", {}).get("host")
    if report.failed and host:
        report.sections.append(("ComfyUI's log", host.log_tail()))
    return report


@pytest.fixture(scope="session")
def find_faces():
    """MediaPipe's own reading: a picture -> the points (478, 2) of every face in it, in pixels."""
    from diffsfsr.models.faces.task_file import find_task_file
    from mediapipe import Image, ImageFormat
    from mediapipe.tasks.python import BaseOptions
    from mediapipe.tasks.python.vision import FaceLandmarker, FaceLandmarkerOptions

    options = BaseOptions(model_asset_path=str(find_task_file()))
    with FaceLandmarker.create_from_options(FaceLandmarkerOptions(base_options=options, num_faces=4)) as landmarker:

        def find(picture) -> list[np.ndarray]:
            pixels = np.ascontiguousarray(picture.convert("RGB"))
            faces = landmarker.detect(Image(image_format=ImageFormat.SRGB, data=pixels)).face_landmarks
            return [np.array([(point.x, point.y) for point in face]) * picture.size for face in faces]

        yield find
