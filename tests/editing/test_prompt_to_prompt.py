"""Prompt-to-prompt against hand-written maps, the plain pipeline and a textbook reference."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch.nn.functional import scaled_dot_product_attention

from imgdiff.editing import prompt_to_prompt
from imgdiff.editing.prompt_to_prompt import CaptionPair, Windows, generate_pairs, replacement_map
from imgdiff.editing.words import Span, changed_spans

STEPS = 4
GUIDANCES = [0.0, 5.0]
# of 4 steps: self-attention of the 8 x 8 maps in the first 2, cross-attention in the first 3
WINDOWS = Windows(self_steps=0.5, cross_steps=0.75, self_side=0.5)
NO_WINDOWS = Windows(self_steps=0, cross_steps=0, self_side=0.5)
TOLERANCE = 1e-4


def caption_pair(caption_a, caption_b, seed=7):
    return CaptionPair(caption_a, caption_b, *changed_spans(caption_a, caption_b), seed=seed)


PAIRS = [
    caption_pair("a red car on the sand", "a red lighthouse on the sand", seed=1),
    caption_pair("a blue teapot next to a mug", "a blue ball next to a mug", seed=2),
    caption_pair("a green tree", "a black tree", seed=3),
]


def generate(pipeline, pairs=PAIRS, guidance=5.0, windows=WINDOWS):
    return generate_pairs(pipeline, pairs, STEPS, guidance, None, windows)


def plain(pipeline, caption, seed, guidance):
    """[H, W, 3]: what the untouched pipeline makes of a caption."""
    return pipeline(
        prompt=caption,
        num_inference_steps=STEPS,
        guidance_scale=guidance,
        generator=torch.Generator("cpu").manual_seed(seed),
        output_type="np",
    ).images[0]


class TestReplacementMap:
    """Token 0 is the start. `lighthouse` has four tokens, `teapot` and `snowman` have three."""

    def test_one_token_for_one(self, tokenizer):
        result = replacement_map(tokenizer, caption_pair("a red car", "a red boat"))
        torch.testing.assert_close(result, torch.eye(40))

    def test_one_token_for_four(self, tokenizer):
        # start a car on sand end -> start a l igh t house on sand end
        result = replacement_map(tokenizer, caption_pair("a car on sand", "a lighthouse on sand"))
        expected = torch.zeros(40, 40)
        expected[0, 0] = expected[1, 1] = 1
        expected[2, 2:6] = 0.25
        for source in range(3, 36):
            expected[source, source + 3] = 1
        expected[36:, 39] = 1  # what is pushed beyond the end stays on the last token
        torch.testing.assert_close(result, expected)

    def test_four_tokens_for_one(self, tokenizer):
        result = replacement_map(tokenizer, caption_pair("a lighthouse on sand", "a car on sand"))
        expected = torch.zeros(40, 40)
        expected[0, 0] = expected[1, 1] = 1
        expected[2:6, 2] = 1
        for source in range(6, 40):
            expected[source, source - 3] = 1
        torch.testing.assert_close(result, expected)

    def test_three_tokens_for_three(self, tokenizer):
        result = replacement_map(tokenizer, caption_pair("a teapot", "a snowman"))
        expected = torch.eye(40)
        expected[2:5, 2:5] = 1 / 3
        torch.testing.assert_close(result, expected)

    def test_capital_letters_and_double_spaces(self, tokenizer):
        given = caption_pair("A  RED   car, on sand", "a red lighthouse, on sand")
        result = replacement_map(tokenizer, given)
        assert [row.nonzero().flatten().tolist() for row in result[:6]] == [
            [0],
            [1],
            [2],
            [3, 4, 5, 6],
            [7],  # the comma
            [8],
        ]

    @pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair.caption_b)
    def test_rows_sum_to_one(self, tokenizer, pair):
        torch.testing.assert_close(replacement_map(tokenizer, pair).sum(1), torch.ones(40))

    def test_longest_caption(self, tokenizer):
        words = "red " * 37
        result = replacement_map(tokenizer, caption_pair(words + "car", words + "boat"))
        torch.testing.assert_close(result, torch.eye(40))

    @pytest.mark.parametrize("swapped", [False, True])
    def test_too_long_caption_is_named_with_its_count(self, tokenizer, swapped):
        captions = ["red " * 60 + "car", "a boat"]
        pair = caption_pair(*(captions[::-1] if swapped else captions))
        message = "caption has 61 tokens, the text encoder reads 38"
        with pytest.raises(ValueError, match=message):
            replacement_map(tokenizer, pair)

    def test_span_without_a_token(self, tokenizer):
        pair = CaptionPair("a car", "a boat", Span(5, 5), Span(2, 6), seed=0)
        with pytest.raises(ValueError, match="characters 5 to 5 of the caption hold no token"):
            replacement_map(tokenizer, pair)


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_source_is_what_the_plain_pipeline_draws(pipeline, guidance):
    made = generate(pipeline, guidance=guidance)
    assert made.shape == (3, 2, 32, 32, 3)
    assert made.dtype == np.float32
    for pair, (source, target) in zip(PAIRS, made, strict=True):
        expected = plain(pipeline, pair.caption_a, pair.seed, guidance)
        np.testing.assert_allclose(source, expected, atol=TOLERANCE)
        assert np.abs(target - expected).max() > 0.01


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_without_windows_the_target_is_plain_too(pipeline, guidance):
    edited = generate(pipeline, guidance=guidance)
    unedited = generate(pipeline, guidance=guidance, windows=NO_WINDOWS)
    for k, pair in enumerate(PAIRS):
        expected = plain(pipeline, pair.caption_b, pair.seed, guidance)
        np.testing.assert_allclose(unedited[k, 1], expected, atol=TOLERANCE)
        assert np.abs(edited[k, 1] - expected).max() > 100 * TOLERANCE


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_pair_does_not_depend_on_its_batch(pipeline, guidance):
    together = generate(pipeline, guidance=guidance)
    for pair, expected in zip(PAIRS, together, strict=True):
        alone = generate(pipeline, [pair], guidance=guidance)
        np.testing.assert_allclose(alone[0], expected, atol=TOLERANCE)


def test_order_of_a_batch_does_not_matter(pipeline):
    forwards, backwards = generate(pipeline), generate(pipeline, PAIRS[::-1])
    np.testing.assert_allclose(backwards[::-1], forwards, atol=TOLERANCE)


def test_distilled_model_has_no_unconditional_half(distilled_pipeline):
    made = generate(distilled_pipeline, guidance=5.0)
    for pair, (source, target) in zip(PAIRS, made, strict=True):
        expected = plain(distilled_pipeline, pair.caption_a, pair.seed, 5.0)
        np.testing.assert_allclose(source, expected, atol=TOLERANCE)
        assert np.abs(target - expected).max() > 0.01


def test_side_of_the_recipe(pipeline):
    made = generate_pairs(pipeline, PAIRS[:1], 1, 5.0, 64, WINDOWS)
    assert made.shape == (1, 2, 64, 64, 3)


@pytest.fixture
def attention_calls(pipeline, monkeypatch):
    """(step, query, key) of every attention call of the UNet."""
    calls = []

    def spy(query, key, value, attn_mask=None):
        calls.append((len(calls) // len(pipeline.unet.attn_processors), query, key))
        return scaled_dot_product_attention(query, key, value, attn_mask=attn_mask)

    fake = SimpleNamespace(scaled_dot_product_attention=spy)
    monkeypatch.setattr(prompt_to_prompt, "F", fake)
    return calls


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_attention_is_the_sources_inside_the_windows_only(pipeline, attention_calls, guidance):
    generate(pipeline, guidance=guidance)
    count = len(PAIRS)
    assert len(attention_calls) == STEPS * len(pipeline.unet.attn_processors)
    seen = set()
    for step, query, key in attention_calls:
        first = 2 * count if guidance else 0  # the unconditional half comes first, if there is one
        assert len(query) == first + 2 * count
        sources, targets = (slice(first + n * count, first + (n + 1) * count) for n in (0, 1))
        crossed, size = key.shape[2] == 40, query.shape[2]
        assert (key.shape[2], size) in [(40, 64), (40, 256), (64, 64), (256, 256)]
        inside = step < 3 if crossed else step < 2 and size == 64
        for tensor in (query, key):
            same = [
                torch.equal(*rows) for rows in zip(tensor[targets], tensor[sources], strict=True)
            ]
            assert same == [inside] * count
        if guidance and step and not crossed:  # without captions nothing is taken over
            assert not torch.equal(query[:count], query[count:first])
        seen.add((crossed, size, inside))
    assert len(seen) == 7  # large self-attention maps are never taken over


class Textbook:
    """Prompt-to-prompt by the book: explicit attention maps, edited, then applied to the values."""

    def __init__(self, maps, guided, calls_per_step):
        self.maps, self.guided, self.calls_per_step = maps, guided, calls_per_step
        self.calls = 0

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        step, self.calls = self.calls // self.calls_per_step, self.calls + 1
        crossed = encoder_hidden_states is not None
        context = encoder_hidden_states if crossed else hidden_states
        query, key, value = (
            attn.head_to_batch_dim(layer(given))
            for layer, given in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        maps = (query @ key.transpose(1, 2) * attn.scale).softmax(-1).unflatten(0, (-1, attn.heads))
        count = len(self.maps)
        first = 2 * count if self.guided else 0
        for n in range(count):
            source = maps[first + n]  # [heads, queries, keys]
            if crossed and step < 3:
                maps[first + count + n] = source @ self.maps[n]
            elif not crossed and step < 2 and source.shape[1] == 64:
                maps[first + count + n] = source
        mixed = attn.batch_to_head_dim(maps.flatten(0, 1) @ value)
        return attn.to_out[1](attn.to_out[0](mixed))


@pytest.mark.parametrize("guidance", GUIDANCES)
def test_same_as_the_textbook(pipeline, guidance):
    maps = torch.stack([replacement_map(pipeline.tokenizer, pair) for pair in PAIRS])
    before = pipeline.unet.attn_processors
    textbook = Textbook(maps, guided=guidance > 1, calls_per_step=len(before))
    pipeline.unet.set_attn_processor(dict.fromkeys(before, textbook))
    try:
        images = pipeline(
            prompt=[p.caption_a for p in PAIRS] + [p.caption_b for p in PAIRS],
            num_inference_steps=STEPS,
            guidance_scale=guidance,
            generator=[torch.Generator("cpu").manual_seed(p.seed) for p in PAIRS * 2],
            output_type="np",
        ).images
    finally:
        pipeline.unet.set_attn_processor(before)
    expected = np.stack([images[:3], images[3:]], axis=1)
    np.testing.assert_allclose(generate(pipeline, guidance=guidance), expected, atol=TOLERANCE)


def test_attention_is_restored(pipeline):
    before = dict(pipeline.unet.attn_processors)
    generate(pipeline, PAIRS[:1])
    assert pipeline.unet.attn_processors == before


def test_attention_is_restored_after_an_error(pipeline, monkeypatch):
    before = dict(pipeline.unet.attn_processors)

    def break_down(*args, **kwargs):
        raise RuntimeError("out of memory")

    monkeypatch.setattr(pipeline.unet, "forward", break_down)
    with pytest.raises(RuntimeError, match="out of memory"):
        generate(pipeline, PAIRS[:1])
    assert pipeline.unet.attn_processors == before
