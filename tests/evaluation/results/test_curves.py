from dataclasses import replace

import pytest
import torch
from diffsfsr.evaluation.results.ablations import (
    BASIC,
    FEW,
    backgrounds,
    blending,
    expressions,
    fine_words,
    identities,
)  # fmt: skip
from diffsfsr.evaluation.results.cases import MEASURED, Cast, Drawn, painted
from diffsfsr.evaluation.results.curves import Curve, choice, measure, of_best, summarise, table
from diffsfsr.evaluation.results.samplers import SAMPLERS, _scheduler, paint, walk
from diffsfsr.models.network.sampling import ddim
from diffsfsr.models.pipeline import Painting


@pytest.fixture(scope="module")
def cast(model, judges) -> Cast:
    return Cast(model, judges)


@pytest.fixture(scope="module")
def case(cast, cell):
    return next(cast.between("anna", cell("P001", "Neutral")[0], cell("P002", "Happy")[0], ("anger",)))


def item(person: str, **settings: float) -> dict:
    """One case; of each setting all metrics are one number."""
    rows = [{"setting": setting} | dict.fromkeys(MEASURED, value) for setting, value in settings.items()]
    return {"case": f"{person} joy", "person": person, "settings": rows}


def test_the_fastest_of_those_as_good_as_the_best_is_named():
    items = [item(person, slow=0.8, fast=0.79, worst=0.4) for person in ("anna", "ben")]
    for each in items:
        for row, seconds in zip(each["settings"], (3.0, 1.0, 0.5), strict=True):
            row["seconds"] = seconds
        each["settings"].append(each["settings"][2] | {"setting": "worst, appearance 0", "judge2_cosine": 2.0})
    means = summarise(items)
    assert of_best(means) == pytest.approx({"slow": 1, "fast": 0.79 / 0.8, "worst": 0.5, "worst, appearance 0": 1})
    text = choice(Curve("", None, "worst"), means)
    assert "Best: slow" in text and "within 2% of it: fast (1.0 s)" in text and "NOT within 2% (0.5" in text
    assert "is within 2%" in choice(Curve("", None, "fast"), means) and choice(Curve("", None), means) == ""
    assert [line.split("|")[1].strip() for line in table(means)][2:] == ["slow", "fast", "worst", "worst, appearance 0"]


def test_cases_are_measured_once(cast, case, tmp_path):
    drawn = []

    def draw(cast, case):
        drawn.append(case.name)
        yield Drawn("as it is", case.background.crop, 0.5)
        yield Drawn("its own", case.background.crop, 0.5, cast.read(case.background.pictures[0]))

    curve = Curve("", draw, cases=lambda cast, people: [case, replace(case, label="joy")])
    measure(cast, "some", curve, tmp_path, 1, (2, 2))
    items = measure(cast, "some", curve, tmp_path, 1)
    assert measure(cast, "some", curve, tmp_path, 1) == items and drawn == ["anna joy", "anna anger"]
    first, own = items[0]["settings"]
    assert first["judge_likeness"] < 0.4 and own["judge_likeness"] > 0.8 and own["judge2_cosine"] > 0.8  # in 128 pixels
    assert first["pose_error_deg"] < 1 and first["seconds"] == 0.5 and first["seams"] == pytest.approx(1, abs=0.1)


def test_what_is_left_out(cast, case):
    parts = {drawn.setting: drawn.crops for drawn in identities(cast, case)}
    assert set(parts) == {"compound", "small alone"}
    assert torch.equal(parts["compound"], parts["small alone"])  # the tiny model has one recogniser
    ways = {drawn.setting: drawn.crops for drawn in expressions(cast, replace(case, label="rage"))}
    assert torch.equal(ways["one of 135 words"], ways["one of 6 words"])  # anger is what the case wants
    assert set(ways) == {"one of 135 words", "one of 6 words", "neutral"}
    library = cast.model.encoders.library
    chosen = fine_words(library, 10)
    assert len(set(chosen)) == 10 and not set(chosen) & set(BASIC.values())
    assert len({library.cluster(label) for label in chosen}) >= 5


def test_a_background_that_is_given_is_what_is_painted(cast, case):
    found = {drawn.setting: drawn.crops for drawn in backgrounds(cast, case)}
    assert torch.allclose(found["given"], painted(cast.model, case, steps=FEW)[0], atol=1e-5)
    assert set(found) == {"given", "given and blended", "blended"}


def test_blending_leaves_the_scene_as_it_is(model):
    generator = torch.Generator().manual_seed(0)
    whole, noise = torch.randn(2, 1, 4, 8, 8, generator=generator)
    keep = torch.zeros(1, 1, 8, 8, dtype=torch.bool)
    keep[..., 2:6, 2:6] = True
    seen = []

    def predict(z, t):
        seen.append((z, t))
        return torch.zeros_like(z), torch.ones_like(z)

    for step in ddim(blending(predict, keep, whole, noise, model.schedule), noise, model.schedule, 3):
        z = step.z
    assert torch.allclose(z * ~keep, whole * ~keep, atol=1e-6) and not (z * keep).any()
    for each, t in seen:
        assert torch.allclose(each * ~keep, model.schedule.noisy(whole, noise, t) * ~keep, atol=1e-6)


def test_samplers_follow_the_same_path(model, case):
    """Where clean latents are unit normal the best estimate of them is a z, and every exact path leads back to z."""
    z = torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(0))

    def predict(z, t):
        a, s = model.schedule.at(t, z)
        return a * z, s * z

    for step in ddim(predict, z, model.schedule, 8):
        ours = step.z
    away = {"ddim": (ours - z).abs().mean()}
    for name in SAMPLERS[1:]:
        away[name] = (walk(predict, z, _scheduler(model, name), 8) - z).abs().mean()
    assert away["ddim"] < 0.3 and max(away[name] for name in SAMPLERS[1:]) < away["ddim"], away
    given = case.who, case.what, case.background
    assert torch.equal(paint(model, *given, 4, "ddim"), model.paint(*given, Painting(4)))
    with pytest.raises(ValueError, match="want one of ddim"):
        paint(model, *given, 4, "euler")
