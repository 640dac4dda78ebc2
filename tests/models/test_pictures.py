import io
import os
from xml.etree import ElementTree

import pytest
import torch
from diffsfsr.models.files import check_output, written
from diffsfsr.models.pictures import WRITABLE, read_picture, to_pil, write_picture
from PIL import Image, ImageCms


@pytest.fixture
def picture() -> Image.Image:
    """20 wide, 16 high: all 256 values, red in the first column, no two columns alike."""
    x = (torch.arange(20 * 16 * 3) % 256).reshape(16, 20, 3).to(torch.uint8)
    x[:, 0] = torch.tensor([255, 0, 0])
    return Image.fromarray(x.numpy())


def pixels(picture: Image.Image) -> torch.Tensor:
    return torch.tensor(list(picture.getdata())).reshape(picture.height, picture.width, -1)


def test_pixels_are_rgb_from_minus_one_to_one(picture, tmp_path):
    picture.save(tmp_path / "a.png")
    x = read_picture(tmp_path / "a.png")
    assert x.shape == (3, 16, 20) and x.dtype == torch.float32
    assert x.min() == -1 and x.max() == 1
    assert x[:, 3, 0].tolist() == [1, -1, -1]


def test_read_and_written_it_is_the_same_bit_for_bit(picture, tmp_path):
    picture.save(tmp_path / "a.png")
    write_picture(tmp_path / "b.png", read_picture(tmp_path / "a.png"), "mini")
    with Image.open(tmp_path / "b.png") as again:
        assert again.mode == "RGB" and again.tobytes() == picture.tobytes()


def test_transparency_is_dropped(picture, tmp_path):
    shaded = picture.copy()
    shaded.putalpha(7)
    shaded.save(tmp_path / "a.png")
    assert to_pil(read_picture(tmp_path / "a.png")).tobytes() == picture.tobytes()


@pytest.mark.parametrize("mode", ["L", "LA", "1", "P"])
def test_other_modes_become_rgb(picture, tmp_path, mode):
    other = picture.convert(mode)
    other.save(tmp_path / "a.png")
    x = read_picture(tmp_path / "a.png")
    assert x.shape == (3, 16, 20)
    assert to_pil(x).tobytes() == other.convert("RGB").tobytes()
    assert mode == "P" or torch.equal(x[0], x[2])


def test_sixteen_bit_grey_keeps_its_shades(tmp_path):
    ramp = torch.arange(256, dtype=torch.int32).mul(257).reshape(16, 16)
    Image.fromarray(ramp.numpy().astype("uint16")).save(tmp_path / "a.png")
    x = read_picture(tmp_path / "a.png")
    assert x.shape == (3, 16, 16)
    torch.testing.assert_close(x[0].flatten(), torch.linspace(-1, 1, 256), atol=0.01, rtol=0)


def test_photos_are_turned_upright(picture, tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 90 degrees clockwise
    picture.save(tmp_path / "a.png", exif=exif)
    x = read_picture(tmp_path / "a.png")
    assert x.shape == (3, 20, 16)
    assert to_pil(x).tobytes() == picture.transpose(Image.Transpose.ROTATE_270).tobytes()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no picture .*selfie.jpg; check the path"):
        read_picture(tmp_path / "selfie.jpg")
    with pytest.raises(FileNotFoundError, match="check the path"):
        read_picture(tmp_path)


def test_tiny_picture_is_refused_with_its_size(tmp_path):
    Image.new("RGB", (64, 8)).save(tmp_path / "a.png")
    with pytest.raises(ValueError, match="a.png has 64x8 pixels, want 16 to 16384"):
        read_picture(tmp_path / "a.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp"])
