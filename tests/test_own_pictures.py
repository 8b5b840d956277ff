"""Pictures as cameras and scanners make them, through whole runs: what is stored of them is
upright, as every reader decodes it, and tells nothing of the place and the person."""

import base64
import io
import re
import sys
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image, features

from imgdiff import run
from imgdiff.data.images import encode_png, load_rgb

SECRET = b"52 degrees 31 minutes north"
NOISE = np.random.default_rng(0).integers(0, 256, (40, 64, 3), dtype=np.uint8)
PHOTO = Image.fromarray(NOISE).resize((96, 60), Image.Resampling.BICUBIC)
FORMATS = ["parquet", "llava", "llava_interleave", "ms_swift", "llama_factory", "trl", "qwen_vl"]


def exif(orientation: int = 1) -> Image.Exif:
    made = Image.Exif()
    made[0x010E] = SECRET.decode()  # ImageDescription
    made[0x0112] = orientation
    made.get_ifd(0x8825).update({1: "N", 2: (52.0, 31.0, 12.0), 27: SECRET})  # GPS
    return made


def pairs(*names_and_pictures) -> None:
    """Write `photos/NAME_a` and `_b` from (name, picture, settings of its format)."""
    Path("photos").mkdir(exist_ok=True)
    for name, picture, settings in names_and_pictures:
        stem, _, suffix = name.partition(".")
        for side in "ab":
            picture.save(f"photos/{stem}_{side}.{suffix}", **settings)
            Path(f"photos/{stem}_{side}.txt").write_text("a red ball on the sand")


def finish(project, **changes) -> list:
    process = ["light_area_mapper", "light_conversation_mapper"]
    project.write_recipe(dataset_path="photos", **{"process": process} | changes)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    return project.rows()


def contents(folder: Path) -> list[bytes]:
    """All that is stored: files, what parquet compresses, pictures within pages."""
    found = []
    for path in (path for path in folder.rglob("*") if path.is_file()):
        found.append(path.read_bytes())
        if path.suffix == ".parquet":
            found.append(repr(pq.read_table(path).to_pylist()).encode())
            for record in pq.read_table(path).to_pylist():
                images = [*record.values(), *(record.get("images") or [])]
                found += [
                    each["bytes"] for each in images if isinstance(each, dict) and "bytes" in each
                ]
        inline = re.findall(rb"data:image/\w+;base64,([A-Za-z0-9+/=]+)", found[-1])
        found += [base64.b64decode(each) for each in inline]
    return [content for content in found if content]


def exif_within(content: bytes) -> list[dict]:
    """Of the pictures that a file is, or holds one behind the other as a .tar does."""
    found = []
    for match in re.finditer(rb"\x89PNG\r\n|\xff\xd8\xff|RIFF....WEBP", content, re.DOTALL):
        try:
            found.append(dict(Image.open(io.BytesIO(content[match.start() :])).getexif()))
        except OSError:  # these bytes begin no picture
            continue
    return found


def test_nothing_that_is_stored_tells_where_a_picture_was_taken(project):
    told = {"exif": exif()}
    pairs(
        ("phone.jpg", PHOTO, {**told, "xmp": SECRET, "comment": SECRET}),
        ("shot.png", PHOTO, told),
        ("web.webp", PHOTO, {**told, "xmp": SECRET}),
        ("turned.jpg", PHOTO, {"exif": exif(6)}),
        ("broken.jpg", PHOTO, told),
        ("huge.jpg", PHOTO.resize((300, 300)), told),
    )
    for path in Path("photos").glob("phone_*.jpg"):  # as phones put a video behind
        path.write_bytes(path.read_bytes() + SECRET)
    for path in Path("photos").glob("shot_*.png"):
        path.write_bytes(path.read_bytes() + SECRET)
    broken = Path("photos/broken_a.jpg")
    broken.write_bytes(broken.read_bytes()[:-200])
    assert all(SECRET in path.read_bytes() for path in Path("photos").glob("*.jpg"))
    rows = finish(
        project,
        limits={"max_failed_fraction": 1.0, "max_pixels": 80_000},
        export={"formats": [*FORMATS, "webdataset"]},
    )
    by_id = {row.id: row for row in rows}
    assert by_id["broken"].reason == "input: image_truncated"
    assert by_id["huge"].reason == "input: image_too_large"
    assert sum(row.ok for row in rows) == 4
    stored = contents(project.run_path)
    assert [content[:80] for content in stored if SECRET in content] == []
    seen = [found for content in stored for found in exif_within(content)]
    assert len(seen) > 40
    assert not any(seen)


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp"])
def test_what_keeps_its_pixels_keeps_its_compression(project, suffix):
    profile = b"\0" * 16 + b"a colour profile"
    settings = {} if suffix == "png" else {"quality": 90}
    pairs((f"photo.{suffix}", PHOTO, {**settings, "exif": exif(), "icc_profile": profile}))
    given = Path(f"photos/photo_a.{suffix}").read_bytes()
    (row,) = finish(project)
    stored = row["image_a"]["bytes"]
    assert len(given) - 1000 < len(stored) < len(given)
    assert row["image_a"]["path"] == f"photo_a.{suffix}"
    pixels = [Image.open(io.BytesIO(each)) for each in (given, stored)]
    np.testing.assert_array_equal(*map(np.asarray, pixels))
    assert pixels[1].info["icc_profile"] == profile


