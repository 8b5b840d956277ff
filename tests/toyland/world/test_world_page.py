"""docs/toyland.md speaks of the weights that lie in the repository."""

import hashlib
import re
from pathlib import Path

from imgdiff.toyland.world.train.__main__ import PACKED

ROOT = Path(__file__).parents[3]


def test_the_page_speaks_of_the_weights_that_are_there():
    said = re.findall(r"SHA-256\s+`([0-9a-f]{12})`", (ROOT / "docs/toyland.md").read_text())
    files = sorted((ROOT / PACKED).glob("*/*.safetensors"))
    there = [hashlib.sha256(file.read_bytes()).hexdigest()[:12] for file in files]
    assert there
    assert said == there, "measure again with benchmarks/world.py, then say of which weights"
