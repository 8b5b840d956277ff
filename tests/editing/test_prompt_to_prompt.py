"""Prompt-to-prompt against the plain pipeline, a textbook with explicit maps, and itself."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from diffusers import (
    EulerAncestralDiscreteScheduler,
    EulerDiscreteScheduler,
    HeunDiscreteScheduler,
    LCMScheduler,
)
from textbook import BookEdit, Textbook, by_the_book
from torch.nn.functional import scaled_dot_product_attention

from imgdiff.editing import attention, prompt_to_prompt
from imgdiff.editing.alignment import refinement, replacement, token_range
from imgdiff.editing.attention import EditState
from imgdiff.editing.costs import drawing_bytes
from imgdiff.editing.edits import Edit, EditSource, LocalBlend, Windows, edit_to
from imgdiff.editing.prompt_to_prompt import draw_edits, draw_latents
from imgdiff.text.words import Span

STEPS = 10
GUIDANCES = [0.0, 7.5]
# of 10 steps: self-attention of the 8 x 8 maps in the first 4, cross-attention in the first 7
WINDOWS = Windows(self_steps=0.4, cross_steps=0.7, self_side=0.5)
TOLERANCE = 1e-4


def span(caption, word):
    start = caption.index(word)
    return Span(start, start + len(word))


def source(caption_a, caption_b, seed=7, windows=WINDOWS, **settings):
    edit = edit_to(caption_a, caption_b, windows)
    return EditSource(caption_a, seed, (Edit(caption_b, edit.spans, windows, **settings),))


CAR = "a red car on the sand"
REPLACE = source(CAR, "a red lighthouse on the sand", seed=1)
REFINE = source(CAR, "a red car on the sand and a blue mug", seed=2)
SHORTEN = source(CAR, "a car on the sand", seed=3)
REWEIGHT = EditSource(
    CAR, 4, (Edit(CAR, windows=WINDOWS, weights={span(CAR, "red"): 3.0, span(CAR, "sand"): 0.2}),)
)
LATE_WORD = source(
    CAR, "a red boat on the snow", seed=5, word_steps={span("a red boat on the snow", "boat"): 0.2}
)
BOTH = source(
    CAR,
    "a blue lighthouse on the sand",
    seed=6,
    weights={span("a blue lighthouse on the sand", "blue"): 2.0},
)
MODES = {
    "replace": REPLACE,
    "refine": REFINE,
    "shorten": SHORTEN,
    "reweight": REWEIGHT,
    "late word": LATE_WORD,
    "replace and reweight": BOTH,
}
SOURCES = list(MODES.values())


def latents(pipeline, sources=SOURCES, guidance=7.5, steps=STEPS):
    return draw_latents(pipeline, sources, steps, guidance)


def plain(pipeline, caption, seed, guidance, steps=STEPS):
    """[C, h, w]: the latents that the untouched pipeline makes of a caption."""
    return pipeline(
        prompt=caption,
        num_inference_steps=steps,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="latent",
    ).images[0]


def book_edits(tokenizer, sources, steps=STEPS, area=256):
    """The same edits for the textbook, worked out from the captions."""
    edits, row = [], 0
    for one in sources:
        first, row = row, row + 1
        for edit in one.edits:
            aligned = (
                replacement(tokenizer, one.caption, edit.caption, *edit.spans)
                if edit.spans
                else refinement(tokenizer, one.caption, edit.caption)
            )
            equalizer, until = torch.ones(40), torch.full((40,), edit.windows.cross_steps * steps)
            for values, target, scale in (
                (edit.weights, equalizer, 1),
                (edit.word_steps, until, steps),
            ):
                for place, value in values.items():
                    for token in token_range(tokenizer, edit.caption, place):
                        target[token] = value * scale
            edits.append(
                BookEdit(
                    row,
                    first,
                    aligned.taken,
                    (~aligned.new).float(),
                    equalizer,
                    until.round(),
                    round(edit.windows.self_steps * steps),
                    edit.windows.self_side**2 * area,
                )
            )
            row += 1
    return edits


def from_the_book(pipeline, sources, guidance, textbook, blended=None):
    """Latents of all rows."""
    rows = [
        (caption, one.seed)
        for one in sources
        for caption in (one.caption, *(edit.caption for edit in one.edits))
    ]
    with by_the_book(pipeline.unet, textbook):
        return pipeline(
            prompt=[caption for caption, _ in rows],
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            generator=[torch.Generator("cpu").manual_seed(seed) for _, seed in rows],
            callback_on_step_end=blended,
            output_type="latent",
        ).images


class TestSource:
    @pytest.mark.parametrize("guidance", GUIDANCES)
    def test_is_what_the_plain_pipeline_draws(self, pipeline, guidance):
        made = latents(pipeline, guidance=guidance)
        for one, (original, edited) in zip(SOURCES, made, strict=True):
            expected = plain(pipeline, one.caption, one.seed, guidance)
            torch.testing.assert_close(original, expected, rtol=0, atol=TOLERANCE)
            assert (edited - expected).abs().max() > 0.01

    def test_images_are_the_pipelines(self, pipeline):
        (images,) = draw_edits(pipeline, [EditSource(CAR, 3)], 2, 7.5)
        expected = pipeline(
            prompt=CAR,
            num_inference_steps=2,
            guidance_scale=7.5,
            generator=torch.Generator("cpu").manual_seed(3),
            output_type="np",
        ).images
        assert images.dtype == np.float32
        np.testing.assert_allclose(images, expected, atol=TOLERANCE)

    def test_same_caption_gives_the_same_image(self, pipeline):
        ((original, edited),) = latents(
            pipeline, [EditSource(CAR, 7, (Edit(CAR, windows=WINDOWS),))]
        )
        torch.testing.assert_close(edited, original, rtol=0, atol=TOLERANCE)


class TestWindows:
    @pytest.mark.parametrize("guidance", GUIDANCES)
    def test_without_windows_the_edit_is_plain_too(self, pipeline, guidance):
        nothing = Windows(self_steps=0, cross_steps=0)
        for one in (REPLACE, REFINE):
            (edit,) = one.edits
            unedited = EditSource(one.caption, one.seed, (Edit(edit.caption, edit.spans, nothing),))
            ((_, made),) = latents(pipeline, [unedited], guidance)
            expected = plain(pipeline, edit.caption, one.seed, guidance)
            torch.testing.assert_close(made, expected, rtol=0, atol=TOLERANCE)
            ((_, edited),) = latents(pipeline, [one], guidance)
            assert (edited - expected).abs().max() > 100 * TOLERANCE

    def test_share_of_a_scheduler_that_takes_more_steps(self, pipeline, monkeypatch):
        monkeypatch.setattr(
            pipeline, "scheduler", HeunDiscreteScheduler.from_config(pipeline.scheduler.config)
        )
        seen, begin = [], EditState.begin

        def spy(self, step):
            begin(self, step)
            seen.append((step, self.plan.steps, self.cross is not None))

        monkeypatch.setattr(EditState, "begin", spy)
        latents(pipeline, [REPLACE])
        assert seen == [(step, 19, step < 13) for step in range(20)]  # 0.7 of 19


class TestBatch:
    @pytest.mark.parametrize("guidance", GUIDANCES)
    def test_pair_does_not_depend_on_its_batch(self, pipeline, guidance):
        together = latents(pipeline, guidance=guidance)
        for one, expected in zip(SOURCES, together, strict=True):
            (alone,) = latents(pipeline, [one], guidance)
            torch.testing.assert_close(alone, expected, rtol=0, atol=TOLERANCE)

    def test_parts_that_fit_in_memory(self, pipeline, monkeypatch):
        expected = latents(pipeline)
        sizes, draw = [], prompt_to_prompt._draw_latents
        monkeypatch.setattr(
            prompt_to_prompt,
            "_draw_latents",
            lambda pipeline, part, *how: sizes.append(len(part)) or draw(pipeline, part, *how),
        )
        held = 5 * drawing_bytes(pipeline, 32, 32)  # two sources, each with its edit
        monkeypatch.setattr("imgdiff.models.memory.CPU_BYTES", held)
        for found, whole in zip(latents(pipeline), expected, strict=True):
            torch.testing.assert_close(found, whole, rtol=0, atol=TOLERANCE)
        assert sizes == [2] * (len(SOURCES) // 2)

    def test_order_does_not_matter(self, pipeline):
        forwards, backwards = latents(pipeline), latents(pipeline, SOURCES[::-1])
        for one, other in zip(forwards, backwards[::-1], strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE)

    def test_several_edits_of_one_source(self, pipeline):
        edits = tuple(edit for one in SOURCES for edit in one.edits)
        (together,) = latents(pipeline, [EditSource(CAR, 9, edits)])
        assert len(together) == 1 + len(edits)
        for edit, expected in zip(edits, together[1:], strict=True):
            ((original, alone),) = latents(pipeline, [EditSource(CAR, 9, (edit,))])
            torch.testing.assert_close(alone, expected, rtol=0, atol=TOLERANCE)
            torch.testing.assert_close(original, together[0], rtol=0, atol=TOLERANCE)

    def test_repeated_captions_are_encoded_once(self, pipeline, monkeypatch):
        encoded, encode = [], pipeline.encode_prompt
        monkeypatch.setattr(
            pipeline,
            "encode_prompt",
            lambda prompt=None, **given: (
                encoded.append(prompt) or encode(prompt, **given)
                if isinstance(prompt, list)
                else encode(prompt=prompt, **given)
            ),
        )
        latents(pipeline, SOURCES, steps=1)
        captions = {caption for one in SOURCES for caption in (one.caption, one.edits[0].caption)}
        assert sorted(encoded[0]) == sorted(captions)


class TestPipelines:
    def test_distilled_model_has_no_unconditional_half(self, distilled_pipeline):
        ((original, edited),) = latents(distilled_pipeline, [REPLACE])
        expected = plain(distilled_pipeline, REPLACE.caption, REPLACE.seed, 7.5)
        torch.testing.assert_close(original, expected, rtol=0, atol=TOLERANCE)
        assert (edited - expected).abs().max() > 0.01

    @pytest.mark.parametrize(
        ("scheduler", "steps"),
        [(EulerDiscreteScheduler, 4), (EulerAncestralDiscreteScheduler, 4), (LCMScheduler, 1)],
    )
    def test_any_scheduler_and_few_steps(self, pipeline, monkeypatch, scheduler, steps):
        monkeypatch.setattr(pipeline, "scheduler", scheduler.from_config(pipeline.scheduler.config))
        ((original, edited),) = latents(pipeline, [REPLACE], guidance=0.0, steps=steps)
        expected = plain(pipeline, REPLACE.caption, REPLACE.seed, 0.0, steps)
        torch.testing.assert_close(original, expected, rtol=0, atol=TOLERANCE)
        unedited = plain(pipeline, REPLACE.edits[0].caption, REPLACE.seed, 0.0, steps)
        assert (edited - unedited).abs().max() > 100 * TOLERANCE

    @pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
    def test_half_precision(self, pipeline, dtype):
        expected = latents(pipeline, steps=2)
        pipeline.to(dtype)
        try:
            made = latents(pipeline, steps=2)
        finally:
            pipeline.to(torch.float32)
        for one, other in zip(made, expected, strict=True):
            assert one.dtype == dtype
            assert (one.float() - other).abs().mean() < 0.05 * other.abs().mean()

    def test_channels_last_gives_the_same(self, pipeline):
        expected = latents(pipeline)
        pipeline.unet.to(memory_format=torch.channels_last)
        try:
            made = latents(pipeline)
        finally:
            pipeline.unet.to(memory_format=torch.contiguous_format)
        for one, other in zip(made, expected, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=TOLERANCE)

    def test_side_in_pixels(self, pipeline):
        (images,) = draw_edits(pipeline, [REPLACE], 1, 7.5, side=64)
        assert images.shape == (2, 64, 64, 3)

    def test_too_long_caption_is_refused_before_any_work(self, pipeline, monkeypatch):
        monkeypatch.setattr(pipeline, "encode_prompt", None)
        with pytest.raises(ValueError, match="caption has 40 tokens, the text encoder reads 38"):
            latents(pipeline, [REPLACE, EditSource("a car " * 20, 1)])

    def test_attention_is_restored(self, pipeline):
        before = dict(pipeline.unet.attn_processors)
        latents(pipeline, [REPLACE], steps=1)
        assert pipeline.unet.attn_processors == before

    def test_attention_is_restored_after_an_error(self, pipeline, monkeypatch):
        before = dict(pipeline.unet.attn_processors)

        def break_down(*args, **kwargs):
            raise RuntimeError("out of memory")

        monkeypatch.setattr(pipeline.unet, "forward", break_down)
        with pytest.raises(RuntimeError, match="out of memory"):
            latents(pipeline, [REPLACE])
        assert pipeline.unet.attn_processors == before


@pytest.fixture
def attention_calls(pipeline, monkeypatch):
    """(query, key) of every attention call of the UNet on the whole batch."""
    calls = []

    def spy(query, key, value, attn_mask=None):
        calls.append((query, key))
        return scaled_dot_product_attention(query, key, value, attn_mask=attn_mask)

    fake = SimpleNamespace(scaled_dot_product_attention=spy)
    monkeypatch.setattr(attention, "F", fake)
    return calls


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_attention_is_the_sources_inside_the_windows_only(pipeline, attention_calls, guidance):
    sources = [REPLACE, source("a green tree", "a black tree", seed=3)]
    latents(pipeline, sources, guidance)
    layers = len(pipeline.unet.attn_processors)
    assert len(attention_calls) == STEPS * layers  # a replaced word costs no second call
    seen = set()
    for number, (query, key) in enumerate(attention_calls):
        step, first = number // layers, 4 if guidance else 0
        crossed, size = key.shape[2] == 40, query.shape[2]
        assert (key.shape[2], size) in [(40, 64), (40, 256), (64, 64), (256, 256)]
        inside = step < 7 if crossed else step < 4 and size == 64
        for row in (first, first + 2):
            # the source's probabilities, whatever the values are
            maps = (query[row : row + 2] @ key[row : row + 2].transpose(-1, -2)).softmax(-1)
            assert torch.equal(maps[0], maps[1]) == inside
        if guidance and step and not crossed:  # without captions nothing is taken over
            assert not torch.equal(query[0], query[1])
        seen.add((crossed, size, inside))
    assert len(seen) == 7  # large self-attention maps are never taken over


class TestTextbook:
    @pytest.mark.parametrize("guidance", GUIDANCES)
    @pytest.mark.parametrize("mode", MODES)
    def test_same_latents(self, pipeline, mode, guidance):
        sources = [MODES[mode]]
        layers = len(pipeline.unet.attn_processors)
        book = Textbook(book_edits(pipeline.tokenizer, sources), guidance > 1, layers)
        expected = from_the_book(pipeline, sources, guidance, book)
        (made,) = latents(pipeline, sources, guidance)
        torch.testing.assert_close(made, expected, rtol=0, atol=TOLERANCE)

    def test_all_modes_in_one_batch(self, pipeline):
        book = Textbook(
            book_edits(pipeline.tokenizer, SOURCES), True, len(pipeline.unet.attn_processors)
        )
        expected = from_the_book(pipeline, SOURCES, 7.5, book)
        torch.testing.assert_close(torch.cat(latents(pipeline)), expected, rtol=0, atol=TOLERANCE)


class TestLocalBlend:
    B = "a red lighthouse on the sand"
    C = "a red car on the sand and a blue mug"

    def blended(self, caption_b, word_b, **settings):
        words = (span(CAR, "car"),), (span(caption_b, word_b),)
        return source(CAR, caption_b, blend=LocalBlend(*words, side=0.5, **settings))

    def masks_of_the_book(self, pipeline, sources, guidance):
        """Latents of the book where every edit is blended, and the masks after the last step."""
        tokenizer, edits = pipeline.tokenizer, book_edits(pipeline.tokenizer, sources)
        words = {}
        for edit, one in zip(edits, sources, strict=True):
            wish = one.edits[0].blend
            masks = torch.zeros(2, 40)
            for k, (caption, spans) in enumerate(
                ((one.caption, wish.words_a), (one.edits[0].caption, wish.words_b))
            ):
                for place in spans:
                    masks[k, list(token_range(tokenizer, caption, place))] = 1
            words[edit.row] = masks
        layers = len(pipeline.unet.attn_processors)
        book, masks = Textbook(edits, guidance > 1, layers, words, kept_queries=64), {}

        def blend(_, step, __, tensors):
            for edit, one in zip(edits, sources, strict=True):
                wish = one.edits[0].blend
                if step + 1 > int(wish.start * STEPS):
                    mask = masks[edit.row] = book.mask(edit.row, 8, 16, wish.threshold)
                    a, b = tensors["latents"][edit.source], tensors["latents"][edit.row]
                    tensors["latents"][edit.row] = a + mask * (b - a)
            return tensors

        return from_the_book(pipeline, sources, guidance, book, blend), masks

    @pytest.mark.parametrize("guidance", GUIDANCES)
    def test_same_as_the_textbook(self, pipeline, guidance, monkeypatch):
        sources = [
            self.blended(self.B, "lighthouse", threshold=0.9),
            self.blended(self.C, "mug", threshold=0.85),
        ]
        expected, masks = self.masks_of_the_book(pipeline, sources, guidance)
        seen = {}
        original = prompt_to_prompt.blend

        def spy(tensors, planned, mask):
            seen[planned.row] = mask
            original(tensors, planned, mask)

        monkeypatch.setattr(prompt_to_prompt, "blend", spy)
        made = torch.cat(latents(pipeline, sources, guidance))
        assert seen.keys() == masks.keys()
        for row, mask in masks.items():
            assert 0 < mask.float().mean() < 1  # it blends something, and not all
            assert (seen[row] == mask).float().mean() >= 0.999
        torch.testing.assert_close(made, expected, rtol=0, atol=TOLERANCE)

    def test_outside_the_mask_is_the_source(self, pipeline, monkeypatch):
        fixed = torch.zeros(16, 16, dtype=torch.bool)
        fixed[3:9, 4:12] = True
        monkeypatch.setattr(prompt_to_prompt, "blend_mask", lambda *given: fixed)
        ((original, edited),) = latents(pipeline, [self.blended(self.B, "lighthouse")])
        assert torch.equal(original[:, ~fixed], edited[:, ~fixed])
        assert not torch.equal(original[:, fixed], edited[:, fixed])

    def test_begins_after_its_start(self, pipeline, monkeypatch):
        calls = []
        original = prompt_to_prompt.blend
        monkeypatch.setattr(
            prompt_to_prompt, "blend", lambda *given: calls.append(1) or original(*given)
        )
        latents(pipeline, [self.blended(self.B, "lighthouse", start=0.5)])
        assert len(calls) == 5

    def test_maps_of_a_size_that_no_layer_has(self, pipeline):
        words = (span(CAR, "car"),), (span(self.B, "lighthouse"),)
        one = source(CAR, self.B, blend=LocalBlend(*words, side=0.25))
        with pytest.raises(ValueError, match="no cross-attention maps of 4 x 4"):
            latents(pipeline, [one])
