"""The face mesh against its oracle, mediapipe, on synthetic people; and what users meet around it."""

import importlib.util
import zipfile
from pathlib import Path

import mediapipe
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from diffsfsr.models.faces.detector import SIDE as DETECTOR_SIDE
from diffsfsr.models.faces.detector import cut
from diffsfsr.models.faces.mesh import (
    BLENDSHAPES,
    SIDE,
    Face,
    FaceMesh,
    _frames,
)
from diffsfsr.models.faces.task_file import find_task_file
from mediapipe.tasks.python import BaseOptions, vision
from PIL import Image
from torch import Tensor

PEOPLE = sorted((Path(importlib.util.find_spec("openpeople").origin).parent / "data" / "curated").glob("P*"))
EMOTIONS = 16  # cells of a sheet, 4 x 4, each 600 x 448; 0 is Neutral, 1 is Happy


def to_tensor(pixels: np.ndarray) -> Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1) / 127.5 - 1


def photo(person: Path, name: str) -> np.ndarray:
    return np.asarray(Image.open(person / "assets" / f"{name}.jpg").convert("RGB"))


def crop_pixels(points: Tensor) -> Tensor:
    """Crop pixels in one picture pixel: the longer side of the face is about two thirds of the mesh's frame."""
    return SIDE / 1.5 / (points.amax(dim=-2) - points.amin(dim=-2))[..., :2].amax(dim=-1)


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def mesh() -> FaceMesh:
    return FaceMesh.load(find_task_file())


