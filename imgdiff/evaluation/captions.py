"""Caption metrics against references: BLEU, ROUGE-L and CIDEr-D.

BLEU comes from sacrebleu, ROUGE-L (beta 1.2) and CIDEr-D from pycocoevalcap, the code that
published tables come from. Its tokenizer needs Java; ours writes sentences in lower case and takes
punctuation away, which is what PTB's does to plain captions.
"""

import re
from collections.abc import Mapping, Sequence

import numpy as np

from imgdiff.errors import RefusedError
from imgdiff.evaluation.estimates import Estimate, estimate, mean

WORD = re.compile(r"[a-z0-9]+(?:['-][a-z0-9]+)*")
ORDER = 4  # BLEU-4


def plain(sentence: str) -> str:
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
        from pycocoevalcap.cider.cider import Cider
        from pycocoevalcap.rouge.rouge import Rouge
        from sacrebleu.metrics import BLEU
    except ImportError as error:
        raise RefusedError(f"{error.name} is missing: pip install 'imgdiff[evaluate]'") from None
    ids = list(references)
    if len(ids) < 2:
        raise RefusedError(f"{len(ids)} sentences; CIDEr-D needs two or more")
    said = {id_: [plain(answers[id_])] for id_ in ids}
    wanted = {id_: [plain(sentence) for sentence in references[id_]] for id_ in ids}
    bleu = BLEU(effective_order=True, smooth_method="none", tokenize="none")
    counts = [bleu.sentence_score(said[id_][0], wanted[id_]) for id_ in ids]
    table = [(*each.counts, *each.totals, each.sys_len, each.ref_len) for each in counts]
    _, rouge = Rouge().compute_score(wanted, said)
    _, cider = Cider().compute_score(wanted, said)
    return {
        "bleu_4": estimate(np.array(table, float), _bleu),
        "rouge_l": mean(100 * np.asarray(rouge)),
        "cider_d": mean(100 * np.asarray(cider)),
    }


def _bleu(sums: np.ndarray) -> np.ndarray:
    """100 x BLEU of [..., 4 matched, 4 possible, length, reference length] (Papineni et al.)."""
    matched, possible = sums[..., :ORDER], sums[..., ORDER : 2 * ORDER]
    length, wanted = sums[..., -2], sums[..., -1]
    with np.errstate(divide="ignore", invalid="ignore"):
        precision = np.log(matched / possible).mean(-1)
        brevity = np.minimum(0, 1 - wanted / length)
    return 100 * np.exp(precision + brevity)
