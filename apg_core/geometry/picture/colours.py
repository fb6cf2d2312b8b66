"""The colour of each part."""

import colorsys

SATURATION, VALUE = 0.7, 0.95

Colour = tuple[int, int, int, int]
"""sRGB and alpha."""

WHOLE_COLOUR: Colour = (200, 200, 205, 255)
"""Of the whole object's own file."""


def part_colour(place: int, count: int) -> Colour:
    """sRGB and alpha of part `place` of `count`: hues spread evenly from red on."""
    red, green, blue = (round(255 * part) for part in colorsys.hsv_to_rgb(place / max(count, 1), SATURATION, VALUE))
    return red, green, blue, 255
