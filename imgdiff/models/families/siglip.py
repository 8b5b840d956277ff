"""The clip role by SigLIP (Zhai et al. 2023, arXiv 2303.15343) and SigLIP 2 (Tschannen et al. 2025,
arXiv 2502.14786), with pictures of fixed size or of their own shape (NaFlex)."""

from imgdiff.models.families.towers import Reading, Towers


class SiglipTowers(Towers):
    """Has learned texts in lower case and of full length, with padding behind them that is read,
    too.

    Its cosines are much lower than CLIP's: limits of one mean nothing for the other.
    """

    reading = Reading(
        {"padding": "max_length", "padding_side": "right", "return_attention_mask": False},
        lower_case=True,  # not every version of SigLIP 2's tokenizer sees to it
    )
