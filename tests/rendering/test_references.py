import pytest
import torch
from diffsfsr.models.expression.library import ExpressionLibrary
from diffsfsr.models.faces.mesh import BLENDSHAPES, FaceMesh
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.network.checkpoint import ASSETS
from diffsfsr.rendering.references import HEADS, act, codes, corrected, distance, first_actions, responses


def channel(code, name):
    return code[BLENDSHAPES.index(name)]


@pytest.fixture(scope="module")
def library():
    return ExpressionLibrary.authored(ASSETS / "expressions.json")


def test_what_is_meant_becomes_what_a_face_does(library):
    surprise = first_actions(library.code("surprise"))
    assert surprise["eyeWideLeft"] > 0.5 and surprise["jawOpen"] > 0.3 and surprise["browInnerUp"] > 0.3
    assert first_actions(library.code("bliss"))["eyeBlinkRight"] == 1  # shut
    assert first_actions(library.code("disgust"))["noseSneerLeft"] > 0.5
    contempt = first_actions(library.code("contempt"))
    assert contempt["mouthSmileLeft"] > 0.4 and "mouthSmileRight" not in contempt
    assert first_actions(torch.zeros(51)) == {}


def test_a_smile_is_acted_as_a_smile_whatever_is_read(library):
    for label in ("joy", "happiness", "affection"):
        actions = first_actions(library.code(label))
        assert actions["mouthSmileLeft"] > 0.8 and "noseSneerLeft" not in actions and "browDownLeft" not in actions


def test_an_action_is_raised_where_too_little_is_read_and_lowered_where_too_much():
    meant, jaw = torch.zeros(51), BLENDSHAPES.index("jawOpen")
    meant[jaw] = 0.4
    response = {"jawOpen": torch.zeros(51), "mouthPucker": torch.zeros(51)}
    response["jawOpen"][jaw] = 0.7
    response["mouthPucker"][jaw] = 0.3
    assert corrected({"jawOpen": 0.5}, meant, meant * 0.5, response)["jawOpen"] > 0.6
    assert corrected({"jawOpen": 0.5}, meant, meant * 2, response)["jawOpen"] < 0.4
    assert corrected({"jawOpen": 0.5}, meant, meant, response) == {"jawOpen": 0.5}
    assert "mouthPucker" not in corrected({"jawOpen": 0.9}, meant, meant * 0.1, response)  # it was not meant


def test_what_an_action_adds_is_learned_from_what_was_acted():
    random = torch.Generator().manual_seed(0)
    acted, truth = torch.rand(200, 3, generator=random), torch.rand(3, 51, generator=random)
    torch.testing.assert_close(responses(acted, acted @ truth), truth, atol=0.1, rtol=0)


def test_heads_act_what_was_meant(library):
    from diffsfsr.rendering.portraits import PORTRAITS
    from diffsfsr.rendering.references import Head

    head = Head(*PORTRAITS[HEADS[0]], FaceMesh.load(find_task_file()))
    still = act([head], {}, torch.zeros(51))
    assert still.pictures[0].shape == (3, 256, 256) and still.distance < 1e-6
    for label in ("joy", "surprise"):
        meant = library.code(label)
        take = act([head], first_actions(meant), meant)
        assert take.distance < 0.7 * distance(torch.zeros(51), meant), label


def test_a_channel_counts_as_far_as_it_survives_the_renderer():
    random = torch.Generator().manual_seed(0)
    meant, read = torch.rand(40, 51, generator=random) * 0.4, torch.rand(40, 51, generator=random) * 0.4
    smile, jaw, wide = (BLENDSHAPES.index(name) for name in ("mouthSmileLeft", "jawOpen", "eyeWideLeft"))
    read[:, smile], read[:, jaw] = meant[:, smile] * 0.5, -meant[:, jaw]
    found = codes(meant, read, torch.arange(40), torch.zeros(51))
    alike = (read - meant).mean(0)  # the renderer's part, taken off
    torch.testing.assert_close(found[:, smile], (read - alike)[:, smile].clamp(0, 1))  # in step with what was meant
    torch.testing.assert_close(found[:, jaw], meant[:, jaw])  # not at all
    torch.testing.assert_close(found[:, wide], meant[:, wide])  # hardly moves on photos


def test_labels_that_are_read_alike_are_kept_apart():
    jaw = BLENDSHAPES.index("jawOpen")
    meant = torch.zeros(4, 51)
    meant[:, jaw] = torch.tensor([0.0, 0.5, 0.9, 0.9])
    read = meant.clone()
    read[:, jaw] = torch.tensor([0.0, 0.5, 0.6, 0.7])
    found = codes(meant, read, torch.tensor([0, 1, 2, 2]), torch.zeros(51))[:, jaw]
    assert found[1] - found[0] > 0.4 and found[2] - found[1] > 0.39
