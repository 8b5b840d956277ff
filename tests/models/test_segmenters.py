"""Segmenters on miniatures with random weights, with the processors of real models, and beside what
they were made after."""

import shutil
from importlib import metadata
from typing import ClassVar

import numpy as np
import pytest
import torch
from hub_server import Repo
from miniatures import SAM_SIDE
from PIL import Image
from recordings_folder import copy_recorded, origin, recorded
from safetensors.torch import load_file, save_file
from segment_anything import SamAutomaticMaskGenerator
from segmenter_miniatures import (
    save_edgetam,
    save_sam2,
    save_sam2_video,
    save_sam3,
    save_sam3_video,
    save_sam_hq,
    save_sharp_sam,
    sharp_sam,
)
from transformers import (
    Sam2Processor,
    Sam3Processor,
    Sam3TrackerProcessor,
    SamImageProcessor,
    SamProcessor,
    pipeline,
)

from imgdiff import cli, run
from imgdiff.errors import RefusedError
from imgdiff.models.families.edgetam import EdgeTam
from imgdiff.models.families.point_prompts import PointPrompted
from imgdiff.models.families.sam import SegmentAnything
from imgdiff.models.families.sam2 import Sam2
from imgdiff.models.families.sam3 import Sam3
from imgdiff.models.families.sam_hq import SamHq
from imgdiff.models.kinds import family_of, problem
from imgdiff.models.zoo import Checkpoint, bind
from imgdiff.toyland.scenes import draw, sample_scene

LANDSCAPE, PORTRAIT = (480, 640), (640, 480)
DTYPES = ["float32", "float16", "bfloat16"]
OUR_FAR_EDGE = np.array([0, 0, 1, 1])  # lies behind the last pixel, and theirs on it
PHRASES = ["red car", "a boat " * 40]  # the second is longer than the model reads


def picture_of(size):
    return np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)


def dense(segment):
    high, wide = segment["mask"]["size"]
    values = np.arange(len(segment["mask"]["counts"])) % 2
    return np.repeat(values, segment["mask"]["counts"]).reshape(wide, high).T


