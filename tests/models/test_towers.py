"""Families of the clip and the matcher role: miniatures of each model asked as its library asks
it."""

import numpy as np
import pytest
import torch
import transformers
from miniatures import SIDE, save_blip, save_blip2, save_clip, save_siglip, save_siglip2
from transformers import BertTokenizer

from imgdiff.models.kinds import family_of
from imgdiff.models.zoo import Checkpoint
from imgdiff.rehearsal.miniatures import make_small
from imgdiff.toyland.tokenizer import wordpiece_vocabulary

PICTURES = [np.random.default_rng(k).integers(0, 255, (40, 30, 3), np.uint8) for k in range(3)]
TEXTS = ["A red Car", "a mug", "a blue boat on the sand"]
SAVERS = {
    "clip": save_clip,
    "siglip": save_siglip,
    "siglip2": save_siglip2,
    "blip": save_blip,
    "blip-2": save_blip2,
}
SEEN = 224  # pixels, of which these kinds have learned the places
PROCESSORS = {
    "align": (transformers.EfficientNetImageProcessor, transformers.AlignProcessor),
    "altclip": (transformers.CLIPImageProcessor, transformers.AltCLIPProcessor),
    "chinese_clip": (transformers.ChineseCLIPImageProcessor, transformers.ChineseCLIPProcessor),
    "metaclip_2": (transformers.CLIPImageProcessor, transformers.CLIPProcessor),
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Kind -> a folder with a miniature."""
    made = {kind: tmp_path_factory.mktemp(kind) for kind in SAVERS}
    for kind, save in SAVERS.items():
        save(made[kind])
    return made


@pytest.fixture
def load(folders):
    """Loads a miniature by its role and kind."""

    def make(role, kind, **settings):
        checkpoint = Checkpoint(name=str(folders[kind]), device="cpu", **settings)
        return family_of(role, checkpoint).load(checkpoint)

    return make


def unit(vectors):
    return (vectors / vectors.norm(dim=-1, keepdim=True)).detach().numpy()


def save_other(kind, folder):
    """A small one of a kind that transformers loads by its name alone."""
    tokenizer = BertTokenizer(vocab=wordpiece_vocabulary(), model_max_length=32)
    config = transformers.AutoConfig.for_model(kind)
    config.text_config.vocab_size = len(tokenizer)
    if kind == "align":  # its picture tower is made of convolutions, and projects nothing
        config.vision_config.width_coefficient, config.projection_dim = 0.25, 80
    make_small(config)
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    pictures, processor = PROCESSORS[kind]
    side = {"height": SEEN, "width": SEEN}
    given = {"size": side, "crop_size": side} if kind != "align" else {"size": side}
    processor(pictures(**given), tokenizer).save_pretrained(folder)


@pytest.mark.parametrize("kind", PROCESSORS)
def test_other_kinds_are_loaded_by_their_names_alone(tmp_path, kind):
    save_other(kind, tmp_path)
    checkpoint = Checkpoint(name=str(tmp_path), device="cpu")
    for role in ("clip", "matcher"):
        assert family_of(role, checkpoint).name == kind
    clip = family_of("clip", checkpoint).load(checkpoint)
    cosines = clip.embed_images(PICTURES) @ clip.embed_texts(TEXTS).T
    assert cosines.shape == (3, 3)
    assert (abs(cosines) <= 1 + 1e-6).all()
    own = family_of("matcher", checkpoint).load(checkpoint).match(PICTURES, TEXTS)
    assert own[0] == pytest.approx(np.diag(cosines), abs=1e-5)


@pytest.mark.parametrize("kind", ["siglip", "siglip2"])
def test_siglip_is_asked_as_its_library_says(load, folders, kind):
    """Texts in lower case, of full length, with padding behind them that is not masked."""
    clip = load("clip", kind)
    processor = transformers.AutoProcessor.from_pretrained(folders[kind])
    model = transformers.AutoModel.from_pretrained(folders[kind]).eval()
    length = model.config.text_config.max_position_embeddings
    ids = processor.tokenizer(
        [text.lower() for text in TEXTS],
        padding="max_length",
        padding_side="right",
        max_length=length,
        return_tensors="pt",
    )["input_ids"]
    assert ids.shape == (3, length)
    assert ids[0, 0] != ids[0, -1] == ids[1, -1]
    read = model.get_text_features(input_ids=ids).pooler_output
    assert clip.embed_texts(TEXTS) == pytest.approx(unit(read), abs=1e-6)
    seen = model.get_image_features(
        **processor.image_processor(PICTURES, return_tensors="pt")
    ).pooler_output
    assert clip.embed_images(PICTURES) == pytest.approx(unit(seen), abs=1e-6)


def test_a_picture_of_its_own_shape_keeps_it(load):
    """NaFlex: the patches of a flat picture are not those of a high one."""
    clip = load("clip", "siglip2")
    shapes = clip.processor.image_processor(PICTURES[:1], return_tensors="pt")["spatial_shapes"]
    assert shapes.tolist()[0][0] > shapes.tolist()[0][1]


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_a_matcher_of_towers_gives_the_cosines_of_the_clip(load, kind):
    clip, matcher = load("clip", kind), load("matcher", kind)
    expected = (clip.embed_images(PICTURES) * clip.embed_texts(TEXTS)).sum(1)
    cosines, probabilities = matcher.match(PICTURES, TEXTS)
    assert cosines == pytest.approx(expected, abs=1e-6)
    assert probabilities is None


@pytest.mark.parametrize("kind", ["blip", "blip-2"])
def test_a_matching_head_is_asked_as_its_library_asks_it(load, folders, kind):
    """BLIP-2's processor puts places for the queries before the text, which are cut off again."""
    matcher = load("matcher", kind)
    processor = transformers.AutoProcessor.from_pretrained(folders[kind])
    class_name = {"blip": "BlipForImageTextRetrieval", "blip-2": "Blip2ForImageTextRetrieval"}[kind]
    model = getattr(transformers, class_name).from_pretrained(folders[kind]).eval()
    batch = processor(images=PICTURES, text=TEXTS, padding=True, return_tensors="pt")
    with torch.no_grad():
        itc, itm = (asked(model, kind, batch, head) for head in (False, True))
    cosines, probabilities = matcher.match(PICTURES, TEXTS, itm=True)
    assert cosines == pytest.approx(itc.diagonal().numpy(), abs=1e-5)
    assert probabilities == pytest.approx(itm.softmax(-1)[:, 1].numpy(), abs=1e-5)
    assert matcher.match(PICTURES, TEXTS)[1] is None
    assert len(set(probabilities.tolist())) == 3


def asked(model, kind, batch, head):
    """What the model's own `forward` says, with its matching head or without."""
    if kind == "blip":
        return model(**batch, use_itm_head=head)[0]
    return model(**batch, use_image_text_matching_head=head).logits_per_image


@pytest.mark.parametrize("kind", ["blip", "blip-2"])
def test_the_matching_head_does_not_run_for_cosines(load, kind, monkeypatch):
    matcher = load("matcher", kind)
    ran = []
    matcher.model.itm_head.register_forward_hook(lambda *_: ran.append(1))
    assert matcher.match(PICTURES, TEXTS)[0] == pytest.approx(
        matcher.match(PICTURES, TEXTS, itm=True)[0]
    )
    assert len(ran) == 1


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
@pytest.mark.parametrize("kind", SAVERS)
def test_half_precision(load, kind, dtype):
    whole, half = load("matcher", kind), load("matcher", kind, dtype=dtype)
    itm = kind.startswith("blip")
    for exact, rough in zip(
        whole.match(PICTURES, TEXTS, itm), half.match(PICTURES, TEXTS, itm), strict=True
    ):
        if exact is not None:
            assert rough == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("kind", ["clip", "siglip", "siglip2"])
def test_a_captions_length_is_counted_without_weights(folders, kind):
    """As the text tower cuts it: one token more changes nothing."""
    checkpoint = Checkpoint(name=str(folders[kind]), device="cpu")
    family = family_of("clip", checkpoint)
    count, clip = family.plays.caption_limit(checkpoint), family.load(checkpoint)
    word = "a" if kind == "siglip2" else "a "  # one token for each
    room = count(word)[1]
    assert count(word * room) == (room, room)
    assert count(word * (room + 1)) == (room + 1, room)
    full, longer, shorter = clip.embed_texts([word * n for n in (room, room + 1, room - 1)])
    assert longer == pytest.approx(full, abs=1e-6)
    assert shorter != pytest.approx(full, abs=1e-6)


def test_clip_cuts_the_centre_and_the_others_stretch(load):
    """What stands at the rim of a flat picture."""
    plain = np.full((SIDE, 2 * SIDE, 3), 90, np.uint8)
    marked = plain.copy()
    marked[:, : SIDE // 4] = 255
    for kind in SAVERS:
        role = "matcher" if kind.startswith("blip") else "clip"
        processor = load(role, kind).processor.image_processor
        seen = [processor([each], return_tensors="pt")["pixel_values"] for each in (plain, marked)]
        assert torch.equal(*seen) == (kind == "clip")
