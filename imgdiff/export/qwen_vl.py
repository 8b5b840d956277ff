"""The fine-tuning script of Qwen2.5-VL and Qwen3-VL."""

from imgdiff.export.llava_interleave import LlavaInterleave


class QwenVL(LlavaInterleave):
    """The records of LLaVA-NeXT-Interleave: the loader reads `image`, a name or a list.

    Its README shows `images`, which it does not read. The boxes are drawn in the pictures: in text
    they would be pixels of the resized picture for Qwen2.5-VL, thousandths for Qwen3-VL.
    """

    name = "qwen_vl"
