"""Real objects with known parts, each a GLB with a node a part: what is trained on and what is kept for validation.

Names are PACK_STEM..., and relatives share pack and stem, so the split goes by these.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

from apg_core.geometry.normalise import normalise
from apg_core.inputs.mesh import read_parts
from apg_core.protocol.mesh import TriangleMesh

KEPT = {
    "furniture": ("chair", "swivel_chair", "desk"),
    "kaykit": ("bed", "candle", "plaque_candle", "shrine_candle", "skull_candle", "crate", "door", "lantern", "wind"),
    "kenney": ("gravestone", "lantern", "side_table", "toilet", "vehicle"),
    "market": ("boat", "cactus", "cup", "egg_cup", "expresso_cup", "ice_cream", "mug", "shovel", "skewer"),
    "quat": ("door", "night_stand", "short_closet", "sign", "tower_windmill", "windmill"),
}
"""Stems of each pack that are validated on and never trained on."""

RealSplit = Literal["trained", "validation"]


def is_kept(name: str) -> bool:
    """Whether an object of this name is for validation."""
    pack, _, rest = name.partition("_")
    return rest.startswith(KEPT.get(pack, ()))


def real_parts(folder: Path, split: RealSplit) -> Iterator[tuple[str, tuple[TriangleMesh, ...]]]:
    """Name and parts of each object of a split, by name, in the normalised frame."""
    for path in sorted(folder.glob("*.glb")):
        if is_kept(path.stem) == (split == "validation"):
            yield path.stem, normalised(read_parts(path))


def normalised(parts: list[TriangleMesh]) -> tuple[TriangleMesh, ...]:
    """Parts placed so that their union is centred with max |coordinate| 1."""
    _, placement = normalise(TriangleMesh.joined(parts))
    return tuple(TriangleMesh((part.vertices - placement.centre) / placement.scale, part.faces) for part in parts)