@pytest.mark.parametrize("damage", ["cut", "spoilt"])
def test_broken_pictures_are_never_half_read(tmp_path, suffix, damage):
    noise = torch.randint(0, 256, (64, 64, 3), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise.numpy()).save(buffer, {"jpg": "jpeg"}.get(suffix, suffix))
    content = buffer.getvalue()
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content[: len(content) // 2] if damage == "cut" else content[:8] + bytes(len(content) - 8))
    with pytest.raises(ValueError, match=f"cannot read a.{suffix} as a picture.*Save it again"):
        read_picture(path)


def test_png_with_a_damaged_chunk_is_refused(picture, tmp_path):
    path = tmp_path / "a.png"
    picture.save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IDAT") + 40] ^= 255
    path.write_bytes(content)
    with pytest.raises(ValueError, match="cannot read a.png as a picture"):
        read_picture(path)


def test_text_is_no_picture(tmp_path):
    (tmp_path / "a.jpg").write_text("not a picture " * 20)
    with pytest.raises(ValueError, match="cannot read a.jpg as a picture: it is none"):
        read_picture(tmp_path / "a.jpg")


def test_png_says_that_it_is_generated_and_by_what(picture, tmp_path):
    write_picture(tmp_path / "a.png", torch.zeros(3, 16, 16), "mini 7")
    with Image.open(tmp_path / "a.png") as written:
        said = written.text
    assert said["Comment"] == "AI-generated face, DiffSFSR for ComfyUI, model mini 7"
    assert said["DigitalSourceType"].endswith("compositeWithTrainedAlgorithmicMedia")
    check_xmp(said["XML:com.adobe.xmp"], "mini 7")


def check_xmp(packet: str, model: str) -> None:
    """As programs read it that show where a picture comes from."""
    description = ElementTree.fromstring(packet).find(".//{*}Description")
    source = description.get("{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType")
    assert source == "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
    assert description.get("{http://ns.adobe.com/xap/1.0/}CreatorTool").endswith(f"model {model}")


@pytest.mark.parametrize("suffix", ["jpg", "JPEG", "webp"])
def test_other_formats_say_it_in_their_exif(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    write_picture(path, torch.full((3, 32, 32), 0.5), 'a "mini" <3')
    with Image.open(path) as written:
        assert written.getexif()[0x010E].startswith("AI-generated face")
        check_xmp(written.info["xmp"].decode(), 'a "mini" <3')
    assert (read_picture(path) - 0.5).abs().max() < 0.05


def test_numbers_beyond_the_range_are_cut():
    assert set(to_pil(torch.tensor([[[-3.0, 3.0]]] * 3)).tobytes()) == {0, 255}


@pytest.mark.parametrize("name", ["a.xyz", "a"])
def test_unknown_format_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=f'cannot write "{name}".*end the name in one of .png'):
        write_picture(tmp_path / name, torch.zeros(3, 16, 16), "mini")
    assert not (tmp_path / name).exists()


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no folder .*out to write a.png into"):
        write_picture(tmp_path / "out" / "a.png", torch.zeros(3, 16, 16), "mini")


def display_p3() -> bytes:
    """A profile with the primaries of phones' Display P3 and sRGB's curve, as ICC.1:2022 lays it out."""
    columns = {"rXYZ": (0.51512, 0.2412, -0.00105), "gXYZ": (0.29198, 0.69225, 0.04189),
               "bXYZ": (0.1571, 0.06657, 0.78407), "wtpt": (0.9642, 1.0, 0.8249)}  # fmt: skip

    def fixed(number: float) -> bytes:
        return round(number * 65536).to_bytes(4, "big", signed=True)

    curve = b"para" + bytes(4) + b"\0\3\0\0" + b"".join(map(fixed, (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)))
    name = "Display P3".encode("utf-16-be")
    text = b"mluc" + bytes(4) + (1).to_bytes(4, "big") + (12).to_bytes(4, "big") + b"enUS"
    text += len(name).to_bytes(4, "big") + (28).to_bytes(4, "big") + name
    tags = {key: b"XYZ " + bytes(4) + b"".join(map(fixed, value)) for key, value in columns.items()}
    tags |= {"rTRC": curve, "gTRC": curve, "bTRC": curve, "desc": text, "cprt": text}
    table, data, start = b"", b"", 128 + 4 + 12 * len(tags)
    for key, value in tags.items():
        table += key.encode() + (start + len(data)).to_bytes(4, "big") + len(value).to_bytes(4, "big")
        data += value + bytes(-len(value) % 4)
    size = (start + len(data)).to_bytes(4, "big")
    head = size + bytes(4) + b"\4\0\0\0" + b"mntrRGB XYZ " + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642) + fixed(1)
    head += fixed(0.8249)
    return head + bytes(128 - len(head)) + len(tags).to_bytes(4, "big") + table + data


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "tiff"])
def test_photos_of_phones_keep_their_colours(tmp_path, suffix):
    """What Display P3 calls (234, 51, 35) is sRGB's (255, 0, 0); taken as sRGB it would be paler."""
    lossless = {"webp": {"lossless": True}, "jpg": {"quality": 100, "subsampling": 0}}
    path = tmp_path / f"a.{suffix}"
    Image.new("RGB", (32, 32), (234, 51, 35)).save(path, icc_profile=display_p3(), **lossless.get(suffix, {}))
    red = (read_picture(path)[:, 16, 16] + 1) * 127.5
    assert (red - torch.tensor([255.0, 0, 0])).abs().max() < 5


