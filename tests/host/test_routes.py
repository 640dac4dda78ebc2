"""Questions that the front end asks beside the queue: a face at once; and what is refused."""

import http.client
import io
import json
from urllib.parse import urlsplit

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.host


@pytest.fixture(scope="module")
def ask(host, people):
    """ask(name, body, **headers): POST to the pack's own route; returns status, headers, content."""
    host.upload(people[8] / "amateur_selfie.jpg", "selfie.jpg")
    (host.base / "secret.png").write_bytes((people[2] / "studio_portrait.jpg").read_bytes())
    (host.base / "input" / "notes.txt").write_text("no picture")
    address = urlsplit(host.url).netloc

    def ask(name: str, body: object = None, method: str = "POST", **headers: str):
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection(address, timeout=120)
        try:
            told = {"Content-Type": "application/json"} | {key.replace("_", "-"): text for key, text in headers.items()}
            connection.request(method, f"/diffsfsr/{name}", content if method == "POST" else None, told)
            answer = connection.getresponse()
            return answer.status, answer.headers, answer.read()
        finally:
            connection.close()

    return ask


@pytest.fixture(scope="module")
def face(ask):
    """face(...): what is asked for, as pixels 0..1."""

    def face(**asked) -> np.ndarray:
        status, _, content = ask("face", {"node": "n1", "photo": "selfie.jpg", "size": 128} | asked)
        assert status == 200, content
        return np.asarray(Image.open(io.BytesIO(content)), float) / 255

    return face


def test_a_face_is_shown_with_what_the_sliders_say(ask, face):
    photo = face(untouched=True)
    assert photo.shape == (128, 128, 3)
    _, _, own = ask("photo", {"node": "n1", "photo": "selfie.jpg"})
    same = face(edit={"values": own.decode()})
    moved = face(edit={"values": own.decode(), "jaw": 0.8, "asymmetry": 0.2})
    assert abs(same - photo).mean() < 0.01 < abs(moved - photo).mean()
    assert abs(face(wired={"label": "anger", "variant": 1, "intensity": 1.2}) - photo).mean() > 0.01
    status, headers, _ = ask("face", {"node": "n1", "photo": "selfie.jpg", "size": 512})
    handles = json.loads(headers["X-DiffSFSR-Handles"])
    assert status == 200 and handles["mouth_left"][0] < handles["mouth_right"][0]


def test_labels_their_pictures_and_words(ask):
    status, _, content = ask("labels", method="GET")
    table = json.loads(content)
    assert status == 200 and len(table["labels"]) == 135 and len(table["blendshapes"]) == 51
    joy = table["labels"]["joy"]
    assert joy["cluster"] == "joy" and len(joy["codes"]) == len(joy["why"]) and "joyful" in joy["words"]
    status, headers, picture = ask("label?label=joy&variant=1&head=1", method="GET")
    assert headers["Content-Type"] == "image/webp" and Image.open(io.BytesIO(picture)).size == (160, 160)
    _, _, found = ask("find?text=a%20bit%20smug", method="GET")
    assert json.loads(found)[0]["degree"] < 1


@pytest.mark.parametrize(
    "name",
    [
        "../secret.png", "..\\secret.png", "/etc/passwd", "input/../../secret.png", "./../secret.png",
        "a/../../secret.png", "selfie.jpg\0.png", "secret.png [temp]", "../secret.png [input]", "notes.txt", "", ".",
        "x" * 5000, "C:\\secret.png", "//host/share.png", 5, None, ["selfie.jpg"], {"name": "selfie.jpg"},
    ],
)  # fmt: skip
def test_only_pictures_of_the_input_folder_are_read(ask, name):
    for asked in ({"photo": name}, {"photo": "selfie.jpg", "scene": name}):
        status, _, content = ask("face", {"node": "n1", "size": 128} | asked)
        assert status == 200 if not name and "scene" in asked else status in (400, 413), name
        assert b"Traceback" not in content
    assert ask("photo", {"node": "n1", "photo": name})[0] in (400, 413)


@pytest.mark.parametrize(
    "asked",
    [
        {"size": 4096}, {"size": -128}, {"size": True}, {"size": "128"}, {"wired": {"label": "nonsense"}},
        {"wired": {"label": ["joy"]}}, {"wired": {"label": "joy", "variant": 9}}, {"wired": {"nonsense": 1}},
        {"wired": {"label": "joy", "intensity": 1e9}}, {"wired": {"jawOpen": 7}}, {"edit": {"nonsense": 1}},
        {"edit": {"smile": "much"}}, {"edit": {"smile": float("nan")}}, {"edit": {"values": "{"}}, {"edit": [1]},
        {"edit": {"values": {"jawOpen": 1}}}, {"edit": {"strength": 1e300}}, {"node": "a/../b"}, {"node": "x" * 99},
    ],
)  # fmt: skip
def test_unknown_codes_and_sizes_are_refused_in_words(ask, asked):
    status, _, content = ask("face", {"node": "n1", "photo": "selfie.jpg", "size": 128} | asked)
    assert status == 400 and json.loads(content)["error"]


def test_other_bodies_and_other_origins_are_refused(ask):
    good = {"node": "n1", "photo": "selfie.jpg", "size": 128}
    assert ask("face", json.dumps(good).encode(), Content_Type="text/plain")[0] == 400
    assert ask("face", b"[" * 5000)[0] == 400
    assert ask("face", b"[1]")[0] == 400
    assert ask("face", good | {"more": "x" * 20000})[0] == 413
    assert ask("face", good, Origin="http://elsewhere.example")[0] == 403
    assert ask("forget", {"node": "n1"}, Origin="http://elsewhere.example")[0] == 403
    for query in (
        "label?label=joy&variant=-1",
        "label?label=../x",
        "label?label=joy&head=99",
        "find?text=",
        "file?name=x",
    ):
        assert ask(query, method="GET")[0] == 400


def test_a_node_is_forgotten_and_read_again(ask, face):
    shown = [face(edit={"smile": 0.5}, node=f"n{i}") for i in range(9)]  # of which six are kept
    for i in range(9):
        assert ask("forget", {"node": f"n{i}"})[0] == 200
    assert all((face(edit={"smile": 0.5}, node=f"n{i}") == shown[i]).all() for i in (0, 8))
