"""`train recogniser`: distils a teacher on the aligned faces; writes <shape>.safetensors."""

import torch

from ...models.identity.recogniser import Recogniser
from ..data.shards import training_pictures
from ..run import Part, Run
from .settings import RecogniserTraining
from .teacher import Teacher
from .train import train_recogniser


def begin(run: Run, settings: RecogniserTraining) -> Part:
    if settings.teacher is None:
        raise ValueError("got no --teacher, want a .tflite face recogniser with 112 px input")
    faces, device = torch.cat(training_pictures(run.data, "face")), run.place.device
    codes, hints = Teacher.load(settings.teacher).to(device).read(faces)
    before = Recogniser.load(settings.begin) if settings.begin else None
    out = run.out / f"{settings.shape}.safetensors"
    return Part(
        train_recogniser(settings, faces, codes, hints, run.state(), before, device),
        lambda step: step.model.recogniser.save(out),
    )
