import pytest
from diffsfsr.evaluation.host.demo import ROWS, run_demo
from diffsfsr.evaluation.people import find_people


def test_the_people_of_the_demo_are_there():
    for identity, _, scene in ROWS:
        assert (find_people() / identity / "assets" / "amateur_selfie.jpg").is_file()
        assert (find_people() / scene / "assets" / "studio_portrait.jpg").is_file()


def test_a_folder_without_comfyui_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="no ComfyUI in"):
        run_demo(tmp_path, tmp_path / "demo.png")
