"""Caption metrics against references: BLEU, ROUGE-L and CIDEr-D.

BLEU comes from sacrebleu, ROUGE-L (beta 1.2) and CIDEr-D from pycocoevalcap, the code that
published tables come from. Its tokenizer needs Java; ours writes sentences in lower case and takes
punctuation away, which is what PTB's does to plain captions.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from imgdiff.errors import RefusedError, missing_package
from imgdiff.statistics.estimates import Estimate, estimate, mean

WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
ORDER = 4  # BLEU-4


def plain_words(sentence: str) -> str:
    """`A dog's ball, red.` -> `a dog's ball red`"""
    return " ".join(WORD.findall(sentence.lower()))


def scores(
    answers: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> dict[str, Estimate]:
    """Corpus BLEU-4, mean ROUGE-L and mean CIDEr-D, all x 100 as tables print them; sentences are
    resampled.

    Args:
        answers, references: id -> sentence, id -> sentences.

    Raises:
        RefusedError: the packages are missing, or there are fewer than two ids (CIDEr's idf comes
            from the references of all).
    """
    try:
        from pycocoevalcap.rouge.rouge import Rouge
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise missing_package(error.name, "evaluate") from None
    cider = cider_d(answers, references)
    said, wanted = _plain(answers, references)
    bleu = BLEU(effective_order=True, smooth_method="none", tokenize="none")
    counts = [bleu.sentence_score(said[id_][0], wanted[id_]) for id_ in wanted]
    table = [(*each.counts, *each.totals, each.sys_len, each.ref_len) for each in counts]
    _, rouge = Rouge().compute_score(wanted, said)
    return {
        "bleu_4": estimate(np.array(table, float), _bleu),
        "rouge_l": mean(100 * np.asarray(rouge)),
        "cider_d": mean(cider),
    }


def cider_d(answers: Mapping[str, str], references: Mapping[str, Sequence[str]]) -> np.ndarray:
    """[N] CIDEr-D x 100 of each sentence, in the references' order; the rest is as in `scores`."""
    try:
        from pycocoevalcap.cider.cider import Cider
    except ImportError as error:
        raise missing_package(error.name, "evaluate") from None
    if len(references) < 2:
        raise RefusedError(f"{len(references)} sentences; CIDEr-D needs two or more")
    said, wanted = _plain(answers, references)
    _, cider = Cider().compute_score(wanted, said)
    return 100 * np.asarray(cider)


def _plain(
    answers: Mapping[str, str], references: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    """Answers and references as pycocoevalcap takes them, tokenized."""
    said = {id_: [plain_words(answers[id_])] for id_ in references}
    return said, {id_: list(map(plain_words, sentences)) for id_, sentences in references.items()}


def _bleu(sums: np.ndarray) -> np.ndarray:
    """100 x BLEU of [..., 4 matched, 4 possible, length, reference length] (Papineni et al.)."""
    matched, possible = sums[..., :ORDER], sums[..., ORDER : 2 * ORDER]
    length, wanted = sums[..., -2], sums[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(matched / possible).mean(-1)
        brevity = np.minimum(0, 1 - wanted / length)
    return 100 * np.exp(precision + brevity)
