"""What is shown while the sampler runs, and an upscale model on it."""

import pytest
import torch

pytestmark = pytest.mark.host

SETTINGS = dict(seed=3, steps=20, sampler_name="euler", scheduler="simple", identity_scale=1.0, expression_scale=1.0)


@pytest.fixture(scope="module")
def scene(run, diffsfsr, people):
    face = {"face": "largest", "face_number": 0}
    return run("DiffSFSRExtractBackground", diffsfsr=diffsfsr, image=people(2), **face)[0]


@pytest.fixture
def shown(host, monkeypatch):
    """shown(method, run): sizes of the pictures that are shown, and the progress that is told."""
    import comfy.utils
    from comfy.cli_args import LatentPreviewMethod, args

    def shown(method, work):
        told = []
        monkeypatch.setattr(args, "preview_method", LatentPreviewMethod(method))
        comfy.utils.set_progress_bar_global_hook(lambda at, total, preview, node_id=None: told.append((at, preview)))
        try:
            work()
        finally:
            comfy.utils.set_progress_bar_global_hook(None)
        return [picture[1].size for _, picture in told if picture], [at for at, _ in told]

    return shown


def test_the_face_itself_is_shown_a_few_times(host, run, scene, shown, monkeypatch):
    def paint():
        run("DiffSFSRSampler", background=scene, appearance=0.0, **SETTINGS)

    pictures, progress = shown("auto", paint)
    size = tuple(scene.image.shape[2:0:-1])  # of the result, which comes last and stays
    assert pictures == [(128, 128)] * 2 + [size] and set(range(1, 21)) <= set(progress)
    assert shown("none", paint)[0] == []
    preview = host.part("nodes.preview")
    monkeypatch.setattr(preview, "has_room", lambda vae, latents: False)
    pictures, progress = shown("auto", paint)
    assert (128, 128) not in pictures and 20 in progress  # the host's own, where the decoder would push the model out


@pytest.mark.parametrize(("steps", "at"), [(1, []), (2, [1]), (3, [2]), (4, [2]), (8, [4]), (19, [10])])
def test_short_runs_show_the_face_halfway(host, steps, at):
    """No network is asked: which steps are shown is a matter of their number."""
    preview = host.part("nodes.preview")
    assert sorted(preview.shown_at(steps)) == at


def test_an_upscale_model_works_on_the_painted_face(run, scene):
    class Twice:
        """What spandrel gives, for a network that repeats pixels."""

        model, scale = torch.nn.Identity(), 2

        def to(self, device):
            return self

        def __call__(self, faces):
            return faces.repeat_interleave(2, -1).repeat_interleave(2, -2)

    model = Twice()
    settings = SETTINGS | {"steps": 1, "appearance": 0.0}
    plain = run("DiffSFSRSampler", background=scene, **settings)[1]
    large = run("DiffSFSRSampler", background=scene, upscale_model=model, **settings)[1]
    assert large.shape == (1, 256, 256, 3)
    torch.testing.assert_close(large[:, ::2, ::2], plain, atol=1e-3, rtol=0)
    finished = run("DiffSFSRSampler", background=scene, upscale_model=model, **settings | {"appearance": 1.0})[1]
    assert finished.shape == (1, 512, 512, 3)
