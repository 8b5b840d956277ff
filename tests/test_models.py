"""Checkpoints: names, problems, fingerprints; and what reaches the libraries that load them."""

import re
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
import torch
from hub_server import Repo
from miniatures import save_vit
from safetensors.torch import save_file

from imgdiff.models import Models
from imgdiff.models.families import families_of
from imgdiff.models.families.blip import Blip
from imgdiff.models.families.causal_lm import CausalLm
from imgdiff.models.families.clip import ClipTowers
from imgdiff.models.families.image_classifier import ImageClassifier
from imgdiff.models.families.image_text_to_text import ImageTextToText
from imgdiff.models.families.llava import Llava15
from imgdiff.models.families.sam import SamConfig, SegmentAnything, build_sam
from imgdiff.models.families.sdxl import StableDiffusionXl, load_prompt_limit
from imgdiff.models.loading import device_of, dtype_of
from imgdiff.models.roles import Question
from imgdiff.models.zoo import EMBEDDED_WEIGHTS, ROLES, Checkpoint, bind
from imgdiff.text.answers import read_yes_no
from imgdiff.text.prompts import EXISTS
from imgdiff.toyland.scenes import draw, sample_scene
from imgdiff.toyland.tokenizer import clip_tokenizer
from imgdiff.toyland.vocabulary import CATEGORIES, with_article


@pytest.fixture
def folder(tmp_path):
    """A model folder, as far as can be told without loading."""
    made = tmp_path / "model"
    made.mkdir()
    (made / "model.safetensors").write_bytes(b"weights")
    (made / "config.json").write_text("{}")
    return made


