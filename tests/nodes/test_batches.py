"""Several people or expressions in one run, and what a background carries to the nodes after it."""

import dataclasses

import pytest
import torch

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=1, sampler_name="euler", scheduler="simple", identity_scale=1.0, expression_scale=1.0)
FACE = {"face": "largest", "face_number": 0}


@pytest.fixture(scope="module")
def scene(run, diffsfsr, people):
    return run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=people(2), **FACE)[0]


@pytest.fixture(scope="module")
def identities(run, diffsfsr, people):
    return [run("DiffSFSREncodeIdentity", diffsfsr=diffsfsr, image=people(i), **FACE)[0] for i in (1, 3, 5)]


@pytest.fixture(scope="module")
def expressions(run, diffsfsr):
    settings = dict(diffsfsr=diffsfsr, variant=0, intensity=1.0)
    return [run("DiffSFSRExpressionByLabel", label=label, **settings)[0] for label in ("joy", "anger", "fear")]


def test_a_batch_gives_what_single_runs_give(run, scene, identities, expressions):
    people = run("DiffSFSRBatchIdentities", first=identities[0], second=identities[1], fourth=identities[2])[0]
    faces = run("DiffSFSRBatchExpressions", first=expressions[0], second=expressions[1], third=expressions[2])[0]
    assert len(people.code) == len(people.appearances) == len(faces.code) == 3
    assert faces.name == "joy\nanger\nfear"
    together = run("DiffSFSRSampler", background=scene, identity=people, expression=faces, shared_noise=True,
                   appearance=0.0, **SETTINGS)[0]  # fmt: skip
    for i in range(3):
        alone = run("DiffSFSRSampler", background=scene, identity=identities[i], expression=expressions[i],
                    appearance=0.0, **SETTINGS)[0]  # fmt: skip
        torch.testing.assert_close(together[i : i + 1], alone, atol=2e-3, rtol=0)


def test_photos_are_kept_only_where_all_have_them(run, identities):
    bare = dataclasses.replace(identities[0], appearances=())
    assert run("DiffSFSRBatchIdentities", first=bare, second=identities[1])[0].appearances == ()
    other = dataclasses.replace(identities[0], recognisers=("another",))
    with pytest.raises(ValueError, match="want all by the same"):
        run("DiffSFSRBatchIdentities", first=other, second=identities[1])


def test_the_background_carries_the_checkpoint(run, diffsfsr, scene, identities, expressions):
    given = dict(background=scene, identity=identities[0], expression=expressions[0])
    wired, carried = (run("DiffSFSRSampler", **given, **more, **SETTINGS) for more in ({"diffsfsr": diffsfsr}, {}))
    assert torch.equal(wired[0], carried[0])
    assert torch.equal(run("DiffSFSRFinish", **given)[0], run("DiffSFSRFinish", diffsfsr=diffsfsr, **given)[0])
    given["vae"] = diffsfsr.vae
    by_wire, alone = (run("DiffSFSRConditioning", **given, **more)[0] for more in ({"diffsfsr": diffsfsr}, {}))
    assert torch.equal(by_wire[0][0], alone[0][0])
    with pytest.raises(ValueError, match="connect Load DiffSFSR"):
        run("DiffSFSRFinish", background=dataclasses.replace(scene, loaded=None), identity=identities[0])
