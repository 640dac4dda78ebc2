import io
from xml.etree import ElementTree

import pytest
import torch
from diffsfsr.models.pictures import read_picture, to_pil, write_picture
from PIL import Image


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
