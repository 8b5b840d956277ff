"""Attention layers that put the source's attention into edited rows, without attention maps.

Every edit of prompt-to-prompt is linear in the attention probabilities, so it can be applied to the
values instead of to the map. With P_a, P_b the maps of source and edited row [queries, tokens], M
how the source's tokens turn into the target's, and s, o per target token the shares of the source's
and of the row's own attention:

    textbook   out_b = (P_a M diag(s) + P_b diag(o)) V_b
    here       out_b = P_a (M diag(s) V_b) + P_b (diag(o) V_b)

P_a (...) is torch's scaled_dot_product_attention with the source's queries and keys. The second
term is computed only for rows that have own attention; where a word is merely replaced there is
none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from imgdiff.editing.plan import CrossEdit, EditPlan, WordMaps


class EditState:
    """What the attention layers of a UNet share while it draws; `step` counts finished steps.

    guided: whether the UNet gets an unconditional half before the conditional one; only the latter
    is edited. maps: row -> sums of the attention to the blend's words, source's and row's, [2,
    queries].
    """

    def __init__(self, plan: EditPlan, guided: bool) -> None:
        self.plan, self.guided = plan, guided
        self.maps: dict[int, Tensor] = {}
        self.begin(0)

    def begin(self, step: int) -> None:
        self.step = step
        self.cross: CrossEdit | None = self.plan.cross(step)
        self.words: WordMaps | None = self.plan.word_maps(step)


class EditedAttention:
    """diffusers' attention processor for a UNet."""

    def __init__(self, state: EditState) -> None:
        self.state = state

    def __call__(
        self,
        attn: Any,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        crossed = encoder_hidden_states is not None
        context = encoder_hidden_states if crossed else hidden_states
        query, key, value = (
            layer(given).unflatten(-1, (attn.heads, -1)).transpose(1, 2)
            for layer, given in (
                (attn.to_q, hidden_states),
                (attn.to_k, context),
                (attn.to_v, context),
            )
        )
        # the conditional half, whose rows are edited in place
        half = slice(len(query) // 2 if self.state.guided else 0, None)
        edit = self._cross if crossed else self._self
        own = edit(query[half], key[half], value[half])
        mixed = F.scaled_dot_product_attention(query, key, value, attn_mask=attention_mask)
        if own is not None:
            rows, output = own
            mixed[half][rows] = mixed[half][rows] + output
        mixed = mixed.transpose(1, 2).flatten(2)
        return attn.to_out[1](attn.to_out[0](mixed))

    def _self(self, query: Tensor, key: Tensor, value: Tensor) -> None:
        taken_over = self.state.plan.self_attention(self.state.step, query.shape[2])
        if taken_over is not None:
            rows, sources = taken_over
            query[rows], key[rows] = query[sources], key[sources]

    def _cross(self, query: Tensor, key: Tensor, value: Tensor) -> tuple[Tensor, Tensor] | None:
        """Edit the rows; the rows that also have own attention and what it gives them."""
        if self.state.words is not None:
            self._read_words(self.state.words, query, key)
        edit, own = self.state.cross, None
        if edit is None:
            return None
        rows, sources = edit.rows, edit.sources
        if len(edit.mixed):
            mixed = rows[edit.mixed]
            values = edit.own.to(value)[:, None, :, None] * value[mixed]
            own = mixed, F.scaled_dot_product_attention(query[mixed], key[mixed], values)
        value[rows] = edit.taken.to(value)[:, None] @ value[rows]
        query[rows], key[rows] = query[sources], key[sources]
        return own

    def _read_words(self, words: WordMaps, query: Tensor, key: Tensor) -> None:
        """Add this layer's attention to the blends' words, the mean of all heads, to `maps`."""
        read = words.queries == query.shape[2]
        if not read.any():
            return
        rows, sources = words.rows[read], words.sources[read]
        # as wide as a head, or fused attention falls back to explicit maps
        weights = torch.zeros(3, len(rows), *key.shape[1:], dtype=key.dtype, device=key.device)
        for k, tensor in enumerate((words.in_source, words.in_row, words.in_row_own)):
            weights[k, ..., 0] = tensor[read].to(key)[:, None]
        taken = weights[0]
        taken[..., 1] = weights[1, ..., 0]
        from_source = F.scaled_dot_product_attention(query[sources], key[sources], taken)
        from_row = F.scaled_dot_product_attention(query[rows], key[rows], weights[2])
        of_source = from_source[..., 0].float().mean(1)
        of_row = (from_source[..., 1] + from_row[..., 0]).float().mean(1)
        for n, row in enumerate(rows.tolist()):
            self.state.maps[row] = self.state.maps.get(row, 0) + torch.stack(
                [of_source[n], of_row[n]]
            )


@contextmanager
def edited(unet: Any, state: EditState) -> Iterator[None]:
    """The UNet's attention layers edit, and are themselves again afterwards."""
    before = unet.attn_processors
    unet.set_attn_processor({name: EditedAttention(state) for name in before})
    try:
        yield
    finally:
        unet.set_attn_processor(before)
