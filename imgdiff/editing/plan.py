"""A batch of sources and edits as tensors: which row takes over whose attention, step by step."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from imgdiff.editing.alignment import Alignment, refinement, replacement, token_range
from imgdiff.editing.edits import Edit, EditSource
from imgdiff.text.words import Span


@dataclass(frozen=True)
class PlannedEdit:
    """An edit in its place in the batch.

    row, source: places of the edited picture and of its source. weights, until: per target token,
    [T], the factor on its attention and the step until which the source's is taken over. words:
    masks [T] of the words that make the blend's mask, in source and target caption; all zero
    without a blend.
    """

    row: int
    source: int
    edit: Edit
    aligned: Alignment
    weights: Tensor
    until: Tensor
    words: tuple[Tensor, Tensor]

    def shares(self, step: int) -> tuple[Tensor, Tensor]:
        """How the attention to each target token is made up, s and o [T]: of what its counterpart
        gets in the source, and of what the row gives it on its own."""
        inside, new = (step < self.until).float(), self.aligned.new.float()
        return inside * (1 - new) * self.weights, inside * new * self.weights + 1 - inside


@dataclass(frozen=True)
class CrossEdit:
    """Cross-attention at one step of the N rows that take over attention.

    rows, sources: [N] places in the batch. taken: M diag(s), [N, T, T]. mixed: [K] those of the N
    that also have own attention. own: o of those, [K, T].
    """

    rows: Tensor
    sources: Tensor
    taken: Tensor
    mixed: Tensor
    own: Tensor


@dataclass(frozen=True)
class WordMaps:
    """What the blends read at one step: for N rows the weight [N, T] of every source token in the
    map of the source's words and in that of the row's words, and of every own token in the latter;
    and the number of queries [N] of the maps that are read."""

    rows: Tensor
    sources: Tensor
    in_source: Tensor
    in_row: Tensor
    in_row_own: Tensor
    queries: Tensor


class EditPlan:
    """Pictures in batch order: each source, followed by its edits.

    Args:
        tokenizer: of the first text encoder; a fast one.
        sources: what is to be drawn.
        steps: how many steps the scheduler takes.
        latent_size: height and width of the latents.

    Raises:
        ValueError: a caption is longer than the text encoder reads, or a span holds no token.
    """

    def __init__(
        self,
        tokenizer: Any,
        sources: Sequence[EditSource],
        steps: int,
        latent_size: tuple[int, int],
    ) -> None:
        self.steps, self.latent_size = steps, latent_size
        self.captions: list[str] = []
        self.seeds: list[int] = []
        self.edits: list[PlannedEdit] = []
        for source in sources:
            first = self._add(source.caption, source.seed)
            token_range(tokenizer, source.caption, Span(0, len(source.caption)))  # if it fits
            for edit in source.edits:
                row = self._add(edit.caption, source.seed)
                self.edits.append(_planned(tokenizer, source, edit, row, first, steps))

    def _add(self, caption: str, seed: int) -> int:
        self.captions.append(caption)
        self.seeds.append(seed)
        return len(self.captions) - 1

    def cross(self, step: int) -> CrossEdit | None:
        """None when no row takes over any attention."""
        inside = [planned for planned in self.edits if (step < planned.until).any()]
        if not inside:
            return None
        shares = [planned.shares(step) for planned in inside]
        mixed = [k for k, (_, own) in enumerate(shares) if own.any()]
        length = len(inside[0].until)
        return CrossEdit(
            rows=torch.tensor([planned.row for planned in inside]),
            sources=torch.tensor([planned.source for planned in inside]),
            taken=torch.stack(
                [p.aligned.taken * taken for p, (taken, _) in zip(inside, shares, strict=True)]
            ),
            mixed=torch.tensor(mixed, dtype=torch.long),
            own=torch.stack([shares[k][1] for k in mixed]) if mixed else torch.zeros(0, length),
        )

    def self_attention(self, step: int, queries: int) -> tuple[Tensor, Tensor] | None:
        """Rows whose self-attention is their source's in maps of that many queries, and those
        sources; None if there are none."""
        area = self.latent_size[0] * self.latent_size[1]
        inside = [
            planned
            for planned in self.edits
            if step < round(planned.edit.windows.self_steps * self.steps)
            and queries <= planned.edit.windows.self_side**2 * area
        ]
        if not inside:
            return None
        rows, sources = ([p.row for p in inside], [p.source for p in inside])
        return torch.tensor(rows), torch.tensor(sources)

    def word_maps(self, step: int) -> WordMaps | None:
        """None when no row is blended."""
        blended = [planned for planned in self.edits if planned.edit.blend is not None]
        if not blended:
            return None
        shares = [planned.shares(step) for planned in blended]
        words = [planned.words[1] for planned in blended]
        return WordMaps(
            rows=torch.tensor([planned.row for planned in blended]),
            sources=torch.tensor([planned.source for planned in blended]),
            in_source=torch.stack([planned.words[0] for planned in blended]),
            in_row=torch.stack(
                [
                    planned.aligned.taken @ (taken * some)
                    for planned, (taken, _), some in zip(blended, shares, words, strict=True)
                ]
            ),
            in_row_own=torch.stack(
                [own * some for (_, own), some in zip(shares, words, strict=True)]
            ),
            queries=torch.tensor([self._map_queries(planned) for planned in blended]),
        )

    def map_size(self, planned: PlannedEdit) -> tuple[int, int]:
        """Height and width of the maps that the edit's blend reads."""
        side = planned.edit.blend.side if planned.edit.blend else 0
        return round(side * self.latent_size[0]), round(side * self.latent_size[1])

    def _map_queries(self, planned: PlannedEdit) -> int:
        high, wide = self.map_size(planned)
        return high * wide


def _planned(
    tokenizer: Any, source: EditSource, edit: Edit, row: int, first: int, steps: int
) -> PlannedEdit:
    aligned = (
        refinement(tokenizer, source.caption, edit.caption)
        if edit.spans is None
        else replacement(tokenizer, source.caption, edit.caption, *edit.spans)
    )
    until = _per_token(tokenizer, edit.caption, edit.word_steps, edit.windows.cross_steps)
    spans = (edit.blend.words_a, edit.blend.words_b) if edit.blend else ((), ())
    words_a, words_b = (
        _per_token(tokenizer, caption, dict.fromkeys(some, 1.0), 0.0)
        for caption, some in zip((source.caption, edit.caption), spans, strict=True)
    )
    return PlannedEdit(
        row,
        first,
        edit,
        aligned,
        weights=_per_token(tokenizer, edit.caption, edit.weights, 1.0),
        until=(until * steps).round(),
        words=(words_a, words_b),
    )


def _per_token(tokenizer: Any, caption: str, values: Mapping[Span, float], usual: float) -> Tensor:
    """[T] float32: the value of the span that a token belongs to, else the usual one."""
    result = torch.full((tokenizer.model_max_length,), usual)
    for span, value in values.items():
        tokens = token_range(tokenizer, caption, span)
        result[tokens.start : tokens.stop] = value
    return result
