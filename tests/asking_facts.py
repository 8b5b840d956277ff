"""What is known of how real MLLMs are asked, and pictures and boxes to ask about."""

from pathlib import Path

import numpy as np
import yaml

from imgdiff.data import images
from imgdiff.models.families import family_named

FACTS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text("utf-8"))
WIDE, WIDE_BOX = (480, 640), (320.0, 120.0, 640.0, 480.0)
HIGH, HIGH_BOX = (640, 480), (240.0, 160.0, 480.0, 640.0)
SHAPES = [(WIDE, WIDE_BOX, "region"), (HIGH, HIGH_BOX, "region_upright")]


def picture(size, seed=0):
    """Smooth colours, so that the way of resizing changes little."""
    high, wide = size
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 8, 3), np.uint8)
    return images.resize(coarse, wide, high)


def profile(name, image_processor=None):
    return family_named("mllm", name).plays(image_processor)