MODES = {
    "turned.jpg": (PHOTO, {"exif": exif(6), "quality": 95}),
    "mirrored.webp": (PHOTO, {"exif": exif(2), "lossless": True}),
    "upside.png": (PHOTO, {"exif": exif(3)}),
    "clear.png": (Image.new("RGBA", (33, 21), (10, 20, 30, 0)), {}),
    "glass.webp": (Image.new("RGBA", (33, 21), (10, 20, 30, 128)), {"lossless": True}),
    "print.jpg": (PHOTO.convert("CMYK"), {"quality": 95}),
    "scan.png": (Image.fromarray(np.asarray(PHOTO.convert("L")).astype(np.uint16) << 8), {}),
    "point.png": (Image.new("RGB", (1, 1), "red"), {}),
    "line.png": (Image.new("RGB", (1, 999), "red"), {}),
    "odd.jpg": (PHOTO.resize((77, 51)), {}),
}


def test_every_reader_sees_what_we_see(project):
    """As `Image.open(...).convert("RGB")`, which looks at no EXIF and puts nothing on white."""
    pairs(*((name, *given) for name, given in MODES.items()))
    rows = {row.id: row for row in finish(project)}
    for name, (picture, _) in MODES.items():
        row = rows[name.partition(".")[0]]
        path = next(Path("photos").glob(f"{row.id}_a.[!t]*"))
        expected = load_rgb({"bytes": path.read_bytes(), "path": None})
        stored = Image.open(io.BytesIO(row["image_a"]["bytes"]))
        np.testing.assert_array_equal(np.asarray(stored.convert("RGB")), expected)
        wide, high = picture.size if row.id != "turned" else picture.size[::-1]
        assert stored.size == (wide, high)
    assert load_rgb(rows["clear"]["image_a"]).min() == 255
    assert rows["turned"]["image_a"]["path"] == "turned_a.png"
    assert rows["odd"]["image_a"]["path"] == "odd_a.jpg"


def test_a_broken_exif_does_not_cost_the_picture(project):
    pairs(("photo.jpg", PHOTO, {"exif": b"Exif\0\0II*\0\xff\xff\xff\xff" + SECRET}))
    (row,) = finish(project)
    assert row.ok
    assert SECRET not in row["image_a"]["bytes"]


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_and_stored_as_png(project):
    pairs(("photo.avif", PHOTO, {"exif": exif(), "quality": 90}))
    (row,) = finish(project)
    expected = load_rgb({"bytes": Path("photos/photo_a.avif").read_bytes(), "path": None})
    np.testing.assert_array_equal(load_rgb(row["image_a"]), expected)
    assert row["image_a"]["path"] == "photo_a.png"
    assert SECRET not in row["image_a"]["bytes"]


def test_heic_is_read_where_its_package_is_there(project):
    pytest.importorskip("pillow_heif").register_heif_opener()
    pairs(("photo.heic", Image.new("RGB", (96, 60), (200, 120, 40)), {"exif": exif()}))
    (row,) = finish(project)
    assert row["image_a"]["path"] == "photo_a.png"
    np.testing.assert_allclose(load_rgb(row["image_a"])[30, 48], (200, 120, 40), atol=9)
    assert SECRET not in row["image_a"]["bytes"]


HEIC = b"\0\0\0\x1cftypheic\0\0\0\0mif1heic"


def test_heic_without_its_package_is_one_line(project, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Path("photos").mkdir()
    for side in "ab":
        Path(f"photos/cat_{side}.HEIC").write_bytes(HEIC)
    project.write_recipe(dataset_path="photos", process=["light_area_mapper"])
    assert run.main(["mine.yaml"]) == run.REFUSED
    text = "photos: cat_a.HEIC is HEIC; to read it install pillow-heif: pip install pillow-heif"
    assert text in capsys.readouterr().err


def test_a_row_that_is_heic_without_its_package_says_so(project, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Path("cat.heic").write_bytes(HEIC)
    Path("dog.png").write_bytes(encode_png(NOISE)["bytes"])
    lines = [{"image": name, "caption": "a cat"} for name in ("cat.heic", "dog.png")]
    project.write_captions(lines, "pairs.jsonl")
    project.write_recipe(
        dataset_path="pairs.jsonl",
        process=["light_area_mapper"],
        limits={"max_failed_fraction": 1.0},
    )
    assert run.main(["mine.yaml"]) == run.COMPLETE
    first, second = project.rows()
    assert first.reason == "input: image_unreadable"
    assert first.message.endswith(
        "cat.heic is HEIC; to read it install pillow-heif: pip install pillow-heif"
    )
    assert second.ok


def test_a_large_folder_is_not_asked_for_each_file(project, monkeypatch):
    """The folder itself says what its files are; to ask each of a million takes minutes."""
    pairs(("photo.png", PHOTO, {}))
    for k in range(300):
        Path(f"photos/empty{k}.png").touch()
    asked = []
    is_file = Path.is_file
    monkeypatch.setattr(Path, "is_file", lambda path: asked.append(path) or is_file(path))
    finish(project)
    assert not [path for path in asked if path.name.startswith("empty")]


def test_pairs_with_the_same_pictures_are_named(project):
    """Whatever is beside their pixels."""
    other = PHOTO.resize((50, 50))
    pairs(("one.jpg", PHOTO, {}), ("two.jpg", other, {}), ("zoo.jpg", PHOTO, {"exif": exif()}))
    rows = finish(project, shard_rows=1)
    assert all(row.ok for row in rows)
    text = "photos: pairs with the same pictures: one = zoo"
    assert text in (project.run_path / "run.log").read_text()
    page = (project.run_path / "report.html").read_text()
    assert "<dt>Pairs with the same pictures</dt><dd>one = zoo</dd>" in page
