"""The clip role by CLIP (Radford et al. 2021, arXiv 2103.00020), and what was trained like it."""

from imgdiff.models.families.towers import Towers


class ClipTowers(Towers):
    """transformers' CLIP classes."""

    classes = ("CLIPModel", "CLIPProcessor")
