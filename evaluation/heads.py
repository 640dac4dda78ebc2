"""Rendered heads as photos, seen from any side (ours)."""

from dataclasses import replace

import torch
from torch import Tensor

from ..models.frames import FRAMES, Frame
from ..rendering.portraits import PORTRAITS
from ..rendering.scenes import studio
from ..rendering.studio import Studio, shrink

SIDE, FACE = 640, 0.55  # of the picture, pixels; and how large the face's frame is in it


class Photographer:
    """Takes pictures of the people of rendering/portraits.py, whose faces do nothing."""

    def __init__(self):
        self.place = Studio(SIDE)
        frame, scale, edge = FRAMES["ffhq-512"], FACE * SIDE / 512, (1 - FACE) / 2 * SIDE
        self.frame = Frame(SIDE, tuple((x * scale + edge, y * scale + edge) for x, y in frame.points))

    def __call__(self, name: str, yaw: float) -> Tensor:
        """(3, SIDE, SIDE) in [-1, 1], the head turned by so many degrees."""
        (person, hair), place = PORTRAITS[name], self.place
        place.enter(studio(hair), person)
        matrix = place.alignment(place.geometry(person, {}), self.frame)  # the camera stays where it is
        place.enter(replace(studio(hair), yaw=yaw), person)
        pixels = place.draw(place.geometry(person, {}), person, {}, matrix)
        return torch.from_numpy(shrink(pixels, place.samples)).permute(2, 0, 1) / 127.5 - 1
