"""The clip role by SigLIP (Zhai et al. 2023, arXiv 2303.15343) and SigLIP 2 (Tschannen et al. 2025,
arXiv 2502.14786), with pictures of fixed size or of their own shape (NaFlex)."""

from typing import ClassVar

from imgdiff.models.families.towers import Towers


class SiglipTowers(Towers):
    """Has learned texts in lower case and of full length, with padding behind them that is read,
    too.

    Its cosines are much lower than CLIP's: limits of one mean nothing for the other.
    """

    reading: ClassVar = {
        "padding": "max_length",
        "padding_side": "right",
        "return_attention_mask": False,
    }

    @staticmethod
    def as_read(text: str) -> str:
        return text.lower()  # not every version of SigLIP 2's tokenizer does it
