import numpy as np
import pytest
from support.objects import ball, block, table

from apg_core.geometry.picture.colours import part_colour
from apg_core.geometry.picture.render import coloured_mask, exploded, preview
from apg_core.protocol.mesh import TriangleMesh

SIZE = 120


def drawn(panel: np.ndarray, colour: tuple[int, int, int, int]) -> np.ndarray:
    """Pixels of this colour's hue, lit or in shade."""
    pixels = panel.astype(float)
    strong = pixels.max(axis=-1) - pixels.min(axis=-1) > 60
    same_order = np.argmax(pixels, axis=-1) == int(np.argmax(colour[:3]))
    return strong & same_order


def test_preview_has_a_panel_each_for_picture_whole_and_exploded_view() -> None:
    colours = [part_colour(i, 5) for i in range(5)]
    picture = np.zeros((40, 80, 3), np.uint8)
    assert preview(table(), colours, size=SIZE).shape == (SIZE, 2 * SIZE, 3)
    image = preview(table(), colours, given=picture, size=SIZE)
    assert image.shape == (SIZE, 3 * SIZE, 3)
    assert (image[SIZE // 2, SIZE // 2] == 0).all()
    assert (image[2, 2] == 255).all()


def test_a_given_mesh_comes_first_in_grey() -> None:
    colours = [part_colour(i, 5) for i in range(5)]
    image = preview(table(), colours, given=TriangleMesh.joined(table()), size=SIZE)
    first, *others = np.split(image, 3, axis=1)
    hueless = np.ptp(first.astype(int), axis=-1) < 12
    shown = first.min(axis=-1) < 250
    assert hueless.all()
    # The same silhouette as that of its parts.
    assert np.mean(shown == (others[0].min(axis=-1) < 250)) > 0.97


def test_everything_is_in_the_frame_and_fills_it() -> None:
    image = preview([ball(0.5)], [part_colour(0, 1)], size=SIZE)[:, :SIZE]
    rows, columns = np.nonzero(drawn(image, part_colour(0, 1)))
    for covered in (rows, columns):
        assert covered.min() == pytest.approx(SIZE * 0.09, abs=3)
        assert covered.max() == pytest.approx(SIZE * 0.91, abs=3)
    assert (image[0] > 250).all()
    assert (image[:, 0] > 250).all()


def test_each_part_shows_in_its_colour_and_the_upper_one_above() -> None:
    red, green = part_colour(0, 3), part_colour(1, 3)
    parts = [ball(0.3, (0, 0.5, 0)), block((0.6, 0.6, 0.6), (0, -0.4, 0))]
    image = preview(parts, [red, green], size=SIZE)
    for panel in np.split(image, 2, axis=1):
        upper, lower = (np.nonzero(drawn(panel, colour))[0].mean() for colour in (red, green))
        assert upper < lower


def test_exploded_parts_move_away_from_the_middle_and_keep_their_shape() -> None:
    parts = table()
    moved = exploded(parts, amount=0.5)
    middle = TriangleMesh.joined(parts).bounds.mean(axis=0)
    for before, after in zip(parts, moved, strict=True):
        was, now = before.bounds.mean(axis=0) - middle, after.bounds.mean(axis=0) - middle
        np.testing.assert_allclose(now, 1.5 * was, atol=1e-6)
        np.testing.assert_allclose(np.ptp(after.vertices, axis=0), np.ptp(before.vertices, axis=0), atol=1e-6)


def test_the_same_parts_give_the_same_picture() -> None:
    one, other = (preview(table(), [part_colour(i, 5) for i in range(5)], size=60) for _ in range(2))
    np.testing.assert_array_equal(one, other)


def test_mask_has_the_colours_of_its_labels_and_is_clear_elsewhere() -> None:
    labels = np.array([[0, 1], [7, 3]])
    image = coloured_mask(labels, {1: (10, 20, 30, 255), 7: (40, 50, 60, 255)})
    assert image.tolist() == [[[0, 0, 0, 0], [10, 20, 30, 255]], [[40, 50, 60, 255], [0, 0, 0, 0]]]