@pytest.fixture(scope="module")
def cells() -> list[np.ndarray]:
    """160 faces: 10 people, 16 emotions each."""
    sheets = [photo(person, "emotions_sheet") for person in PEOPLE]
    return [s[448 * (i // 4) :, 600 * (i % 4) :][:448, :600] for s in sheets for i in range(EMOTIONS)]


@pytest.fixture(scope="module")
def found(mesh, cells) -> list[list[Face]]:
    return [mesh.find(to_tensor(cell)) for cell in cells]


@pytest.fixture(scope="module")
def oracle(cells):
    """What mediapipe reads in the same cells: points (160, 478, 3), blendshapes (160, 51), rotations (160, 3, 3)."""
    options = vision.FaceLandmarkerOptions(
        BaseOptions(model_asset_path=str(find_task_file())),
        output_face_blendshapes=True,
        output_facial_transformation_matrixes=True,
    )
    points, blendshapes, rotations = [], [], []
    with vision.FaceLandmarker.create_from_options(options) as landmarker:
        for cell in cells:
            image = mediapipe.Image(image_format=mediapipe.ImageFormat.SRGB, data=np.ascontiguousarray(cell))
            result = landmarker.detect(image)
            points.append([(600 * p.x, 448 * p.y, 600 * p.z) for p in result.face_landmarks[0]])
            assert [c.category_name for c in result.face_blendshapes[0][1:]] == list(BLENDSHAPES)
            blendshapes.append([c.score for c in result.face_blendshapes[0][1:]])
            rotations.append(result.facial_transformation_matrixes[0][:3, :3])
    return torch.tensor(points), torch.tensor(blendshapes), torch.tensor(np.stack(rotations))


@pytest.fixture(scope="module")
def crops(mesh, cells) -> Tensor:
    """(4, 3, 256, 256) faces in the mesh's own frame."""
    pictures = torch.stack([to_tensor(cells[i]) for i in (1, 18, 44, 77)])
    found = [d for d in mesh.detector(pictures)]
    return torch.cat(
        [cut(p[None], _frames(d.boxes, d.keypoints)[0], SIDE, 1) for p, d in zip(pictures, found, strict=True)]
    )


def test_every_face_is_found_once(found):
    assert [len(faces) for faces in found] == [1] * 160
    assert min(faces[0].score for faces in found) > 0.9


def test_points_are_mediapipes(found, oracle):
    points = torch.stack([faces[0].points for faces in found])
    error = (points - oracle[0]) * crop_pixels(oracle[0])[:, None, None]
    distance = error[..., :2].norm(dim=-1).mean(dim=1)  # crop pixels, one number per face
    assert distance.max() < 1.0
    assert distance.mean() < 0.25
    assert error[..., 2].abs().mean() < 0.25


def test_blendshapes_are_mediapipes(found, oracle):
    error = (torch.stack([faces[0].blendshapes for faces in found]) - oracle[1]).abs()
    assert error.mean() < 0.005
    assert error.mean(dim=1).max() < 0.03
    assert error.max() < 0.15


def test_blendshapes_tell_emotions_apart(found):
    blendshapes = torch.stack([faces[0].blendshapes for faces in found]).view(10, EMOTIONS, 51)
    smile = blendshapes[..., BLENDSHAPES.index("mouthSmileLeft")]
    assert (smile[:, 1] - smile[:, 0]).min() > 0.25  # Happy, Neutral; one of the ten smiles in Neutral already


def test_poses_are_mediapipes_but_for_the_pitch_that_is_called_zero(found, oracle):
    poses = torch.stack([faces[0].pose for faces in found])
    rotation = oracle[2] / oracle[2].norm(dim=1, keepdim=True)
    flip = torch.diag(torch.tensor([1.0, -1.0, -1.0]))  # mediapipe: y up, z to the camera
    rotation = flip @ rotation @ flip
    yaw = torch.atan2(-rotation[:, 0, 2], rotation[:, 2, 2]).rad2deg()
    pitch = torch.asin(rotation[:, 1, 2]).rad2deg()
    roll = torch.atan2(rotation[:, 1, 0], rotation[:, 1, 1]).rad2deg()
    error = poses - torch.stack([yaw, pitch, roll], dim=1)
    assert error[:, [0, 2]].mean(dim=0).abs().max() < 0.5
    assert error[:, 1].mean().abs() < 6
    assert (error - error.mean(dim=0)).abs().mean(dim=0).max() < 2


def rotation(yaw: float, pitch: float, roll: float) -> Tensor:
    """Turn the face to the picture's right, then up, then clockwise; x right, y down, z away. Degrees."""
    (cy, cp, cr), (sy, sp, sr) = (f(np.radians([yaw, pitch, roll])) for f in (np.cos, np.sin))
    turn = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    look = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
    tilt = np.array([[cr, -sr, 0], [sr, cr, 0], [0, 0, 1]])
    return torch.tensor(turn @ look @ tilt, dtype=torch.float32)


@pytest.mark.parametrize("pose", [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, 15), (-50, 10, -25), (40, -20, 80)])
def test_pose_is_the_rotation_from_the_mean_face(mesh, pose):
    turn = rotation(*pose)
    facing = turn @ torch.tensor([0.0, 0.0, -1.0])
    assert facing[0].item() * pose[0] >= 0 and facing[1].item() * pose[1] <= 0  # to the right, and up
    points = mesh.mean_face @ turn.mT * 321 + torch.tensor([50.0, 70.0, 10.0])
    assert mesh.pose(points[None])[0].tolist() == pytest.approx(pose, abs=1e-2)


def test_roll_is_clockwise_in_the_picture(mesh, cells):
    upright, tilted = (
        mesh.find(to_tensor(np.asarray(Image.fromarray(cells[0]).rotate(-angle, Image.BICUBIC))))[0]
        for angle in (0, 20)
    )
    assert (tilted.pose[2] - upright.pose[2]).item() == pytest.approx(20, abs=1.5)
    assert (tilted.pose[:2] - upright.pose[:2]).abs().max() < 4
    assert (tilted.blendshapes - upright.blendshapes).abs().mean() < 0.04


def test_pose_has_gradients(mesh, found):
    points = found[3][0].points[None].clone().requires_grad_()
    for axis in range(3):
        (gradient,) = torch.autograd.grad(mesh.pose(points)[0, axis], points)
        assert gradient.isfinite().all()
        step = gradient / gradient.norm() * 2  # picture pixels
        change = mesh.pose(points + step)[0, axis] - mesh.pose(points - step)[0, axis]
        assert change.item() == pytest.approx(2 * (gradient * step).sum().item(), rel=0.05)


def test_pixel_centres_are_at_one_half(mesh, cells, found):
    """Mirrored pictures give mirrored points: nothing is half a pixel off."""
    mean = mesh.mean_face
    partner = torch.cdist(mean * torch.tensor([-1.0, 1.0, 1.0]), mean).argmin(dim=1)
    offsets = []
    for i in range(0, 160, 8):
        mirrored = mesh.find(to_tensor(cells[i][:, ::-1]))[0].points[partner]
        offsets.append((found[i][0].points[:, 0] - (600 - mirrored[:, 0])).mean() / 2)
    assert torch.stack(offsets).mean().abs() < 0.2


def test_batches_are_their_members(mesh, cells, found):
    pictures = torch.stack([to_tensor(cells[i]) for i in (0, 35, 90)] + [torch.zeros(3, 448, 600)])
    faces = mesh.find_batch(pictures)
    assert [len(f) for f in faces] == [1, 1, 1, 0]
    for i, batched in zip((0, 35, 90), faces, strict=False):
        assert torch.allclose(batched[0].points, found[i][0].points, atol=0.02)
        assert torch.allclose(batched[0].blendshapes, found[i][0].blendshapes, atol=2e-3)


def test_reading_crops_in_a_batch_or_singly(mesh, crops):
    points, blendshapes, presence = mesh.read(crops)
    assert points.shape == (4, 478, 3) and blendshapes.shape == (4, 51) and presence.shape == (4,)
    assert presence.min() > 0.9
    assert (points[..., :2] > 0).all() and (points[..., :2] < SIDE).all()
    for i in range(4):
        single = mesh.read(crops[i : i + 1])
        assert torch.allclose(single[0][0], points[i], atol=0.02)
        assert torch.allclose(single[1][0], blendshapes[i], atol=2e-3)


def test_reading_crops_is_what_find_reads(mesh, crops, found):
    blendshapes = mesh.read(crops)[1]
    expected = torch.stack([found[i][0].blendshapes for i in (1, 18, 44, 77)])
    assert (blendshapes - expected).abs().mean() < 0.005


def test_pixels_get_gradients_from_blendshapes(mesh, crops):
    exact = FaceMesh.load(find_task_file()).double()
    pixels = crops[:2].double().requires_grad_()
    channel = BLENDSHAPES.index("mouthSmileLeft")
    (gradient,) = torch.autograd.grad(exact.read(pixels)[1][:, channel].sum(), pixels)
    assert gradient.isfinite().all()
    assert (gradient.flatten(1).norm(dim=1) > 1e-4).all()
    direction = gradient / gradient.norm()
    with torch.no_grad():
        ahead, behind = (exact.read(pixels + step * direction)[1][:, channel].sum() for step in (1e-5, -1e-5))
    assert ((ahead - behind) / 2e-5).item() == pytest.approx(gradient.norm().item(), rel=0.02)


def test_several_faces_largest_first(mesh, cells):
    picture = np.zeros((900, 1300, 3), np.uint8) + 90
    small = np.asarray(Image.fromarray(cells[100]).resize((420, 314), Image.BICUBIC))
    picture[40:488, 650:1250], picture[500:814, 60:480] = cells[20], small
    faces = mesh.find(to_tensor(picture))
    assert len(faces) == 2
    centres = [face.points[:, :2].mean(dim=0) for face in faces]
    assert centres[0][0] > 650 and centres[0][1] < 488
    assert centres[1][0] < 480 and centres[1][1] > 500
    assert len(mesh.find(to_tensor(picture), limit=1)) == 1
    assert torch.equal(mesh.find(to_tensor(picture), limit=1)[0].points, faces[0].points)


def test_grey_pictures_are_read(mesh, cells, found):
    grey = to_tensor(cells[1]).mean(dim=0).expand(3, -1, -1)
    face = mesh.find(grey)[0]
    distance = (face.points - found[1][0].points)[:, :2].norm(dim=1).mean()
    assert distance * crop_pixels(found[1][0].points) < 3
    assert face.blendshapes[BLENDSHAPES.index("mouthSmileLeft")] > 0.5


def test_low_resolution_faces_are_read(mesh, cells, found):
    shrunk = F.interpolate(to_tensor(cells[0])[None], scale_factor=0.25, mode="bilinear", antialias=True)
    face = mesh.find(shrunk)[0]
    distance = (face.points[:, :2] * 4 - found[0][0].points[:, :2]).norm(dim=1).mean()
    assert distance * crop_pixels(found[0][0].points) < 4


@pytest.mark.parametrize("size", [(1, 1), (16, 16), (1, 300), (448, 600), (1200, 1800)])
def test_blank_pictures_have_no_face(mesh, size):
    assert mesh.find(torch.zeros(3, *size)) == []


def test_noise_has_no_face(mesh):
    generator = torch.Generator().manual_seed(0)
    for _ in range(2):
        assert mesh.find(torch.rand(3, 400, 500, generator=generator) * 2 - 1) == []


def test_pictures_that_are_none_are_refused(mesh, crops):
    picture = torch.zeros(3, 64, 64)
    broken = picture.clone()
    broken[1, 2, 3] = float("nan")
    with pytest.raises(ValueError, match="NaN"):
        mesh.find(broken)
    for bad in (picture[0], picture[:1], picture[:, :0], picture[None, None], picture.to(torch.uint8)):
        with pytest.raises(ValueError, match="want"):
            mesh.find(bad)
    with pytest.raises(ValueError, match="256"):
        mesh.read(crops[..., :DETECTOR_SIDE])


def test_the_mesh_stays_out_of_checkpoints(mesh):
    assert not mesh.state_dict() and not list(mesh.parameters())


def test_broken_and_foreign_files_are_refused(tmp_path):
    whole = find_task_file().read_bytes()
    for number, data in enumerate((b"", b"not a zip", whole[: len(whole) // 2])):
        (tmp_path / f"{number}.task").write_bytes(data)
        with pytest.raises(ValueError, match=r"face_landmarker\.task"):
            FaceMesh.load(tmp_path / f"{number}.task")
    with zipfile.ZipFile(tmp_path / "hand.task", "w") as archive:
        archive.writestr("hand_detector.tflite", b"")
    with pytest.raises(ValueError, match=r"hand\.task"):
        FaceMesh.load(tmp_path / "hand.task")
    names = ["face_detector.tflite", "face_landmarks_detector.tflite", "face_blendshapes.tflite"]
    with zipfile.ZipFile(find_task_file()) as source, zipfile.ZipFile(tmp_path / "mixed.task", "w") as archive:
        for name, other in zip(names, names[1:] + names[:1], strict=True):
            archive.writestr(name, source.read(other))
    with pytest.raises(ValueError, match="256 x 256"):
        FaceMesh.load(tmp_path / "mixed.task")
