import dataclasses

import torch
from diffsfsr.models.autoencoder import build_autoencoder
from diffsfsr.models.recogniser import Recogniser
from diffsfsr.training.decoder import DecoderTraining, refine_decoder

SHORT = DecoderTraining(steps=4, batch=2)


def fresh():
    torch.manual_seed(0)
    return build_autoencoder((32, 32, 32, 32), 1, 4, 1.0), Recogniser((8, 8, 8, 8), (1, 1, 1), 16).eval()


def crops():
    return torch.randint(0, 256, (6, 3, 128, 128), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)


def test_latents_stay_and_pictures_change():
    model, recogniser = fresh()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    for _ in refine_decoder(SHORT, model, recogniser, crops()):
        pass
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith(("decoder.", "post_quant_conv.")) for key in changed)


def test_resumed_is_uninterrupted():
    whole = [(step.psnr, step.state()) for step in refine_decoder(SHORT, *fresh(), crops())]
    model, recogniser = fresh()
    for step in refine_decoder(SHORT, model, recogniser, crops()):
        if step.index == 2:
            state = {key: dict(value) if isinstance(value, dict) else value for key, value in step.state().items()}
            state["model"] = {key: value.clone() for key, value in state["model"].items()}
            break
    rest = [step.psnr for step in refine_decoder(SHORT, *fresh(), crops(), state)]
    assert rest == [psnr for psnr, _ in whole[2:]]


def test_it_learns():
    config = dataclasses.replace(SHORT, steps=40, rate=3e-3)
    psnr = [step.psnr for step in refine_decoder(config, *fresh(), crops()[:2] // 8 + 100)]
    assert sum(psnr[-5:]) / 5 > sum(psnr[:5]) / 5 + 3
