import json

import pytest
from diffsfsr.models.network.config import Config, mini


def test_goes_through_json_and_back():
    config = mini(latent_rgb=((0.1, 0.2, 0.3),) * 16, latent_rgb_bias=(0.0, -0.1, 0.2))
    assert Config.from_dict(json.loads(json.dumps(config.to_dict()))) == config
    assert hash(config) == hash(Config.from_dict(json.loads(json.dumps(config.to_dict()))))


def test_older_files_without_previews_are_read():
    values = mini().to_dict()
    del values["latent_rgb"], values["latent_rgb_bias"]
    assert Config.from_dict(values) == mini()


def test_older_files_have_a_grey_face():
    values = mini().to_dict()
    del values["face_fill"]
    assert Config.from_dict(values).face_fill == "grey"


def test_files_that_do_not_say_how_codes_are_scaled_mean_what_all_of_them_were_trained_with():
    values = mini().to_dict()
    for name in ("pose_scale", "identity_gain", "strongest_word", "strongest_expression", "mask_margins"):
        del values[name]
    old = Config.from_dict(values)
    assert old == mini() and old.pose_scale == (0.05, 0.05, 0.0) and old.code_gain == 384**0.5
    assert (old.strongest_word, old.strongest_expression) == (1.35, 2.025)
    assert old.mask_margins == (0.1, 0.06, 0.12)
    assert mini(identity_size=96).code_gain == 96**0.5 and mini(identity_gain=3.0).code_gain == 3


def test_files_that_name_no_planes_were_trained_on_mask_and_background():
    values = mini().to_dict()
    del values["planes"]
    assert Config.from_dict(values).planes == ("mask", "background") and Config.from_dict(values).inputs == 16 + 1 + 16
    assert mini(planes=("trust", "selfie")).plane_channels == {"trust": 1, "selfie": 16}


def test_unknown_and_missing_keys_are_named():
    values = mini().to_dict() | {"depth": 3}
    del values["frame"]
    with pytest.raises(ValueError, match=r"unknown keys \['depth'\] and lacks \['frame'\].*update the pack"):
        Config.from_dict(values)


@pytest.mark.parametrize("changes, words", [
    ({"prediction": "flow"}, 'got prediction "flow", want "v_prediction" or "epsilon"'),
    ({"face_fill": "black"}, 'got face_fill "black", want "grey" or "light"'),
    ({"planes": ("mask", "depth")}, r"got the planes \('mask', 'depth'\), want some of mask, background, selfie"),
    ({"planes": ("mask", "mask")}, "each once"),
    ({"pose_scale": (0.05,)}, r"got pose_scale \(0.05,\)"),
    ({"mask_margins": (0.1, 0.2)}, r"got mask_margins \(0.1, 0.2\).* want tuple\[float, float, float\]"),
    ({"attention": (True,)}, "got 1 attention flags for 2 levels"),
    ({"widths": (32, "64")}, "got widths .* want tuple"), ({"widths": 32}, "got widths 32"),
    ({"widths": (33, 64)}, "multiples of 32"), ({"layers": 10**9}, "got layers 1000000000"),
    ({"layers": True}, "got layers True"), ({"heads": 0}, "got heads 0"), ({"name": None}, "got name None"),
    ({"latent_scale": float("nan")}, "got latent_scale nan"), ({"latent_scale": 0}, "got latent_scale 0"),
    ({"recognisers": ("../../secret",)}, "got the name '../../secret'"), ({"recognisers": "resnet"}, "got recognisers"),
    ({"latent_rgb": ((1, 2),)}, "got latent_rgb"), ({"latent_rgb": ((1.0, 2.0, 3.0),)}, "1 rows of latent_rgb"),
])  # fmt: skip
def test_values_that_cannot_be_are_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        mini(**changes)
