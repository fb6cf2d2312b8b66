"""Where the lines of a grid go through triangles. Lengths are in cells: grid lines have whole coordinates."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

_LINES_AT_ONCE = 1 << 21  # candidates for a grid line through a triangle, to bound memory


def triangles_across_lines(
    a: Float[np.ndarray, "F 3"], b: Float[np.ndarray, "F 3"], c: Float[np.ndarray, "F 3"], axis: int
) -> Iterator[Float[np.ndarray, "K 3"]]:
    """Where the grid's lines along `axis` go through triangles; the other two coordinates are whole numbers."""
    first, second = np.delete(np.arange(3), axis)
    (low_u, high_u), (low_v, high_v) = (
        (np.minimum(np.minimum(a, b), c), np.maximum(np.maximum(a, b), c))
        for a, b, c in ((a[:, side], b[:, side], c[:, side]) for side in (first, second))
    )
    lines = (np.floor(high_u) - np.ceil(low_u) + 1) * (np.floor(high_v) - np.ceil(low_v) + 1)
    met = np.flatnonzero(lines > 0)
    batch = np.cumsum(lines[met]) // _LINES_AT_ONCE
    for number in range(int(batch[-1]) + 1 if len(batch) else 0):
        some = met[batch == number]
        rows, u = whole_numbers(low_u[some], high_u[some])
        again, v = whole_numbers(low_v[some[rows]], high_v[some[rows]])
        rows, u = some[rows[again]], u[again]
        (au, av), (bu, bv), (cu, cv) = ((p[rows, first] - u, p[rows, second] - v) for p in (a, b, c))
        # Twice the signed areas that the line makes with each side: of one sign where it goes through.
        areas = np.stack([bu * cv - bv * cu, cu * av - cv * au, au * bv - av * bu])
        whole = areas.sum(axis=0)
        through = (np.abs(areas).sum(axis=0) == np.abs(whole)) & (whole != 0)
        rows, areas, whole = rows[through], areas[:, through], whole[through]
        crossing = np.empty((len(rows), 3))
        crossing[:, first], crossing[:, second] = u[through], v[through]
        crossing[:, axis] = (areas * np.stack([p[rows, axis] for p in (a, b, c)])).sum(axis=0) / whole
        yield crossing


def whole_numbers(
    low: Float[np.ndarray, " K"], high: Float[np.ndarray, " K"]
) -> tuple[Int[np.ndarray, " M"], Int[np.ndarray, " M"]]:
    """Every whole number from `low` to `high`, and the row that it belongs to."""
    start = np.ceil(low).astype(np.int64)
    counts = np.maximum(np.floor(high).astype(np.int64) - start + 1, 0)
    rows = np.repeat(np.arange(len(counts)), counts)
    return rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts - start, counts)
