"""Files of pictures: opened with a reason where they cannot be, and freed of what they tell about
the place, the time and the person."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING

from imgdiff.errors import RowError

if TYPE_CHECKING:
    from PIL import Image

FORMATS = ("JPEG", "PNG", "WEBP")  # as Pillow names them
AVIF_BRANDS, HEIC_BRANDS = (b"avif", b"avis"), (b"heic", b"heix", b"hevc", b"heim", b"mif1")
GET_HEIC = "install pillow-heif: pip install pillow-heif"
ORIENTATION = 0x0112  # in EXIF; 1: upright

# parts of files that a picture needs; all others are left out
JPEG_APPLICATION, JPEG_COMMENT = range(0xE0, 0xF0), 0xFE
JPEG_KEPT = {0xE0: b"JFIF\0", 0xE2: b"ICC_PROFILE\0", 0xEE: b"Adobe"}  # marker -> its beginning
JPEG_SCAN, JPEG_END = 0xDA, 0xD9
JPEG_MARKER = re.compile(rb"\xff+([^\x00\xff\xd0-\xd7])", re.DOTALL)  # no restart within a scan
PNG_START = b"\x89PNG\r\n\x1a\n"
PNG_KEPT = (
    *(b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS"),
    *(b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"pHYs"),
)
WEBP_KEPT = (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ICCP")
WEBP_TELLS = 0x08 | 0x04  # flags in VP8X: EXIF and XMP follow


def open_picture(content: bytes | None, name: str, max_pixels: int | None = None) -> Image.Image:
    """A picture of a format that we read, its pixels loaded.

    Args:
        name: for messages.
        max_pixels: larger pictures are refused before they are decoded.

    Raises:
        RowError: image_empty, image_unreadable, image_truncated or image_too_large.
    """
    from PIL import Image, UnidentifiedImageError

    if not content:
        raise RowError("image_empty", f"{name} is empty")
    broken = (OSError, SyntaxError, ValueError, RuntimeError)  # by format and by place
    try:
        with warnings.catch_warnings():
            # the reader's own limit is below the one that Pillow warns of
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(content), formats=_formats(content))
    except Image.DecompressionBombError as error:
        raise RowError("image_too_large", f"{name}: {error}") from None
    except UnidentifiedImageError:
        raise RowError("image_unreadable", f"{name} {_stranger(content)}") from None
    except broken as error:
        raise RowError("image_truncated", f"{name} is truncated ({error})") from None
    wide, high = picture.size
    if max_pixels is not None and wide * high > max_pixels:
        raise RowError(
            "image_too_large",
            f"{name} is {wide} x {high} ({wide * high / 1e6:.0f} MP), "
            f"limit {max_pixels / 1e6:.0f} MP. Raise limits.max_pixels if you want it.",
        )
    try:
        picture.load()
    except broken as error:
        raise RowError("image_truncated", f"{name} is truncated ({error})") from None
    return picture


def reads_heic() -> bool:
    """Whether the package for it is installed; Pillow then knows it."""
    try:
        import pillow_heif
    except ImportError:
        return False
    pillow_heif.register_heif_opener()
    return True


def _formats(content: bytes) -> tuple[str, ...]:
    """What a file may be: the two formats that not every machine reads begin alike."""
    if content[4:8] != b"ftyp":
        return FORMATS
    from PIL import features

    avif = ("AVIF",) if features.check("avif") else ()
    return (*avif, "HEIF") if reads_heic() else avif


def _stranger(content: bytes) -> str:
    """What is wrong with a file of none of these formats, as the end of a sentence."""
    brand = content[8:12] if content[4:8] == b"ftyp" else b""
    if brand in AVIF_BRANDS:
        return "is AVIF, which this Pillow does not read: pip install 'pillow>=11.3'"
    if brand in HEIC_BRANDS and not reads_heic():
        return f"is HEIC; to read it {GET_HEIC}"
    start = content[:6].decode("ascii", "replace")
    return f"is not a JPEG, PNG, WEBP, AVIF or HEIC (starts with {start!r})"


def without_metadata(content: bytes, picture: Image.Image) -> bytes | None:
    """The file of `picture` with its pixels as they are and nothing that tells more (EXIF, XMP,
    comments, what stands behind the picture).

    None where a reader that decodes it without a thought would see something else than we do:
    turned pictures, transparency, CMYK, 16 bits, moving pictures, formats that few read.
    """
    rebuild = _REBUILD.get(picture.format or "")
    plain = picture.mode in ("1", "L", "P", "RGB") and "transparency" not in picture.info
    if rebuild is None or not plain or orientation(picture) != 1:
        return None
    if picture.format == "WEBP" and getattr(picture, "n_frames", 1) > 1:
        return None
    return rebuild(content)


def orientation(picture: Image.Image) -> int:
    """How a picture is to be turned, from 1 to 8; 1, upright, also where its EXIF is broken."""
    try:
        found = picture.getexif().get(ORIENTATION, 1)
    except Exception:  # what a broken EXIF raises depends on where it is broken
        return 1
    return found if found in range(1, 9) else 1


def _jpeg(content: bytes) -> bytes | None:
    """Segments up to the end of the first picture: phones put videos and other pictures behind."""
    kept, at, scan = [content[:2]], 2, False
    while found := JPEG_MARKER.search(content, at):
        marker, start = found[1][0], found.end()
        if scan:
            kept.append(content[at : found.start()])
        if marker == JPEG_END:
            return b"".join([*kept, b"\xff\xd9"])
        at = start + int.from_bytes(content[start : start + 2], "big")
        begins = JPEG_KEPT.get(marker)
        tells = marker in JPEG_APPLICATION or marker == JPEG_COMMENT
        if not tells or (begins and content.startswith(begins, start + 2)):
            kept.append(content[start - 2 : at])
        scan = marker == JPEG_SCAN
    return None


def _png(content: bytes) -> bytes | None:
    kept, at = [PNG_START], len(PNG_START)
    while at + 12 <= len(content):
        name, stop = content[at + 4 : at + 8], at + 12 + int.from_bytes(content[at : at + 4], "big")
        if name in PNG_KEPT:
            kept.append(content[at:stop])
        if name == b"IEND":
            return b"".join(kept)
        at = stop
    return None


def _webp(content: bytes) -> bytes | None:
    kept, at = [b"WEBP"], 12
    end = min(len(content), 8 + int.from_bytes(content[4:8], "little"))
    while at + 8 <= end:
        name, size = content[at : at + 4], int.from_bytes(content[at + 4 : at + 8], "little")
        stop = at + 8 + size + size % 2
        chunk = content[at:stop]
        if name == b"VP8X":
            chunk = chunk[:8] + bytes([chunk[8] & ~WEBP_TELLS]) + chunk[9:]
        if name in WEBP_KEPT:
            kept.append(chunk)
        at = stop
    body = b"".join(kept)
    return b"RIFF" + len(body).to_bytes(4, "little") + body


_REBUILD: dict[str, Callable[[bytes], bytes | None]] = {
    "JPEG": _jpeg,
    "MPO": _jpeg,  # a JPEG with others behind it
    "PNG": _png,
    "WEBP": _webp,
}
