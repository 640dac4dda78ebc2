"""Picture files to pixels and back."""

import io
import os
import struct
from collections.abc import Mapping
from pathlib import Path
from xml.sax.saxutils import escape

import numpy as np
import torch
from PIL import Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError
from torch import Tensor

from .files import check_output, shown, written
from .pixels import from_bytes, to_bytes

SMALLEST, LARGEST = 16, 16384  # sides in pixels
FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP"}  # by the name's ending
WRITABLE = tuple(FORMATS)
PROFILED = {"RGB": "RGB ", "L": "GRAY", "CMYK": "CMYK"}  # modes, with the colours that a profile for them has
# what Pillow raises for damaged files; SyntaxError is its word for PNG
BROKEN = (OSError, SyntaxError, Image.DecompressionBombError, EOFError, struct.error)
SOFTWARE = "DiffSFSR for ComfyUI"
SOURCE = "http://cv.iptc.org/newscodes/digitalsourcetype/compositeWithTrainedAlgorithmicMedia"
XMP = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/">'
    '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
    'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
    'Iptc4xmpExt:DigitalSourceType="{source}" xmp:CreatorTool="{tool}"/></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
)


def read_picture(path: str | Path) -> Tensor:
    """(3, H, W) sRGB in [-1, 1]; turned upright as its EXIF says; transparency is dropped, grey becomes RGB.

    Colours of another profile, such as a phone's Display P3, become those of sRGB.
    """
    path = Path(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"no picture {path}; check the path")
    return decode_picture(path.read_bytes(), path.name)


def decode_picture(content: bytes, name: str, most: int | None = None) -> Tensor:
    """read_picture for a file's content; the name is for the error message alone.

    most  pixels on the longer side, to which a larger picture is made smaller; None leaves it as it is
    """
    try:
        with Image.open(io.BytesIO(content)) as picture:
            width, height = picture.size
            if min(width, height) < SMALLEST or max(width, height) > LARGEST:
                raise ValueError(f"{name} has {width}x{height} pixels, want {SMALLEST} to {LARGEST} on each side")
            if most:
                picture.draft("RGB", (most, most))  # a JPEG is decoded at about that size
            upright = ImageOps.exif_transpose(picture)
            if upright.mode == "F":
                raise ValueError(
                    f"{name} has floating-point pixels, whose range nobody knows; save it with 8 or 16 bits"
                )
            if upright.mode.startswith("I"):  # 16 bits of grey, which convert() would cut off at 255
                upright = Image.fromarray((np.asarray(upright) / 257).round().clip(0, 255).astype(np.uint8))
            upright = _in_srgb(upright, picture.info.get("icc_profile"))
            if most:
                upright.thumbnail((most, most), Image.Resampling.LANCZOS)
            pixels = np.array(upright)
    except UnidentifiedImageError as error:
        kind = "a TIFF of a kind that is not read, such as floating point" if content[:2] in (b"II", b"MM") else "none"
        raise ValueError(f"cannot read {name} as a picture: it is {kind}. Save it again as PNG or JPEG") from error
    except BROKEN as error:
        raise ValueError(
            f"cannot read {name} as a picture: {shown(error, 200)}. Save it again as PNG or JPEG"
        ) from error
    return from_bytes(torch.from_numpy(pixels).permute(2, 0, 1).contiguous())  # bytes are moved four times as fast


def _in_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """The picture in RGB, its colours brought from its profile to sRGB; a profile that cannot be is left out."""
    if picture.mode not in PROFILED:
        picture = picture.convert("RGB")
    if not profile:
        return picture.convert("RGB")
    try:
        source = ImageCms.getOpenProfile(io.BytesIO(profile))
        if source.profile.xcolor_space != PROFILED[picture.mode] or "sRGB" in (
            source.profile.profile_description or ""
        ):
            return picture.convert("RGB")  # not a bit changes in a picture that is in sRGB already
        return ImageCms.profileToProfile(picture, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return picture.convert("RGB")


def to_pil(picture: Tensor) -> Image.Image:
    """(3, H, W) in [-1, 1] to an 8-bit RGB picture; read_picture's inverse, bit for bit."""
    return Image.fromarray(to_bytes(picture).permute(1, 2, 0).cpu().numpy())


def write_picture(path: str | Path, picture: Tensor, model: str) -> None:
    """Write (3, H, W) in [-1, 1]; the metadata say that it is AI-generated, and by which model."""
    save_generated(check_output(path, WRITABLE), to_pil(picture), model)


def write_copy(path: str | Path, picture: Tensor) -> None:
    """Write (3, H, W) in [-1, 1] that nothing was drawn into: without the mark of generated pictures."""
    path = check_output(path, WRITABLE)
    with written(path) as part:
        to_pil(picture).save(part, FORMATS[path.suffix.lower()], quality=95)


def save_generated(path: Path, picture: Image.Image, model: str, texts: Mapping[str, str] | None = None) -> None:
    """Save a picture that says of itself, to people and in IPTC's words to programs, that it is AI-generated.

    model  its name
    texts  more of a PNG's text by keyword; other formats leave it out
    """
    said = f"AI-generated face, {SOFTWARE}, model {model}"
    xmp = XMP.format(source=SOURCE, tool=escape(said, {'"': "&quot;"}))
    kind = FORMATS[path.suffix.lower()]
    if kind == "PNG":
        info = PngImagePlugin.PngInfo()
        for keyword, text in {"Software": SOFTWARE, "Comment": said, **(texts or {})}.items():
            info.add_text(keyword, text)
        info.add_itxt("DigitalSourceType", SOURCE)
        info.add_itxt("XML:com.adobe.xmp", xmp)
        with written(path) as part:
            picture.save(part, kind, pnginfo=info, compress_level=3)  # half the time of 6, files 6 % larger
        return
    exif = Image.Exif()
    exif[0x010E] = said  # ImageDescription
    packet = xmp.encode()
    # Pillow writes XMP into JPEG only from 11 on; a segment of one's own goes into all
    marked = {"extra": _segment(packet)} if kind == "JPEG" else {"xmp": packet}
    with written(path) as part:
        picture.save(part, kind, exif=exif, quality=95, **marked)


def _segment(xmp: bytes) -> bytes:
    """XMP as a JPEG segment, APP1 (Adobe, XMP specification part 3)."""
    content = b"http://ns.adobe.com/xap/1.0/\0" + xmp
    return b"\xff\xe1" + (len(content) + 2).to_bytes(2, "big") + content
