import hashlib
from pathlib import Path

import numpy as np
import pytest
from reference import farthest_points as slow_farthest_points
from safetensors.numpy import load_file

from apg_core.geometry.farthest import farthest_points

CASES = Path(__file__).parents[1] / "data/parity/nano/cases.safetensors"

# SHA-256 of what fpsample 1.0.2 finds on these clouds (bucket_fps_kdline_sampling, trees of 5 up to 25,000 points and
# of 7 beyond): sizes of `tiny`, of tests, and of the released presets.
KNOWN = [
    ("sphere", 1536, 1024, "b590f8cbfa23f180"),
    ("sphere", 1024, 64, "df136867727d1bbc"),
    ("sphere", 6000, 2048, "9a8d855cb4cd6d8a"),
    ("sphere", 32_768, 2048, "ca0e459d83227e6b"),
    ("sphere", 65_536, 32_768, "89f25c7b3215677a"),
    ("box", 1536, 1024, "be8256dfc318c02a"),
    ("box", 65_536, 32_768, "1fd73cb2d5a20f2e"),
    ("sheet", 1536, 1024, "d2a732bef7ba832c"),
    ("sheet", 65_536, 32_768, "a334548335cfd349"),
    ("steps", 1536, 1024, "c8e452361da169e1"),
    ("steps", 65_536, 32_768, "378dd9b04048e40d"),
]


def cloud(kind: str, points: int) -> np.ndarray:
    """Points in a box, on a sphere, on a sheet, or on a coarse lattice where many lie on each other."""
    xyz = np.random.RandomState(7).random_sample((points, 3)) * 2 - 1  # a stream that NumPy keeps for ever
    if kind == "sphere":
        xyz /= np.sqrt((xyz**2).sum(axis=1, keepdims=True))
    elif kind == "sheet":
        xyz[:, 1] = 0.25
    elif kind == "steps":
        xyz = np.round(xyz * 16) / 16
    return xyz.astype(np.float32)


def test_farthest_points_equal_the_parity_case() -> None:
    cases = load_file(CASES)
    expected = cases["fps.out.indices_start5_k100"]
    np.testing.assert_array_equal(farthest_points(cases["fps.in.points"], 100, start_idx=5), expected)


@pytest.mark.parametrize(("kind", "points", "count", "known"), KNOWN)
def test_farthest_points_are_those_of_the_release_s_package(kind: str, points: int, count: int, known: str) -> None:
    found = farthest_points(cloud(kind, points), count, start_idx=points // 3)
    assert hashlib.sha256(found.astype("<i8").tobytes()).hexdigest().startswith(known)


@pytest.mark.parametrize(("points", "count"), [(3000, 3000), (26_000, 200), (65_536, 1000)])
def test_farthest_points_are_the_exact_ones_from_the_first_on(points: int, count: int) -> None:
    xyz = np.random.default_rng(0).normal(size=(points, 3)).astype(np.float32)
    found = farthest_points(xyz, count, start_idx=17)
    assert found.tolist() == slow_farthest_points(xyz, count, first=int(found[0]))


@pytest.mark.parametrize("points", [1, 2, 3, 5, 31, 33])
def test_fewer_points_than_buckets_are_all_found_once(points: int) -> None:
    xyz = np.random.default_rng(points).normal(size=(points, 3)).astype(np.float32)
    assert sorted(farthest_points(xyz, points, start_idx=points - 1)) == list(range(points))


def test_each_place_of_the_tree_is_another_first_point() -> None:
    xyz = cloud("box", 100)
    assert sorted(int(farthest_points(xyz, 1, start_idx=place)[0]) for place in range(100)) == list(range(100))


@pytest.mark.parametrize(("count", "start"), [(11, 0), (0, 0), (3, 10), (3, -1)])
def test_more_points_than_there_are_cannot_be_taken(count: int, start: int) -> None:
    with pytest.raises(ValueError, match=f"cannot take {count} of 10 points from place {start}"):
        farthest_points(cloud("box", 10), count, start_idx=start)
