"""Qwen3.5 and what followed in the same architecture (3.6, 3.8): asked like Qwen3-VL. They think
unless they are told not to."""

from imgdiff.models.families.qwen3_vl import Qwen3Vl


class Qwen35(Qwen3Vl):
    pass
