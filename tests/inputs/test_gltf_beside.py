"""glTF whose buffers lie beside it, in a folder or in a zip; and hostile folders and zips."""

import io
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from apg_core.errors import ApgError, LimitError, MeshError
from apg_core.inputs import read_mesh
from apg_core.inputs.prompt import input_entries, read_prompt
from apg_core.protocol.beside import Folder, packed
from apg_core.protocol.limits import InputLimits
from tests.inputs.test_read_mesh import triangle_document, triangle_glb, triangle_gltf

BUFFER = triangle_document()[1]
CORNERS = [[[0, 0, 0], [1, 0, 0], [0, 1, 0]]]


def zipped(files: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def with_field(data: bytes, offset: int, value: int, *, form: str) -> bytes:
    """The zip with a number of its first directory entry changed."""
    place = data.index(b"PK\1\2") + offset
    return data[:place] + struct.pack(form, value) + data[place + struct.calcsize(form) :]


@pytest.mark.parametrize("name", ["shape.bin", "buffers/a b.bin"])
def test_buffers_beside_a_gltf_are_read_where_that_is_asked(name: str, tmp_path: Path) -> None:
    path = tmp_path / "shape.gltf"
    path.write_bytes(triangle_gltf(name.replace(" ", "%20")))
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_bytes(BUFFER)
    mesh = read_mesh(path, beside=True)
    assert (mesh.vertices[mesh.faces] == CORNERS).all()
    prompt = read_prompt({"mesh": path}, InputLimits(), beside=True)
    assert prompt.mesh is not None
    assert (prompt.mesh.vertices == mesh.vertices).all()
    with pytest.raises(MeshError, match="in one zip"):
        read_prompt({"mesh": path}, InputLimits())


@pytest.mark.parametrize(
    "uri",
    [
        "../secret.bin",
        "%2e%2e/secret.bin",
        "below/../../secret.bin",
        "/etc/passwd",
        "..\\secret.bin",
        "file:///etc/passwd",
        "//host/share.bin",
        "c:secret.bin",
        "link.bin",
        "linked/secret.bin",
        "absent.bin",
        "below",
        "a%00b",
        "shape.gltf/x",
    ],
)
def test_no_reference_leads_out_of_the_folder(uri: str, tmp_path: Path) -> None:
    (tmp_path / "secret.bin").write_bytes(BUFFER)
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    (folder / "linked").symlink_to(tmp_path)
    (folder / "shape.gltf").write_bytes(triangle_gltf(uri))
    with pytest.raises(MeshError, match=r"refers to another file|is not in its folder"):
        read_mesh(folder / "shape.gltf", beside=True)


def test_the_buffers_beside_a_gltf_are_limited_altogether(tmp_path: Path) -> None:
    document = triangle_gltf("a.bin").replace(b'"buffers": [', b'"buffers": [{"byteLength": 44, "uri": "a.bin"}, ')
    document = document.replace(b'"buffer": 0, "byteOffset"', b'"buffer": 1, "byteOffset"')
    path = tmp_path / "shape.gltf"
    path.write_bytes(document)
    (tmp_path / "a.bin").write_bytes(BUFFER)
    assert len(read_mesh(path, beside=True).faces) == 1
    with pytest.raises(LimitError, match="bytes of a glTF's buffers beside it: 44, and the limit is 36"):
        read_mesh(path, InputLimits(unpacked_bytes=80), beside=True)


def test_the_manifest_tells_apart_what_is_in_a_buffer_beside(tmp_path: Path) -> None:
    path = tmp_path / "shape.gltf"
    path.write_bytes(triangle_gltf("a.bin"))
    hashes = set()
    for buffer in (BUFFER, BUFFER[::-1]):
        (tmp_path / "a.bin").write_bytes(buffer)
        hashes.add(input_entries({"mesh": path})["mesh"].sha256)
    assert len(hashes) == 2


@pytest.mark.parametrize("folder", ["", "model/"])
def test_a_zip_of_a_gltf_and_its_buffers_is_read(folder: str, tmp_path: Path) -> None:
    files = {f"{folder}a.gltf": triangle_gltf("b/a.bin"), f"{folder}b/a.bin": BUFFER, "readme.txt": b"hello"}
    data = zipped(files | {"__MACOSX/._a.gltf": b"\0", "b/": b""})
    for mesh in (read_mesh(data), read_mesh(data, file_type=".zip")):
        assert (mesh.vertices[mesh.faces] == CORNERS).all()
    (tmp_path / "a.zip").write_bytes(data)
    assert len(read_mesh(tmp_path / "a.zip").faces) == 1


def test_a_gltf_is_packed_with_its_buffers_always_into_the_same_bytes(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(BUFFER)
    first, second = (packed(triangle_gltf("a.bin"), ".gltf", Folder(tmp_path)) for _ in range(2))
    assert first == second
    assert (read_mesh(first).vertices == read_mesh(triangle_gltf()).vertices).all()


GOOD = zipped({"a.gltf": triangle_gltf("a.bin"), "a.bin": BUFFER})
HOSTILE: list[tuple[str, Callable[[], bytes], str]] = [
    ("no glTF", lambda: zipped({"a.txt": b""}), "0 .gltf and 0 .obj files"),
    ("two glTF", lambda: zipped({"a.gltf": triangle_gltf(), "b.gltf": triangle_gltf()}), "2 .gltf and 0 .obj files"),
    ("empty", lambda: zipped({}), "0 .gltf and 0 .obj files"),
    ("a GLB in a zip", lambda: zipped({"a.glb": triangle_glb()}), "0 .gltf and 0 .obj files"),
    ("a zip in a zip", lambda: zipped({"a.zip": GOOD}), "0 .gltf and 0 .obj files"),
    ("a zip as the glTF", lambda: zipped({"a.gltf": GOOD}), "glTF is damaged at JSON"),
    ("a buffer that is not there", lambda: zipped({"a.gltf": triangle_gltf("a.bin")}), "has no 'a.bin'"),
    ("out of the zip", lambda: zipped({"a.gltf": triangle_gltf("../a.bin"), "../a.bin": BUFFER}), "never followed"),
    ("absolute", lambda: zipped({"a.gltf": triangle_gltf("/etc/passwd"), "/etc/passwd": BUFFER}), "never followed"),
    ("an address", lambda: zipped({"a.gltf": triangle_gltf("http://127.0.0.1/a.bin")}), "never followed"),
    ("a folder above", lambda: zipped({"b/a.gltf": triangle_gltf("a.bin"), "a.bin": BUFFER}), "has no 'b/a.bin'"),
    ("cut off", lambda: GOOD[:-30], "cut off: it has no directory"),
    ("without directory", lambda: GOOD[:40], "cut off: it has no directory"),
    ("damaged within", lambda: GOOD.replace(b"a.gltf" + GOOD[36:60], b"a.gltf" + b"\xff" * 24), "damaged"),
    ("lzma", lambda: zipped({"a.gltf": triangle_gltf()}, zipfile.ZIP_LZMA), "encrypted or not deflated"),
    ("bzip2", lambda: zipped({"a.gltf": triangle_gltf()}, zipfile.ZIP_BZIP2), "encrypted or not deflated"),
    ("encrypted", lambda: with_field(GOOD, 8, 1, form="<H"), "encrypted or not deflated"),
    ("zip64", lambda: GOOD[:-22] + b"PK\6\7" + bytes(16) + GOOD[-22:], "zip64"),
    ("an offset beyond the end", lambda: with_field(GOOD, 42, 2**31, form="<I"), "damaged"),
]  # fmt: skip


@pytest.mark.parametrize(("data", "reason"), [case[1:] for case in HOSTILE], ids=[case[0] for case in HOSTILE])
def test_a_hostile_zip_is_refused(data: Callable[[], bytes], reason: str) -> None:
    with pytest.raises(MeshError, match=reason) as refusal:
        read_mesh(data())
    assert refusal.value.field == "mesh"


def test_a_zip_bomb_is_refused_at_the_limit_whatever_its_headers_say() -> None:
    document = triangle_gltf("a.bin")
    bomb = zipped({"a.gltf": document, "a.bin": bytes(50_000_000)})
    assert len(bomb) < 100_000
    limits = InputLimits(unpacked_bytes=10_000_000)
    with pytest.raises(LimitError, match="unpacks to more than 10,000,000 bytes"):
        read_mesh(bomb, limits)
    entry = bomb.rindex(b"PK\1\2")
    lying = bomb[: entry + 24] + struct.pack("<I", 44) + bomb[entry + 28 :]
    with pytest.raises(ApgError, match=r"damaged|unpacks to more"):
        read_mesh(lying, limits)


def test_a_zip_of_very_many_files_is_refused_before_its_directory_is_read() -> None:
    with pytest.raises(LimitError, match="the zip's directory has"):
        read_mesh(zipped({f"{number}.txt": b"" for number in range(25_000)}, zipfile.ZIP_STORED))


@pytest.mark.parametrize("seed", range(3))
def test_damaged_zips_raise_nothing_but_our_own_errors(seed: int) -> None:
    chance = np.random.default_rng(seed)
    for _ in range(200):
        content = bytearray(GOOD)
        for place in chance.integers(len(content), size=3):
            content[place] = chance.integers(256)
        try:
            read_mesh(bytes(content))
        except ApgError as error:
            assert error.message
