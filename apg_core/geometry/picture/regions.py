"""Regions of a picture by colour and edges: superpixels, and the order in which they merge."""

import heapq

import numpy as np
from jaxtyping import Bool, Float, UInt8
from skimage.color import rgb2lab
from skimage.measure import label as connected
from skimage.segmentation import felzenszwalb

from apg_core.geometry.picture.hierarchy import Hierarchy
from apg_core.protocol.arrays import Labels

MOST_SUPERPIXELS = 600
SCALE = 60.0
"""How readily superpixels grow, as in their paper (Felzenszwalb and Huttenlocher 2004), for colours from 0 to 255."""
LEAST_PIXELS = 12
"""Of a superpixel; doubled until there are no more than `MOST_SUPERPIXELS`."""
EDGE_SHARE = 0.5
"""Share of the contrast along the common border in what two regions differ by; the rest is of their mean colours."""
LIGHTNESS = 0.4
"""Weight of a difference in lightness beside one in hue: shading is no border."""
APART = 2.0
"""How much more two regions differ that have no common border."""


def hierarchy_of(picture: UInt8[np.ndarray, "H W 3"], object_: Bool[np.ndarray, "H W"]) -> Hierarchy:
    """The superpixels of the object in a picture and the order in which they merge; the same picture gives the same."""
    superpixels = _superpixels(picture, object_)
    count = int(superpixels.max())
    lab = rgb2lab(picture) * (LIGHTNESS, 1, 1)
    merges = _merged(_Regions(superpixels, lab, count))
    return _numbered(superpixels, count, merges)


def _superpixels(picture: UInt8[np.ndarray, "H W 3"], object_: Bool[np.ndarray, "H W"]) -> Labels:
    least = LEAST_PIXELS
    while True:
        found = felzenszwalb(picture, scale=SCALE, sigma=0.0, min_size=least)
        labels = connected(np.where(object_, found + 1, 0), background=0, connectivity=1)
        if labels.max() <= MOST_SUPERPIXELS or least > labels.size:
            return labels.astype(np.int32)
        least *= 2


class _Regions:
    """Regions while they merge: areas, colour sums, and contrast along common borders."""

    def __init__(self, labels: Labels, lab: Float[np.ndarray, "H W 3"], count: int) -> None:
        flat = labels.ravel()
        self.area = dict(enumerate(np.bincount(flat, minlength=count + 1).astype(float)))
        channels = [np.bincount(flat, lab[..., k].ravel(), minlength=count + 1) for k in range(3)]
        self.colour = dict(enumerate(np.stack(channels, axis=1)))
        self.borders: dict[int, dict[int, tuple[float, float]]] = {one: {} for one in range(1, count + 1)}
        self.total = float(np.count_nonzero(flat))
        for axis in (0, 1):
            near, far = (np.moveaxis(labels, axis, 0)[cut] for cut in (slice(-1), slice(1, None)))
            both = (near != far) & (near > 0) & (far > 0)
            steps = np.linalg.norm(np.diff(np.moveaxis(lab, axis, 0), axis=0), axis=2)[both]
            pairs = np.sort(np.stack([near[both], far[both]], axis=1), axis=1)
            for (one, other), step in zip(pairs.tolist(), steps.tolist(), strict=True):
                self._add(one, other, step, 1.0)
        del self.area[0], self.colour[0]

    def _add(self, one: int, other: int, contrast: float, length: float) -> None:
        before = self.borders[one].get(other, (0.0, 0.0))
        self.borders[one][other] = self.borders[other][one] = (before[0] + contrast, before[1] + length)

    def cost(self, one: int, other: int) -> float:
        """Ward's: what merging adds to the spread of colours, with the contrast of the border in it."""
        a, b = self.area[one], self.area[other]
        colours = float(np.linalg.norm(self.colour[one] / a - self.colour[other] / b))
        border = self.borders[one].get(other)
        if border is None:
            difference = APART * colours
        else:
            difference = (1 - EDGE_SHARE) * colours + EDGE_SHARE * border[0] / border[1]
        return difference * float(np.sqrt(a * b / (a + b) / self.total))

    def merge(self, one: int, other: int, new: int) -> None:
        """Both are the new one now."""
        self.area[new] = self.area.pop(one) + self.area.pop(other)
        self.colour[new] = self.colour.pop(one) + self.colour.pop(other)
        self.borders[new] = {}
        for old in (one, other):
            for beside, (contrast, length) in self.borders.pop(old).items():
                if beside not in (one, other):
                    del self.borders[beside][old]
                    self._add(new, beside, contrast, length)


def _merged(regions: _Regions) -> list[tuple[int, int, int, float]]:
    """Merges in their order, as (one, other, new, cost): bordering regions first, then those that are apart."""
    new = max(regions.area, default=0)
    heap = [(regions.cost(one, other), one, other) for one in regions.borders for other in regions.borders[one]]
    heap = [entry for entry in heap if entry[1] < entry[2]]
    heapq.heapify(heap)
    merges: list[tuple[int, int, int, float]] = []
    areas: list[float] = []
    while len(regions.area) > 1:
        if not heap:
            apart = sorted(regions.area)
            heap = [(regions.cost(a, b), a, b) for place, a in enumerate(apart) for b in apart[place + 1 :]]
            heapq.heapify(heap)
        cost, one, other = heapq.heappop(heap)
        if one not in regions.area or other not in regions.area:
            continue
        if regions.area[one] < regions.area[other]:
            one, other = other, one  # the larger keeps its number
        new += 1
        regions.merge(one, other, new)
        areas.append(regions.area[new])
        merges.append((one, other, new, cost))
        for beside in regions.borders[new]:
            heapq.heappush(heap, (regions.cost(new, beside), min(new, beside), max(new, beside)))
    return merges


def _numbered(superpixels: Labels, count: int, merges: list[tuple[int, int, int, float]]) -> Hierarchy:
    number = {merges[-1][2] if merges else 1: 1}
    parents, costs = np.zeros(count + 1, np.int64), np.zeros(count + 1)
    for place, (larger, smaller, new, cost) in enumerate(reversed(merges)):
        own = place + 2
        parents[own] = number[larger] = number.pop(new)
        number[smaller] = own
        costs[own] = cost
    costs[2:] = np.maximum.accumulate(costs[:1:-1])[::-1]  # what merges late is worth no less than what did before
    becomes = np.zeros(count + 1, np.int64)
    for old, new in number.items():
        if count:
            becomes[old] = new
    return Hierarchy(becomes[superpixels].astype(np.int32), parents, costs)