def assert_segments(segments, size):
    """Boxes tight around masks of the picture's own size, the best first."""
    assert segments
    for segment in segments:
        mask = dense(segment)
        assert mask.shape == size
        y, x = np.nonzero(mask)
        assert segment["box_xyxy"] == (x.min(), y.min(), x.max() + 1, y.max() + 1)
    scores = [segment["score"] for segment in segments]
    assert scores == sorted(scores, reverse=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A function: how a miniature is saved -> its folder."""
    saved = {}

    def get(save):
        if save not in saved:
            saved[save] = tmp_path_factory.mktemp("segmenter")
            save(saved[save])
        return saved[save]

    return get


def load(family, path, **settings):
    return family.load(Checkpoint(name=str(path), device="cpu", **settings))


class TestSegmentAnything:
    """The same weights in transformers and in segment_anything."""

    thresholds: ClassVar = {"pred_iou_thresh": 1.0, "stability_score_thresh": 0.3}
    sizes = pytest.mark.parametrize("size", [(48, 64), (64, 48), (200, 90)])

    @pytest.fixture
    def ours(self, folder):
        return load(SegmentAnything, folder(save_sharp_sam))

    @pytest.fixture
    def processor(self):
        square = {"height": SAM_SIDE, "width": SAM_SIDE}
        return SamProcessor(SamImageProcessor(size={"longest_edge": SAM_SIDE}, pad_size=square))

    @sizes
    def test_as_the_mask_generation_of_transformers(self, ours, processor, size):
        pictures = processor.image_processor
        generate = pipeline("mask-generation", sharp_sam(), image_processor=pictures, device="cpu")
        theirs = generate(
            Image.fromarray(blots(size)),
            points_per_crop=8,
            crops_nms_thresh=1.0,
            output_bboxes_mask=True,
            **self.thresholds,
        )
        found = ours.segment(blots(size), 8, *self.thresholds.values(), 1.0)
        assert_same(found, theirs["masks"], theirs["bounding_boxes"] + OUR_FAR_EDGE)

    @sizes
    def test_as_the_mask_generator_of_segment_anything(self, ours, size):
        generator = SamAutomaticMaskGenerator(
            ours.sam, points_per_side=8, box_nms_thresh=1.0, **self.thresholds
        )
        found = ours.segment(blots(size), 8, *self.thresholds.values(), 1.0)
        assert_as_generated(found, generator.generate(blots(size)))

    def test_the_embedded_model_as_by_that_mask_generator(self):
        ours = SegmentAnything.load(bind("embedded")["segmenter"])
        scene = draw(sample_scene(np.random.default_rng(0))).image[:96]
        settings = {"points_per_side": 16, "pred_iou_thresh": 0.5, "stability_score_thresh": 0.5}
        generator = SamAutomaticMaskGenerator(ours.sam, box_nms_thresh=0.7, **settings)
        found = ours.segment(scene, *settings.values(), 0.7)
        assert len(found) < len(ours.segment(scene, *settings.values(), 1.0))
        assert_as_generated(found, generator.generate(scene))

    @sizes
    def test_as_a_model_of_transformers_that_is_asked_by_points(self, ours, processor, size):
        asked = 8, *self.thresholds.values(), 1.0
        theirs = PointPrompted(sharp_sam(), processor).segment(blots(size), *asked)
        masks, boxes = [dense(one) for one in theirs], [one["box_xyxy"] for one in theirs]
        assert_same(ours.segment(blots(size), *asked), masks, boxes)

    @pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
    def test_half_precision_finds_the_same(self, folder, dtype):
        embedded = bind("embedded")["segmenter"]
        scene = draw(sample_scene(np.random.default_rng(0))).image
        whole, half = (
            SegmentAnything.load(embedded.model_copy(update={"dtype": each}))
            for each in ("float32", dtype)
        )
        assert half.sam.mask_decoder.iou_token.weight.dtype == getattr(torch, dtype)
        expected, found = (each.segment(scene, 8, 0.88, 0.9, 0.7) for each in (whole, half))
        assert_segments(found, scene.shape[:2])
        assert len(found) == len(expected)
        for segment in expected:
            assert max(iou(dense(segment), dense(other)) for other in found) > 0.9


def iou(mask, other):
    return (mask & other).sum() / (mask | other).sum()


def blots(size):
    """A smooth picture."""
    rough = np.random.default_rng(0).integers(0, 256, (4, 5, 3), np.uint8)
    return np.array(Image.fromarray(rough).resize(size[::-1], Image.Resampling.BICUBIC))


def assert_as_generated(found, generated):
    theirs = sorted(generated, key=lambda one: -one["predicted_iou"])
    boxes = [(x, y, x + wide, y + high) for x, y, wide, high in (one["bbox"] for one in theirs)]
    assert_same(found, [one["segmentation"] for one in theirs], np.array(boxes) + OUR_FAR_EDGE)
    scores = [one["predicted_iou"] for one in theirs]
    np.testing.assert_allclose([segment["score"] for segment in found], scores, atol=1e-4)


def assert_same(found, masks, boxes):
    """The same masks in the same order, but for single pixels."""
    assert len(found) == len(masks) > 1
    for segment, mask, box in zip(found, masks, boxes, strict=True):
        assert (dense(segment) != np.asarray(mask)).mean() < 0.01
        np.testing.assert_allclose(segment["box_xyxy"], box, atol=1)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("family", "save"), [(Sam2, save_sam2), (Sam2, save_sam2_video), (SamHq, save_sam_hq)]
)
def test_everything_in_pictures_that_are_not_square(folder, family, save, dtype):
    segmenter = load(family, folder(save), dtype=dtype)
    for size in (LANDSCAPE, PORTRAIT):
        assert_segments(segmenter.segment(picture_of(size), 3, 0.0, 0.0, 0.9), size)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("save", [save_sam3, save_sam3_video])
def test_named_things_in_pictures_that_are_not_square(folder, save, dtype):
    segmenter = load(Sam3, folder(save), dtype=dtype)
    assert type(segmenter.model).__name__ == "Sam3Model"
    for size in (LANDSCAPE, PORTRAIT):
        found = segmenter.segment_named(picture_of(size), PHRASES, 0.0, 0.9)
        assert_segments(found, size)
        sure = found[0]["score"] + 1e-6
        assert segmenter.segment_named(picture_of(size), PHRASES, sure, 0.9) == []


class Dots(torch.nn.Linear):
    """In the place of a model: answers each point with a small disc around it, on a map of 64 x 64
    of what it sees."""

    device, dtype = torch.device("cpu"), torch.float32

    def __init__(self, side):
        super().__init__(1, 1)
        self.side = side

    def get_image_embeddings(self, pixels):
        return pixels

    def forward(self, image_embeddings, input_points, input_labels):
        y, x = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
        places = (input_points[0, :, 0] + 0.5) * 64 / self.side - 0.5  # [P, 2]
        far = (x - places[:, 0, None, None]) ** 2 + (y - places[:, 1, None, None]) ** 2
        return Answer((9 - far)[None, :, None], torch.ones(1, len(places), 1))


class Answer:
    def __init__(self, pred_masks, iou_scores):
        self.pred_masks, self.iou_scores = pred_masks, iou_scores


@pytest.mark.parametrize("size", [LANDSCAPE, PORTRAIT])
@pytest.mark.parametrize(
    "name", ["facebook/sam-vit-huge", "facebook/sam2.1-hiera-large", "facebook/sam3"]
)
def test_the_grid_covers_the_picture_by_the_real_processors(name, size):
    """A disc around every point, wherever that is: transformers' own pipeline leaves out a quarter
    of such pictures where they are stretched."""
    classes = {"sam-vit-huge": SamProcessor, "sam3": Sam3TrackerProcessor}
    processor = classes.get(name.partition("/")[2], Sam2Processor).from_pretrained(recorded(name))
    found = PointPrompted(Dots(processor.target_size), processor).segment(
        picture_of(size), 4, 0.0, 0.0, 0.7
    )
    boxes = sorted((y, x) for x, y in (centre(segment["box_xyxy"]) for segment in found))
    high, wide = size
    eighths = (1, 3, 5, 7)
    expected = [(high * row / 8, wide * column / 8) for row in eighths for column in eighths]
    np.testing.assert_allclose(boxes, expected, atol=3)
    assert_segments(found, size)


def centre(box):
    return (box[0] + box[2]) / 2, (box[1] + box[3]) / 2


@pytest.mark.parametrize(
    ("name", "family", "mark"),
    [
        ("facebook/sam-vit-huge", "sam", "recorded"),
        ("facebook/sam2.1-hiera-large", "sam2", "reconstructed"),
        ("facebook/sam3", "sam3", "reconstructed"),
    ],
)
def test_the_family_of_a_real_checkpoint(name, family, mark):
    assert origin(name, "config.json") == mark
    checkpoint = Checkpoint(name=str(recorded(name, "config.json")))
    assert family_of("segmenter", checkpoint).name == family


def test_phrases_are_read_by_the_tokenizer_of_the_real_model(folder, tmp_path):
    small = load(Sam3, folder(save_sam3))
    real = Sam3Processor.from_pretrained(copy_recorded("facebook/sam3", tmp_path))
    tokens = Sam3(small.model, real)._tokens("a boat " * 40)
    assert tokens["input_ids"].shape == (1, 32)
    assert tokens["attention_mask"].all()
    assert tokens["input_ids"][0, -1] == real.tokenizer.eos_token_id


class TestEdgeTam:
    """Its encoder is a model of timm, which is no requirement of imgdiff."""

    @pytest.fixture
    def checkpoint(self, tmp_path):
        (tmp_path / "config.json").write_text('{"model_type": "edgetam"}')
        (tmp_path / "model.safetensors").write_bytes(b"weights")
        return Checkpoint(name=str(tmp_path))

    @pytest.mark.parametrize(
        ("found", "there"),
        [(None, "which is not installed"), ("1.0.22", "but 1.0.22 is installed")],
    )
    def test_what_is_missing_is_told_by_name(self, checkpoint, monkeypatch, found, there):
        pretend_installed(monkeypatch, "timm", found)
        expected = f"{checkpoint.name} (family edgetam) needs timm >= 1.0.23, {there}"
        assert problem("segmenter", checkpoint) == f"{expected}. Install it with pip."

    def test_with_timm_it_is_taken(self, checkpoint, monkeypatch):
        pretend_installed(monkeypatch, "timm", "1.0.23")
        assert problem("segmenter", checkpoint) is None

    def test_everything_in_pictures_that_are_not_square(self, folder):
        pytest.importorskip("timm")
        segmenter = load(EdgeTam, folder(save_edgetam))
        for size in (LANDSCAPE, PORTRAIT):
            assert_segments(segmenter.segment(picture_of(size), 3, 0.0, 0.0, 0.9), size)


def pretend_installed(monkeypatch, distribution, version):
    real = metadata.version

    def found(name):
        if name != distribution:
            return real(name)
        if version is None:
            raise metadata.PackageNotFoundError(name)
        return version

    monkeypatch.setattr(metadata, "version", found)


def test_weights_that_are_missing_are_told(folder, tmp_path):
    """transformers goes on with random ones."""
    shutil.copytree(folder(save_sam2), tmp_path / "sam2")
    weights = load_file(tmp_path / "sam2" / "model.safetensors")
    del weights["mask_decoder.iou_token.weight"]
    save_file(weights, tmp_path / "sam2" / "model.safetensors", {"format": "pt"})
    with pytest.raises(RefusedError, match="lacks 1 weights of Sam2Model, such as mask_decoder"):
        load(Sam2, tmp_path / "sam2")


class TestNouns:
    """A recipe that finds things by name, through the command."""

    @pytest.fixture
    def start(self, project, folder):
        def begin(verb, save, *arguments, **settings):
            captions = ["a red car on sand", "a dog"]
            project.write_captions(
                [{"id": f"cap-{k}", "caption": text} for k, text in enumerate(captions)]
            )
            project.write_recipe(
                models={"segmenter": str(folder(save))},
                process=[
                    {"light_edit_mapper": {"suffix": " and a cup"}},
                    "light_image_mapper",
                    {"image_segment_mapper": settings},
                ],
            )
            command = cli.main if verb == "check" else run.main
            return command([*(["check"] if verb == "check" else ()), "mine.yaml", *arguments])

        return begin

    def test_things_are_found_by_name(self, start, project):
        assert start("run", save_sam3, prompts="nouns", score_thresh=0.0, max_area=1.0) == 0
        for row in project.rows():
            assert row.ok
            assert {region.source for region in row.regions} == {"b"}

    def test_what_the_model_is_not_sure_of_is_rejected(self, start, project):
        assert start("run", save_sam3, prompts="nouns", score_thresh=1.0) == run.COMPLETE
        assert {row.reason for row in project.rows()} == {"image_segment_mapper: nothing_found"}

    @pytest.mark.parametrize("verb", ["check", "run"])
    def test_a_family_that_cannot_is_refused(self, start, folder, capsys, verb):
        assert start(verb, save_sam2, prompts="nouns") == run.REFUSED
        asked = "find what is named (prompts: nouns), as image_segment_mapper asks"
        problem = f"{folder(save_sam2)} (family sam2) cannot {asked}. Families that can: sam3"
        (line,) = [each for each in capsys.readouterr().err.splitlines() if "cannot" in each]
        assert line.endswith(problem)
        assert "models.segmenter" in line

    def test_a_grid_is_refused_by_one_that_reads_names_alone(self, start, folder, capsys):
        assert start("check", save_sam3) == run.REFUSED
        asked = "find everything (prompts: grid), as image_segment_mapper asks"
        able = "Families that can: sam, sam_hq, sam2, edgetam"
        problem = f"{folder(save_sam3)} (family sam3) cannot {asked}. {able}"
        assert problem in capsys.readouterr().err

    @pytest.mark.parametrize("verb", ["check", "run"])
    def test_a_model_of_the_hub_is_refused_likewise(self, start, model_hub, folder, capsys, verb):
        files = {path.name: path.read_bytes() for path in folder(save_sam2).iterdir()}
        model_hub.repos["owner/sam2"] = Repo(public=True)
        model_hub.repos["owner/sam2"].commit(files)
        bound = "models={segmenter: owner/sam2}"
        assert start(verb, save_sam2, bound, prompts="nouns") == run.REFUSED
        assert "owner/sam2 (family sam2) cannot find what is named" in capsys.readouterr().err
        assert not any(path.endswith(".safetensors") for path in model_hub.asked)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_a_run_in_half_precision(project, folder, dtype):
    segmenter = {"name": str(folder(save_sharp_sam)), "dtype": dtype}
    settings = {"points_per_side": 2, "max_area": 1.0, "stability_score_thresh": 0.0}
    process = ["light_edit_mapper", "light_image_mapper", {"image_segment_mapper": settings}]
    project.write_recipe(models={"segmenter": segmenter}, process=process, limit=2)
    assert run.main(["mine.yaml"]) == run.COMPLETE
    for row in project.rows():
        assert row.ok
        assert {region.source for region in row.regions} == {"a", "b"}