class TestProblem:
    def test_folder_with_weights(self, folder):
        assert Checkpoint(name=str(folder)).problem() is None

    def test_weights_in_a_subfolder(self, folder):
        (folder / "unet").mkdir()
        (folder / "model.safetensors").rename(folder / "unet" / "model.safetensors")
        assert Checkpoint(name=str(folder)).problem() is None

    def test_of_a_hub_name_nothing_can_be_told_here(self):
        """What the Hub has of it is asked where a run begins: `test_hub_models.py`."""
        checkpoint = Checkpoint(name="owner/name")
        assert checkpoint.folder is None
        assert checkpoint.problem() is None

    @pytest.mark.parametrize(
        "name", ["/no/such/folder", "./missing", "../missing", "~/missing-model"]
    )
    def test_absent_folder(self, name):
        assert Checkpoint(name=name).problem() == f"no such folder: {name}"

    @pytest.mark.parametrize("name", ["clip", "a/b/c"])
    def test_neither_folder_nor_hub_name(self, name):
        expected = f"{name} is neither a folder nor a Hub name (owner/name)"
        assert Checkpoint(name=name).problem() == expected

    def test_file_is_no_folder(self, folder):
        name = str(folder / "config.json")
        assert Checkpoint(name=name).problem() == f"no such folder: {name}"

    def test_pickled_weights_only(self, folder):
        (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
        expected = f"no safetensors weights in {folder} (imgdiff loads no pickled weights)"
        assert Checkpoint(name=str(folder)).problem() == expected


class TestFingerprint:
    def test_hub_name_and_revision(self):
        assert Checkpoint(name="a/b").fingerprint() == "a/b@main"
        assert Checkpoint(name="a/b", revision="4621").fingerprint() == "a/b@4621"

    def test_same_files_elsewhere_have_the_same(self, folder):
        before = Checkpoint(name=str(folder)).fingerprint()
        moved = folder.rename(folder.with_name("moved"))
        assert Checkpoint(name=str(moved)).fingerprint() == before
        assert before.startswith("sha256:")

    @pytest.mark.parametrize("change", ["content", "name", "new file"])
    def test_any_change_shows(self, folder, change):
        before = Checkpoint(name=str(folder)).fingerprint()
        if change == "content":
            (folder / "model.safetensors").write_bytes(b"Weights")
        elif change == "name":
            (folder / "config.json").rename(folder / "other.json")
        else:
            (folder / "more.json").touch()
        assert Checkpoint(name=str(folder)).fingerprint() != before


class TestBind:
    def test_embedded_set_has_every_role_but_two(self):
        bound = bind("embedded")
        assert (*bound, "llm", "nsfw") == ROLES
        assert bound["clip"].folder == EMBEDDED_WEIGHTS / "clip"

    def test_names_fields_and_the_embedded_one(self):
        fields = {"name": "a/b", "revision": "4621", "dtype": "float16", "device": "cuda:1"}
        bound = bind({"clip": "a/clip", "diffusion": fields, "mllm": "embedded"})
        assert bound["clip"] == Checkpoint(name="a/clip")
        assert bound["diffusion"] == Checkpoint(**fields)
        assert bound["mllm"] == bind("embedded")["mllm"]

    @pytest.mark.parametrize(
        ("setting", "message"),
        [
            ("big", "no named set 'big'; there are: embedded"),
            (
                {"clop": "a/b"},
                "no role 'clop'; the roles are: diffusion, segmenter, clip, matcher, mllm",
            ),
            (
                {"clip": {"name": "a/b", "dtyp": "float16"}},
                "clip.dtyp: Extra inputs are not permitted",
            ),
            (
                {"clip": {"name": "a/b", "dtype": "int8"}},
                "clip.dtype: Input should be 'float32', 'float16' or 'bfloat16'",
            ),
            ({"clip": {"revision": "4621"}}, "clip.name: Field required"),
            ({"clip": ""}, "clip.name: String should have at least 1 character"),
        ],
    )
    def test_mistakes(self, setting, message):
        with pytest.raises(ValueError, match=re.escape(message)):
            bind(setting)

    def test_no_remote_code_unless_asked(self):
        assert not any(checkpoint.trust_remote_code for checkpoint in bind("embedded").values())
        assert not Checkpoint(name="a/b").trust_remote_code


LOADED = [
    (ClipTowers, "transformers.CLIPModel", ["transformers.CLIPProcessor"]),
    (Blip, "transformers.BlipForImageTextRetrieval", ["transformers.BlipProcessor"]),
    (Llava15, "transformers.AutoModelForImageTextToText", ["transformers.AutoProcessor"]),
    (CausalLm, "transformers.AutoModelForCausalLM", ["transformers.AutoTokenizer"]),
    (
        ImageClassifier,
        "transformers.AutoModelForImageClassification",
        ["transformers.AutoImageProcessor"],
    ),
    (StableDiffusionXl, "diffusers.StableDiffusionXLPipeline", []),
]


class TestLoading:
    @pytest.fixture
    def calls(self, monkeypatch):
        """Class -> the arguments its from_pretrained got; nothing is loaded."""
        made = {}

        def spy(name):
            def from_pretrained(**arguments):
                made[name] = arguments
                return MagicMock()

            return from_pretrained

        for _, model, processors in LOADED:
            for name in (model, *processors):
                monkeypatch.setattr(f"{name}.from_pretrained", spy(name))
        return made

    @pytest.mark.parametrize(("role", "model", "processors"), LOADED)
    def test_safetensors_only_and_no_remote_code(self, calls, role, model, processors):
        role.load(Checkpoint(name="a/b", revision="4621", device="cpu"))
        assert set(calls) == {model, *processors}
        for arguments in calls.values():
            assert arguments["pretrained_model_name_or_path"] == "a/b"
            assert arguments["revision"] == "4621"
            assert not arguments.get("trust_remote_code", False)
        assert calls[model]["use_safetensors"] is True

    @pytest.mark.parametrize(("role", "model", "processors"), LOADED)
    def test_dtype(self, calls, role, model, processors):
        role.load(Checkpoint(name="a/b", dtype="bfloat16", device="cpu"))
        assert calls[model]["dtype"] == torch.bfloat16

    def test_remote_code_on_request(self, calls):
        Llava15.load(Checkpoint(name="a/b", trust_remote_code=True, device="cpu"))
        assert all(arguments["trust_remote_code"] for arguments in calls.values())

    def test_pipeline_has_no_watermark(self, calls):
        StableDiffusionXl.load(Checkpoint(name="a/b", device="cpu"))
        assert calls["diffusers.StableDiffusionXLPipeline"]["add_watermarker"] is False

    @pytest.mark.parametrize(
        ("local", "dtype", "variant"),
        [(False, "float16", "fp16"), (False, "float32", None), (True, "float16", None)],
    )
    def test_half_size_files_of_the_hub(self, model_hub, calls, folder, local, dtype, variant):
        repo = model_hub.repos["a/b"] = Repo(public=True)
        repo.commit({"unet/diffusion_pytorch_model.fp16.safetensors": b"half"})
        StableDiffusionXl.load(
            Checkpoint(name=str(folder) if local else "a/b", dtype=dtype, device="cpu")
        )
        assert calls["diffusers.StableDiffusionXLPipeline"]["variant"] == variant

    def test_segmenter_fetches_safetensors_only(self, monkeypatch, sam_folder):
        calls = []

        def snapshot_download(name, **arguments):
            calls.append((name, arguments))
            return str(sam_folder)

        monkeypatch.setattr("imgdiff.models.families.sam.snapshot_download", snapshot_download)
        SegmentAnything.load(Checkpoint(name="a/sam", revision="4621", device="cpu"))
        patterns = ["config.json", "*.safetensors"]
        assert calls == [("a/sam", {"revision": "4621", "allow_patterns": patterns})]

    def test_device_and_dtype(self, monkeypatch):
        monkeypatch.setattr("torch.cuda.is_available", lambda: False)
        assert device_of(Checkpoint(name="a/b")) == torch.device("cpu")
        assert device_of(Checkpoint(name="a/b", device="cuda:1")) == torch.device("cuda:1")
        monkeypatch.setattr("torch.cuda.is_available", lambda: True)
        assert device_of(Checkpoint(name="a/b")) == torch.device("cuda")
        assert dtype_of(Checkpoint(name="a/b")) == torch.float32


@pytest.fixture
def prompt_model(tmp_path):
    """A diffusion folder with nothing but a tokenizer."""
    clip_tokenizer().save_pretrained(tmp_path / "tokenizer")
    return Checkpoint(name=str(tmp_path))


class TestPromptLimit:
    def test_counts_without_start_and_end(self, prompt_model):
        count = load_prompt_limit(prompt_model)
        assert count("a red car") == (3, 38)
        assert count("") == (0, 38)
        assert count("red " * 500) == (500, 38)

    def test_needs_no_weights_and_is_kept(self, prompt_model):
        models = Models({"diffusion": prompt_model})
        assert models.prompt_limit() is models.prompt_limit()
        assert models.prompt_limit()("a red car")[0] == 3


class TestModels:
    @pytest.fixture
    def loads(self, monkeypatch):
        """Names of the checkpoints in the order they were loaded."""
        names = []

        def load(family, checkpoint):
            names.append(checkpoint.name)
            return SimpleNamespace()

        monkeypatch.setattr("imgdiff.models.families.Family.load", load)
        return names

    def test_each_role_has_its_own_checkpoint(self, loads):
        models = Models(
            {role: Checkpoint(name=f"a/{role}", family=families_of(role)[0].name) for role in ROLES}
        )
        for role in ROLES:
            getattr(models, role)()
        assert loads == [f"a/{role}" for role in ROLES]

    def test_model_is_loaded_once_until_closed(self, loads):
        models = Models({"clip": Checkpoint(name="a/clip", family="clip")})
        assert models.clip() is models.clip()
        assert loads == ["a/clip"]
        models.release()
        models.clip()
        assert loads == ["a/clip"] * 2


SAM = SamConfig(
    image_size=32,
    patch_size=8,
    embed_dim=16,
    depth=1,
    num_heads=2,
    global_attn_indexes=(0,),
    window_size=0,
    prompt_embed_dim=16,
    decoder_mlp_dim=16,
    decoder_heads=2,
)


@pytest.fixture
def sam_folder(tmp_path):
    torch.manual_seed(0)
    save_file(build_sam(SAM).state_dict(), tmp_path / "model.safetensors")
    (tmp_path / "config.json").write_text(SAM.model_dump_json())
    return tmp_path


class TestSegmenter:
    def test_boxes_are_tight_around_the_masks(self, sam_folder):
        """With random weights there are masks of any shape, also empty ones."""
        segmenter = SegmentAnything.load(Checkpoint(name=str(sam_folder), device="cpu"))
        picture = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
        segments = segmenter.segment(picture, 3, 0.0, 0.0, 1.0)
        assert [s["score"] for s in segments] == sorted(
            (s["score"] for s in segments), reverse=True
        )
        compared = 0
        for segment in segments:
            assert segment["mask"]["size"] == [24, 32]
            values = np.arange(len(segment["mask"]["counts"])) % 2
            mask = np.repeat(values, segment["mask"]["counts"]).reshape(32, 24).T
            if mask.any():
                y, x = np.nonzero(mask)
                assert segment["box_xyxy"] == (x.min(), y.min(), x.max() + 1, y.max() + 1)
                compared += 1
        assert compared > 3

    @pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
    def test_missing_file(self, sam_folder, name):
        (sam_folder / name).unlink()
        with pytest.raises(FileNotFoundError, match=name):
            SegmentAnything.load(Checkpoint(name=str(sam_folder), device="cpu"))


@pytest.mark.slow
class TestMllm:
    def test_yes_is_likely_where_it_is_the_answer(self):
        """The embedded model on things that are there, and things that are not."""
        mllm = ImageTextToText.load(bind("embedded")["mllm"])
        random = np.random.default_rng(0)
        scenes = [sample_scene(random) for _ in range(8)]
        pictures = [draw(scene).image for scene in scenes]
        there = [{thing.category for thing in scene.objects} for scene in scenes]
        things = [scene.objects[0].category for scene in scenes[:4]]
        things += [next(c for c in CATEGORIES if c not in seen) for seen in there[4:]]
        asked = [EXISTS.format(thing=with_article(thing)) for thing in things]
        asked = [Question((one,), text) for one, text in zip(pictures, asked, strict=True)]
        answers = mllm.answer(asked, 4)
        found = mllm.yes_probability(asked)
        assert {read_yes_no(answer) for answer in answers} == {True, False}
        assert [read_yes_no(answer) for answer in answers] == (found > 0.5).tolist()
        assert mllm.yes_probability(asked[:1]) == pytest.approx(found[:1], abs=1e-4)


class TestNsfwClassifier:
    @pytest.fixture
    def pictures(self):
        random = np.random.default_rng(0)
        return [random.integers(0, 256, (24, side, 3), dtype=np.uint8) for side in (24, 32, 48)]

    def classifier(self, folder, **settings):
        save_vit(folder, **settings)
        return ImageClassifier.load(Checkpoint(name=str(folder), device="cpu"))

    def test_classes_exclude_each_other(self, tmp_path, pictures):
        classifier = self.classifier(tmp_path)
        assert classifier.labels == ["normal", "nsfw"]
        unsafe = classifier.probability(pictures, ["nsfw"])
        assert unsafe.shape == (3,)
        assert len(set(unsafe.tolist())) == 3
        assert unsafe + classifier.probability(pictures, ["normal"]) == pytest.approx([1] * 3)
        assert classifier.probability(pictures, ["nsfw", "normal"]) == pytest.approx([1] * 3)
        assert classifier.probability(pictures[1:2], ["nsfw"]) == pytest.approx(unsafe[1:2])

    def test_labels_that_do_not_exclude_each_other(self, tmp_path, pictures):
        classifier = self.classifier(tmp_path, problem_type="multi_label_classification")
        one, other = (classifier.probability(pictures, [label]) for label in classifier.labels)
        both = classifier.probability(pictures, classifier.labels)
        assert both == pytest.approx(1 - (1 - one) * (1 - other))
