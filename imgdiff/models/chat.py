"""What holds for every chat model that runs here, with pictures or without: it answers by its own
weights alone, and does not think aloud."""

from typing import Any

from imgdiff.text.answers import THINKS

# The likeliest token each time: what a checkpoint's generation_config.json says otherwise, and
# penalties for words that were said already, are overruled.
GREEDY: dict[str, Any] = {
    "do_sample": False,
    "num_beams": 1,
    "temperature": 1.0,
    "top_k": 50,
    "top_p": 1.0,
    "repetition_penalty": 1.0,
    "no_repeat_ngram_size": 0,
    "min_length": 0,
}
SWITCH = "enable_thinking"


def switched_off(template: str | None) -> dict[str, bool]:
    """What keeps a model from thinking aloud, for `apply_chat_template`, if its template has a
    switch for that."""
    return {SWITCH: False} if SWITCH in (template or "") else {}


def kv_bytes_per_token(config: Any, bytes_per_number: int) -> int:
    """What a token takes of the memory that holds keys and values, in all layers that keep them (a
    layer of linear attention keeps none).

    Args:
        config: of the model, or of its text model.
    """
    text = config.get_text_config()
    kinds = getattr(text, "layer_types", None) or ["full_attention"] * text.num_hidden_layers
    layers = sum(kind != "linear_attention" for kind in kinds)
    heads = getattr(text, "num_key_value_heads", None) or text.num_attention_heads
    size = getattr(text, "head_dim", None) or text.hidden_size // text.num_attention_heads
    return int(2 * layers * heads * size * bytes_per_number)


def opening(tokenizer: Any, prompt: Any) -> str:
    """What the model has said before its first token: a prompt (its token ids) may end with the
    tag that begins thoughts."""
    end = tokenizer.decode(prompt[-8:]).rstrip()
    return THINKS if end.endswith(THINKS) else ""
