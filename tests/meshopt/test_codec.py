"""meshoptimizer's packing: what goes in comes out."""

import hashlib
from importlib.resources import files

import numpy as np
import pytest
import trimesh
from hypothesis import given
from hypothesis import strategies as st

from apg_core.meshopt.codec import decode, encode_indices, encode_triangles, encode_vertices, exponential, reordered

# SHA-256 of the modules in meshoptimizer 1.3.0's npm package, unpacked by that package's own loader.
MODULES = {
    "decoder.wasm": "570d1ec554675d8c28dd25923d5490b2b62dca40252daa40d30b0ff912a09314",
    "encoder.wasm": "84305b280972b8f497331d61194fda16de0f9b95b1d2b13a557034f91e973a6c",
}
SPHERE = trimesh.creation.icosphere(subdivisions=3, radius=0.5)


@pytest.mark.parametrize("name", MODULES)
def test_the_modules_are_those_of_the_version_in_the_notice(name: str) -> None:
    assert hashlib.sha256(files("apg_core.meshopt").joinpath(name).read_bytes()).hexdigest() == MODULES[name]


@given(st.binary(max_size=3000), st.sampled_from([4, 8, 12, 16, 64, 256]))
def test_rows_come_back_as_they_were(content: bytes, stride: int) -> None:
    rows = np.frombuffer(content[: len(content) // stride * stride], np.uint8).reshape(-1, stride)
    assert decode(encode_vertices(rows), count=len(rows), stride=stride, mode="ATTRIBUTES") == rows.tobytes()


@given(st.lists(st.integers(0, 2**30 - 1), max_size=300))
def test_indices_come_back_in_their_order(indices: list[int]) -> None:
    packed = encode_indices(np.array(indices, np.int64))
    assert decode(packed, count=len(indices), stride=4, mode="INDICES") == np.array(indices, "<u4").tobytes()


@given(st.lists(st.tuples(*[st.integers(0, 60)] * 3), max_size=100))
def test_faces_come_back_in_their_order_with_their_side(faces: list[tuple[int, int, int]]) -> None:
    given_faces = np.array(faces, np.int64).reshape(-1, 3)
    unpacked = decode(encode_triangles(given_faces), count=given_faces.size, stride=4, mode="TRIANGLES")
    found = np.frombuffer(unpacked, "<u4").reshape(-1, 3)
    turned = [np.roll(given_faces, turn, axis=1) for turn in range(3)]
    assert np.logical_or.reduce([(found == one).all(axis=1) for one in turned]).all()


@pytest.mark.parametrize("bits", [8, 12, 16, 24])
def test_the_exponential_filter_keeps_its_bits_of_the_largest_component(bits: int) -> None:
    rows = np.asarray(SPHERE.vertices, "<f4") * [1, 100, 1e-3]
    packed = encode_vertices(exponential(rows, bits=bits))
    unpacked = decode(packed, count=len(rows), stride=12, mode="ATTRIBUTES", filtered="EXPONENTIAL")
    error = np.abs(np.frombuffer(unpacked, "<f4").reshape(-1, 3) - rows).max(axis=1)
    # A sign and the bits after it; the exponent is that of the largest component, rounded up.
    assert (error <= 2.0 ** (2 - bits) * np.abs(rows).max(axis=1) + 1e-6 * np.abs(rows).max(axis=1)).all()


def test_reordered_faces_are_the_same_faces_and_pack_into_an_eighth_of_their_bytes() -> None:
    shuffled = np.random.default_rng(0).permutation(SPHERE.faces)
    faces, old = reordered(shuffled, len(SPHERE.vertices) + 5)  # five vertices belong to no face
    assert sorted(old) == list(range(len(SPHERE.vertices)))
    corners = {tuple(sorted(face)) for face in old[faces].tolist()}
    assert corners == {tuple(sorted(face)) for face in SPHERE.faces.tolist()}
    assert trimesh.Trimesh(SPHERE.vertices[old], faces, process=False).volume == pytest.approx(SPHERE.volume)
    assert len(encode_triangles(faces)) < faces.size * 4 / 8


def test_a_fan_is_reordered_however_long_it_takes() -> None:
    count = 20_000
    fan = np.stack([np.zeros(count, np.int64), np.arange(count) + 1, np.arange(count) + 2], axis=1)
    faces, old = reordered(fan, count + 2)
    assert {tuple(sorted(face)) for face in old[faces].tolist()} == {tuple(sorted(face)) for face in fan.tolist()}


@pytest.mark.parametrize("shape", [(3, 1), (3, 65)])
def test_rows_that_cannot_be_packed_are_refused(shape: tuple[int, int]) -> None:
    rows = np.zeros(shape, np.uint8 if shape[1] == 1 else np.float32)
    with pytest.raises(ValueError, match="a multiple of 4 up to 256"):
        encode_vertices(rows)
    with pytest.raises(ValueError, match=r"from 0 to 1,073,741,824; they must be in 0 to 2\^30 - 1"):
        encode_indices(np.array([0, 2**30]))
