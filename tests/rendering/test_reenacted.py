"""Labels on a person out of example photos, written as references are."""

from diffsfsr.evaluation.results.library_actions import EXAMPLES, SITTING
from diffsfsr.models import DiffSFSR
from diffsfsr.models.expression.references import SIDE, References
from diffsfsr.models.pictures import read_picture
from diffsfsr.rendering.reenacted import reenact


def test_a_person_shows_some_labels(tmp_path):
    *photos, scene = (read_picture(EXAMPLES / f"example_{name}.jpg") for name in SITTING)
    path = tmp_path / "people.safetensors"
    said = list(reenact(DiffSFSR.load(), "amara", photos, scene, path, ["contempt", "surprise"]))
    assert said[-1] == "4 of 4"
    found = References.load(path)
    assert found.variants == {"contempt": 2, "surprise": 2} and found.pictures("surprise").shape == (1, 3, SIDE, SIDE)
    jaw = found.read[:, 0, found.actions.index("jawOpen")]
    assert jaw[2] > jaw[:2].max() + 0.1  # in their order, though those that are painted are made first
