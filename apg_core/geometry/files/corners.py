"""Corners of faces that are unlike: what formats without values a corner need as vertices of their own."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int


def distinct_corners(
    corners: Int[np.ndarray, " K"], rows: Sequence[np.ndarray]
) -> tuple[Int[np.ndarray, " V"], Int[np.ndarray, " K"]]:
    """Corners that differ in vertex or in a row's values: one of each kind, and the kind of each corner.

    Kinds are in the order of vertices, so that a mesh without differences keeps them as they are.
    """
    # Normals of one smooth vertex differ in their last bits only, by the order in which they were summed.
    keys = [np.round(values, 4) if values.dtype.kind == "f" and values.shape[1] == 3 else values for values in rows]
    columns = [column for values in keys for column in values.T]
    order = np.lexsort([*columns, corners])
    starts = np.zeros(len(order), bool)
    starts[:1] = True
    for column in (corners, *columns):
        starts[1:] |= column[order[1:]] != column[order[:-1]]
    kind = np.empty(len(order), np.int64)
    kind[order] = np.cumsum(starts) - 1
    return order[starts], kind


def drawn_faces(faces: Int[np.ndarray, "F 3"]) -> Bool[np.ndarray, " F"]:
    """Faces with three different corners."""
    a, b, c = faces.T
    drawn: np.ndarray = (a != b) & (b != c) & (c != a)
    return drawn
