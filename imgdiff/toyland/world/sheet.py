"""Pictures of the world for its page: `python -m imgdiff.toyland.world.sheet docs/toyland`."""

import sys
from pathlib import Path

import cv2
import numpy as np

from imgdiff.toyland.world.changes import CHANGES, changed_pair
from imgdiff.toyland.world.sampling import generator

PAIRS, MARGIN = 3, 6
LABEL_WIDTH = 96  # pixels


def changes(pairs: int = PAIRS) -> np.ndarray:
    """[H, W, 3] uint8: a row of pairs for each kind of change, its name before it."""
    rows = []
    for kind in CHANGES:
        label = np.full((128 + MARGIN, LABEL_WIDTH, 3), 255, np.uint8)
        font = cv2.FONT_HERSHEY_SIMPLEX
        cv2.putText(label, kind, (6, 68), font, 0.45, (40, 40, 44), 1, cv2.LINE_AA)
        parts = [label]
        for seed in range(pairs):
            one, other = changed_pair(generator("test", seed), [kind]).images
            gap = np.full((128, 2, 3), 255, np.uint8)
            parts.append(
                np.pad(np.concatenate([one, gap, other], 1), _MARGINS, constant_values=255)
            )
        rows.append(np.concatenate(parts, 1))
    return np.concatenate(rows)


_MARGINS = ((0, MARGIN), (0, MARGIN * 2), (0, 0))


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(folder / "changes.png"), changes()[:, :, ::-1])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
