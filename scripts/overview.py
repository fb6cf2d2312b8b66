"""The README's picture: previews of a demo run, one above the other.

Run by `make overview`, after `make demo`.
"""

from pathlib import Path

import numpy as np
from PIL import Image

SHOWN = ("chair", "robot", "lamp", "teddy")
PICTURE = Path("docs/images/overview.png")
COLOURS = 128


def main() -> None:
    """Stack the previews and put the picture in place."""
    previews = [np.asarray(Image.open(f"outputs/demo/{name}/preview.png").convert("RGB")) for name in SHOWN]
    stacked = Image.fromarray(np.concatenate(previews)).quantize(COLOURS)
    temporary = PICTURE.with_suffix(".tmp")
    stacked.save(temporary, "PNG", optimize=True)
    temporary.replace(PICTURE)


if __name__ == "__main__":
    main()
