"""The README's picture: previews of a demo run, one above the other.

Run by `make overview`, after `make demo`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SHOWN = ("chair", "teddy", "lamp", "snowman", "robot")
PICTURE = Path("docs/images/overview.png")
PANEL = 280
"""Pixels of a panel; a preview has three."""


def main() -> None:
    """Stack the previews and put the picture in place."""
    previews = [Image.open(f"outputs/demo/{name}/preview.png").convert("RGB") for name in SHOWN]
    rows = [np.asarray(preview.resize((3 * PANEL, PANEL), Image.Resampling.LANCZOS)) for preview in previews]
    stacked = Image.fromarray(np.concatenate(rows))
    temporary = PICTURE.with_suffix(".tmp")
    stacked.save(temporary, "PNG", optimize=True)
    temporary.replace(PICTURE)


if __name__ == "__main__":
    main()
