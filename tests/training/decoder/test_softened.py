import torch
from diffsfsr.training.decoder.softened import CLEAN, Softened
from diffsfsr.training.denoiser.train import new_model


class TestSoftened:
    rows = torch.arange(8).repeat(25)

    def softened(self, tiny, made_up, seed=0):
        return Softened(new_model(tiny, made_up), made_up, (16,))(self.rows, torch.Generator().manual_seed(seed))

    def test_a_share_stays_as_it_is_and_the_rest_is_estimated(self, tiny, made_up):
        z, raw = self.softened(tiny, made_up), made_up.latents[self.rows].float()
        clean = (z - raw).abs().amax((1, 2, 3)) < 1e-5
        assert abs(clean.float().mean() - CLEAN) < 0.1
        assert z[~clean].isfinite().all() and (z - raw)[~clean].std() > 0.1 * raw.std()

    def test_draws_are_the_generators(self, tiny, made_up):
        assert torch.equal(self.softened(tiny, made_up), self.softened(tiny, made_up))
        assert not torch.equal(self.softened(tiny, made_up), self.softened(tiny, made_up, seed=1))