def test_pictures_in_srgb_and_with_a_profile_that_is_none_stay_as_they_are(picture, tmp_path):
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"no profile", display_p3()[:200]):
        picture.save(tmp_path / "a.png", icc_profile=profile)
        assert to_pil(read_picture(tmp_path / "a.png")).tobytes() == picture.tobytes()
    picture.convert("L").save(tmp_path / "a.png", icc_profile=display_p3())  # of other colours than the picture
    assert to_pil(read_picture(tmp_path / "a.png")).tobytes() == picture.convert("L").convert("RGB").tobytes()


def test_floating_point_pictures_are_refused_in_words(tmp_path):
    Image.fromarray(torch.rand(20, 20).numpy()).save(tmp_path / "a.tiff")
    with pytest.raises(ValueError, match="a.tiff has floating-point pixels.*save it with 8 or 16 bits"):
        read_picture(tmp_path / "a.tiff")


def test_places_that_cannot_be_written_to_are_named(tmp_path):
    photo = tmp_path / "photo.png"
    Image.new("RGB", (20, 20)).save(photo)
    (tmp_path / "link.png").symlink_to(photo)
    (tmp_path / "folder.png").mkdir()
    for path, message in (
        (".", "want the name of a file"), (tmp_path, "is a folder, want a file to write, such as .*result.png"),
        (tmp_path / "folder.png", "is a folder"), (tmp_path / "..", "want the name of a file"),
        (tmp_path / ("x" * 240 + ".png"), "with 244 letters, want at most 200"), (tmp_path / "a\0b.png", "want the"),
        (photo, "is one of the files that are read"), (tmp_path / "link.png", "is one of the files that are read"),
        (tmp_path / "a.txt", "end the name in one of"), (tmp_path / "photo.png" / "a.png", "no folder"),
    ):  # fmt: skip
        with pytest.raises((ValueError, FileNotFoundError), match=message):
            check_output(path, WRITABLE, [photo, tmp_path / "none.png"])
    assert check_output(tmp_path / "new.PNG", WRITABLE, [photo]) == tmp_path / "new.PNG"
    with pytest.raises((ValueError, FileNotFoundError), match="cannot write|cannot be written to|no folder"):
        write_picture("/proc/a.png", torch.zeros(3, 16, 16), "mini")


def test_a_picture_that_cannot_be_finished_leaves_nothing(tmp_path, picture):
    picture.save(tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    with pytest.raises(ValueError):
        write_picture(tmp_path / "a.jpg", torch.zeros(3, 70_000, 16), "mini")  # more than JPEG can have
    with pytest.raises(RuntimeError), written(tmp_path / "a.png") as part:
        part.write_text("half")
        raise RuntimeError("stopped")
    assert os.listdir(tmp_path) == ["a.png"] and (tmp_path / "a.png").read_bytes() == before
