"""Prompt-to-prompt by the book: explicit attention maps, edited, then applied to the values.

Slow and large on purpose, written from Hertz et al. 2022 and sharing no code with
`imgdiff.editing.attention`: the two must agree.
"""

from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.nn.functional as F


@dataclass
class BookEdit:
    """One edited row: its source row and, per step, what the book does.

    mapper: [T, T]; refined: [T] 1 where a target token has a counterpart; equalizer: [T];
    cross_until: [T] steps; self_until: steps; largest: queries of self-attention maps.
    """

    row: int
    source: int
    mapper: torch.Tensor
    refined: torch.Tensor
    equalizer: torch.Tensor
    cross_until: torch.Tensor
    self_until: int
    largest: float


class Textbook:
    def __init__(self, edits, guided, layers, word_masks=None, kept_queries=None):
        self.edits, self.guided, self.layers = edits, guided, layers
        self.word_masks, self.kept_queries = word_masks or {}, kept_queries
        self.calls, self.stored = 0, {}

    @property
    def step(self):
        return self.calls // self.layers

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None):
        step = self.step
        self.calls += 1
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
        first = len(maps) // 2 if self.guided else 0
        own = maps.clone()
        for edit in self.edits:
            source, mine = own[first + edit.source], own[first + edit.row]  # [heads, queries, keys]
            if crossed:
                refined = (source @ edit.mapper) * edit.refined + mine * (1 - edit.refined)
                window = (step < edit.cross_until).float()
                maps[first + edit.row] = refined * edit.equalizer * window + mine * (1 - window)
            elif step < edit.self_until and source.shape[1] <= edit.largest:
                maps[first + edit.row] = source
        if crossed and maps.shape[2] == self.kept_queries:
            for edit in self.edits:
                words = self.word_masks[edit.row]
                some = torch.stack(
                    [
                        (maps[first + row] * mask).sum(-1).mean(0)
                        for row, mask in zip((edit.source, edit.row), words, strict=True)
                    ]
                )
                self.stored[edit.row] = self.stored.get(edit.row, 0) + some
        mixed = attn.batch_to_head_dim(maps.flatten(0, 1) @ value)
        return attn.to_out[1](attn.to_out[0](mixed))

    def mask(self, row, side, latent_side, threshold):
        """LocalBlend of the published code: pool, enlarge, normalise, threshold, union."""
        maps = self.stored[row].view(2, 1, side, side)
        maps = F.interpolate(F.max_pool2d(maps, (3, 3), (1, 1), padding=(1, 1)), latent_side)
        maps = maps / maps.max(2, keepdim=True)[0].max(3, keepdim=True)[0]
        above = maps.gt(threshold)
        return (above[0] | above[1])[0]


@contextmanager
def by_the_book(unet, textbook):
    before = unet.attn_processors
    unet.set_attn_processor(dict.fromkeys(before, textbook))
    try:
        yield textbook
    finally:
        unet.set_attn_processor(before)
