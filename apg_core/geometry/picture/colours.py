"""The colour of each part."""

import colorsys
from collections.abc import Sequence

SATURATION, VALUE = 0.7, 0.95

Colour = tuple[int, int, int, int]
"""sRGB and alpha."""

WHOLE_COLOUR: Colour = (200, 200, 205, 255)
"""Of the whole object's own file."""


def part_colour(place: float, count: int) -> Colour:
    """sRGB and alpha of part `place` of `count`: hues spread evenly from red on."""
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(place / max(count, 1), SATURATION, VALUE))
    return red, green, blue, 255


def further_colours(taken: Sequence[Colour], count: int) -> list[Colour]:
    """Colours for further parts beside those that are taken: each in the middle of the widest gap between hues."""
    hues = sorted(colorsys.rgb_to_hsv(*(value / 255 for value in colour[:3]))[0] for colour in taken)
    found = []
    for _ in range(count):
        gaps = [(hues[(place + 1) % len(hues)] - hue) % 1.0 or 1.0 for place, hue in enumerate(hues)]
        widest = max(range(len(gaps)), key=gaps.__getitem__) if gaps else 0
        hue = (hues[widest] + gaps[widest] / 2) % 1.0 if gaps else 0.0
        found.append(part_colour(hue, 1))
        hues = sorted([*hues, hue])
    return found
