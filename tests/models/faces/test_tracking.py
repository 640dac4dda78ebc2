"""Who is who in a video: chosen once, then followed; faces are made up, codes are read off the picture's own list."""

from collections.abc import Sequence

import pytest
import torch
from diffsfsr.models.encoders import Encoders
from diffsfsr.models.faces.choice import NoFace
from diffsfsr.models.faces.mesh import Face
from diffsfsr.models.faces.task_file import find_task_file
from diffsfsr.models.faces.tracking import Follower
from diffsfsr.models.network.checkpoint import ASSETS
from torch import Tensor

ANNA, BERT, CARL = 0, 1, 2
SCENE, OTHER = torch.full((3, 90, 160), 0.1), torch.full((3, 90, 160), -0.8)


def face(x: float, who: int, size: float = 100.0, y: float = 200.0) -> Face:
    square = torch.rand(478, 3, generator=torch.Generator().manual_seed(0)) - 0.5
    return Face(square * size + torch.tensor([x, y, 0.0]), torch.full((51,), float(who)), torch.zeros(3), 1.0)


class Encode:
    """Codes by the number that a made-up face carries, somewhat different from frame to frame; counts its faces."""

    def __init__(self):
        self.count, self.generator = 0, torch.Generator().manual_seed(1)

    def __call__(self, picture: Tensor, faces: list[Face]) -> Tensor:
        self.count += len(faces)
        codes = torch.eye(64)[[int(face.blendshapes[0]) for face in faces]]
        return codes + 0.1 * torch.randn(codes.shape, generator=self.generator)


def follow(frames: Sequence[list[Face]], choose: str, scenes: Sequence[Tensor] | None = None) -> list[int | None]:
    """Who is chosen in each frame; None where the chosen one is not there."""
    follower, who = Follower(Encode(), choose), []
    for i, faces in enumerate(frames):
        faces = sorted(faces, key=lambda one: -float(one.points[:, 0].amax() - one.points[:, 0].amin()))
        try:
            (chosen,) = follower(SCENE if scenes is None else scenes[i], faces, f"frame {i}")
            who.append(int(chosen.blendshapes[0]))
        except NoFace:
            who.append(None)
    return who


@pytest.mark.parametrize("choose", ["largest", "0 by size", "1 by size", "0", "1", "centre"])
def test_two_equal_faces_never_change_places(choose):
    """Their sizes waver by a hundredth, so that now one and now the other is larger."""
    sizes = 100 + torch.randn(60, 2, generator=torch.Generator().manual_seed(0))
    frames = [[face(200, ANNA, float(a)), face(500, BERT, float(b))] for a, b in sizes]
    who = follow(frames, choose)
    assert len(set(who)) == 1 and who[0] is not None


@pytest.mark.parametrize("choose", ["largest", "0", "1"])
@pytest.mark.parametrize("hidden", [False, True])
def test_who_crosses_another_is_still_followed(choose, hidden):
    """Anna walks to the right in front of Bert, who walks to the left and is hidden for some frames."""
    frames = []
    for i in range(60):
        frame = [face(100 + 10 * i, ANNA, 102)]
        if not (hidden and 27 <= i <= 32):
            frame.append(face(690 - 10 * i, BERT))
        frames.append(frame)
    who = follow(frames, choose)
    wanted = BERT if choose == "1" else ANNA
    gaps = range(27, 33) if hidden and wanted == BERT else ()
    assert who == [None if i in gaps else wanted for i in range(60)]


def test_frames_without_faces_leave_a_gap():
    frames = [[face(200, ANNA), face(500, BERT, 90)]] * 4 + [[]] * 3 + [[face(480, ANNA), face(220, BERT)]] * 4
    assert follow(frames, "largest") == [ANNA] * 4 + [None] * 3 + [ANNA] * 4


def test_after_a_cut_the_person_is_known_again_and_else_chosen_anew():
    shots = [
        [[face(200, ANNA, 120), face(500, BERT)]] * 3, [[face(210, BERT, 150), face(520, ANNA, 60)]] * 3,
        [[face(300, CARL)]] * 3, [[face(300, BERT, 150), face(100, CARL, 90), face(600, ANNA, 50)]] * 3,
    ]  # fmt: skip
    scenes = [SCENE] * 3 + [OTHER] * 3 + [SCENE] * 3 + [OTHER] * 3
    who = follow([frame for shot in shots for frame in shot], "largest", scenes)
    assert who == [ANNA] * 6 + [CARL] * 6


def test_another_person_in_the_same_shot_does_not_take_the_place():
    both, alone = [face(200, ANNA), face(600, BERT, 90)], [face(600, BERT, 90)]
    frames = [both] * 3 + [alone] * 3 + [[face(600, BERT, 150), face(200, ANNA)]] * 3
    assert follow(frames, "largest") == [ANNA] * 3 + [None] * 3 + [ANNA] * 3


def test_photos_of_different_people_each_give_their_own():
    photos = [[face(200 + 150 * (i % 2), who, 100)] for i, who in enumerate((ANNA, BERT, CARL, BERT))]
    assert follow(photos, "largest") == [ANNA, BERT, CARL, BERT]


def test_codes_are_read_only_where_there_is_doubt():
    encode = Encode()
    follower = Follower(encode, "largest")
    for i in range(200):
        follower(SCENE, [face(200 + i, ANNA), face(700, BERT, 90)], "frame")
    assert encode.count < 20


@pytest.fixture(scope="module")
def encoders() -> Encoders:
    return Encoders.load(ASSETS / "mini.safetensors", find_task_file([]))


def test_people_are_followed_in_pictures(encoders, acted):
    """Two people who change places, the camera's side with them, on the shipped weights."""
    frames, here, there = torch.full((7, 3, 150, 500), 0.2), (0, 40, 80, 120, 160, 250, 340), (350, 250, 0, 0, 0, 60, 0)
    for i, frame in enumerate(frames):
        if not 2 <= i <= 4:  # else behind the other
            frame[:, :, there[i] : there[i] + 150] = acted("P002", i % 3, 150)
        frame[:, :, here[i] : here[i] + 150] = acted("P001", i % 3, 150)
    background = encoders.background(frames, "0", without_face="pass through")
    assert background.index.tolist() == list(range(7))
    middles = torch.linalg.inv(background.matrix[:, :, :2]) @ (64 - background.matrix[:, :, 2:])
    assert (middles[:, 0, 0] - torch.tensor(here) - 75).abs().max() < 20
