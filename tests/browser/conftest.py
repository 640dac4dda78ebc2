"""Needs playwright and Chromium, which `make browser` looks for; without them these tests are skipped."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from diffsfsr.evaluation.host.server import Host
from diffsfsr.models.faces.task_file import TASK_FILE, find_task_file
from diffsfsr.tests.host.conftest import host, people, pytest_runtest_makereport  # noqa: F401  they serve here, too
from diffsfsr.tests.host.stand_ins import write_checkpoint, write_upscaler
from PIL import Image

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
SIZE, SEED = 256, 0  # of the only noise that the stand-in checkpoint makes a face of


@pytest.fixture(scope="session")
def browser():
    """Headless Chromium: the program that CHROMIUM names, else the first one that is installed."""
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is missing: run `make browser`")
    program = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, PROGRAMS)), None)
    if program is None:
        pytest.skip("Chromium is missing: install it, or name a browser with CHROMIUM")
    options = ["--disable-gpu"] + ["--no-sandbox"] * (os.geteuid() == 0)  # root has no sandbox
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=program, args=options)
        yield chromium
        chromium.close()


def fitted(path: Path) -> Image.Image:
    picture = Image.open(path).convert("RGB")
    picture.thumbnail((768, 768))
    return picture


@pytest.fixture(scope="session")
def furnished(host: Host, people: list[Path], tmp_path_factory) -> Iterator[Host]:  # noqa: F811
    """The host with everything in its folders that the templates and other graphs of these tests name."""
    pictures = {
        "selfie.png": fitted(people[8] / "amateur_selfie.jpg"),
        "background.png": fitted(people[2] / "studio_portrait.jpg"),
    }
    for name, picture in pictures.items():
        picture.save(host.base / "input" / name)
    models = host.base / "models"
    (models / "mediapipe").mkdir(exist_ok=True)
    shutil.copyfile(find_task_file(), models / "mediapipe" / TASK_FILE)
    write_upscaler(models / "upscale_models" / "RealESRGAN_x4plus.safetensors")
    checkpoint = models / "checkpoints" / "v1-5-pruned-emaonly-fp16.safetensors"
    write_checkpoint(checkpoint, people[2] / "studio_portrait.jpg", SIZE, SEED)
    yield host
    checkpoint.unlink()  # 0.4 GB


@pytest.fixture(scope="session")
def front_end(furnished, browser):  # in this order: with the browser's event loop running, no host can be started
    from diffsfsr.tests.browser.front_end import FrontEnd  # needs playwright, as the browser does

    return FrontEnd(browser.new_page(viewport={"width": 1600, "height": 1000}), furnished.url)
