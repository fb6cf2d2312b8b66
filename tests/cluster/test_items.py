"""Folders and manifests become items; what is wrong with one stays with that one."""

import json
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apg_core.errors import InputError, MeshError, OptionError, PromptError
from apg_core.inputs import read_mesh
from apg_core.protocol.limits import InputLimits
from apg_core.protocol.options import GenerationOptions
from cluster.items import Item, find_items
from cluster.results import Outcome, write_outcomes
from cluster.storage import Place
from cluster.work import Failure, Work

FAILURE = Failure("internal", "broken")


def touch(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")


def items_of(path: Path) -> dict[str, Item]:
    return {item.id: item for item in find_items(Place.of(path))}


def named(item: Item) -> dict[str, str]:
    return {kind: place.name for kind, place in item.files.items()}


def test_files_of_one_name_make_one_item(tmp_path: Path) -> None:
    touch(tmp_path, "chair.png", "chair.mask.png", "chair.GLB", "cup.jpeg", "lamp.v2.obj", "notes.txt", ".hidden.png")
    items = items_of(tmp_path)
    assert {name: named(item) for name, item in items.items()} == {
        "chair": {"image": "chair.png", "mesh": "chair.GLB", "mask": "chair.mask.png"},
        "cup": {"image": "cup.jpeg"},
        "lamp.v2": {"mesh": "lamp.v2.obj"},
    }


def test_a_folder_of_its_own_makes_one_item(tmp_path: Path) -> None:
    touch(tmp_path, "chair/image.webp", "chair/mesh.stl", "chair/mask.png", "empty/readme.md", "cup/picture.png")
    assert {name: named(item) for name, item in items_of(tmp_path).items()} == {
        "chair": {"image": "image.webp", "mesh": "mesh.stl", "mask": "mask.png"}
    }


def test_two_files_of_a_kind_are_one_refusal(tmp_path: Path) -> None:
    touch(tmp_path, "chair.png", "chair/image.png", "cup.png")
    items = items_of(tmp_path)
    with pytest.raises(PromptError, match="more than one file of a kind"):
        items["chair"].chosen_options()
    assert items["cup"].refusal is None


@pytest.mark.parametrize("make", [lambda path: None, lambda path: touch(path, "in/notes.txt")])
def test_a_source_with_nothing_in_it_is_an_error_that_says_what_it_needs(tmp_path: Path, make: object) -> None:
    assert callable(make)
    make(tmp_path)
    with pytest.raises(InputError, match=r"name a folder or a manifest|it needs files such as"):
        find_items(Place.of(tmp_path / "in"))


ROWS = [
    {"id": "chair", "image": "pictures/chair.png", "options": {"seed": 7}},
    {"id": "cup", "mesh": "s3://bucket/cup.glb", "options": None},
    {"id": "lamp", "image": "/data/lamp.png", "mask": "lamp.png", "options": {"max_parts": 2}},
]


def check_rows(items: dict[str, Item], folder: Path) -> None:
    assert items["chair"].files.get("image") == Place(f"{folder}/pictures/chair.png")
    assert items["chair"].chosen_options().seed == 7
    assert items["cup"].files["mesh"] == Place("s3://bucket/cup.glb")
    assert items["cup"].chosen_options().model_fields_set == set()
    assert items["lamp"].files.get("image") == Place("/data/lamp.png")
    assert items["lamp"].chosen_options().max_parts == 2


def test_json_lines_make_items_relative_to_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "all.jsonl"
    manifest.write_text("\n\n".join(json.dumps(row) for row in ROWS))
    check_rows(items_of(manifest), tmp_path)


@pytest.mark.parametrize("as_text", [True, False])
def test_parquet_makes_the_same_items_with_options_as_text_or_as_columns(tmp_path: Path, as_text: bool) -> None:
    manifest = tmp_path / "all.parquet"
    columns = {name: [row.get(name) for row in ROWS] for name in ("id", "image", "mesh", "mask", "options")}
    if as_text:
        columns["options"] = [json.dumps(options or {}) for options in columns["options"]]
    pq.write_table(pa.table(columns), manifest)
    check_rows(items_of(manifest), tmp_path)


def test_a_wrong_line_is_one_refusal_and_the_others_stay(tmp_path: Path) -> None:
    manifest = tmp_path / "all.jsonl"
    lines = [
        '{"id": "good", "image": "a.png"}',
        "{not json",
        "[]",
        '{"image": "a.png"}',
        '{"id": "../escape", "image": "a.png"}',
        '{"id": "number", "image": 3}',
        '{"id": "typo", "image": "a.png", "options": {"sed": 3}}',
        '{"id": "text", "image": "a.png", "options": "seed=3"}',
        '{"id": "good", "image": "b.png"}',
    ]
    manifest.write_text("\n".join(lines))
    found = find_items(Place.of(manifest))
    assert [item.id for item in found] == [
        "good", "row-2", "row-3", "row-4", "../escape", "number", "typo", "text", "good",
    ]  # fmt: skip
    refused = {}
    for place, item in enumerate(found):
        try:
            item.chosen_options()
        except InputError as error:
            refused[place] = (type(error), error.message)
    assert sorted(refused) == [1, 2, 3, 4, 5, 6, 7, 8]
    assert refused[6] == (OptionError, "unknown option 'sed'; did you mean 'seed'?")
    assert "more than once" in refused[8][1]


def test_a_manifest_that_is_not_what_its_name_says_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "all.parquet").write_bytes(b"no")
    with pytest.raises(PromptError, match="is not Parquet"):
        find_items(Place.of(tmp_path / "all.parquet"))


def test_a_gltf_takes_its_buffers_along(tmp_path: Path) -> None:
    corners = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], "<f4").tobytes()
    document = {
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36, "uri": "buffers/a.bin"}],
    }
    (tmp_path / "buffers").mkdir()
    (tmp_path / "buffers" / "a.bin").write_bytes(corners)
    (tmp_path / "a.gltf").write_text(json.dumps(document))
    (item,) = find_items(Place.of(tmp_path))
    contents = item.contents(InputLimits())
    assert len(read_mesh(contents["mesh"]).faces) == 1
    assert contents == item.contents(InputLimits())
    (tmp_path / "a.gltf").write_text(json.dumps(document).replace("buffers/", "../"))
    with pytest.raises(MeshError, match="never followed"):
        item.contents(InputLimits())


def test_what_no_file_can_be_called_is_one_refusal_each(tmp_path: Path) -> None:
    rows = [
        {"id": "good", "image": "a.png"},
        {"id": "numbers", "image": "a.png", "options": [1, 2]},
        {"id": "pairs", "image": "a.png", "options": [["seed", 3]]},
        {"id": "lone \ud800", "image": "a.png"},
        {"id": "path", "image": "a\ud800.png"},
        {"id": "results.parquet", "mesh": "a.glb"},
        {"id": "errors.parquet", "mesh": "a.glb"},
        {"id": "deep", "image": "a.png", "options": "[" * 100_000},
    ]
    lines = [json.dumps(row) for row in rows] + ['{"id": ' + "[" * 100_000]
    (tmp_path / "all.jsonl").write_text("\n".join(lines))
    found = find_items(Place.of(tmp_path / "all.jsonl"))
    refused = [item.id for item in found if item.refusal is not None]
    assert refused == [
        "numbers", "lone \\ud800", "path", "results.parquet", "errors.parquet", "deep", "row-9",
    ]  # fmt: skip
    assert found[2].chosen_options().seed == 3
    failed = (Work(item=item, options=GenerationOptions(), failure=FAILURE) for item in found)
    write_outcomes(map(Outcome.of, failed), Place.of(tmp_path))
    assert pq.read_table(tmp_path / "errors.parquet").num_rows == len(found)


def test_a_file_name_that_is_not_utf8_is_one_refusal(tmp_path: Path) -> None:
    for name in (b"caf\xe9.png", b"chair.png", b"results.parquet.glb"):
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name)).write_bytes(b"")
    found = find_items(Place.of(tmp_path))
    assert [(item.id, item.refusal is None) for item in found] == [
        ("caf\\udce9", False), ("chair", True), ("results.parquet", False),
    ]  # fmt: skip
    assert "rename it" in str(found[0].refusal)


def test_a_damaged_page_of_parquet_costs_its_group_of_rows(tmp_path: Path) -> None:
    manifest = tmp_path / "all.parquet"
    table = pa.table({"id": [f"object-{number}" for number in range(30)], "image": ["a.png"] * 30})
    pq.write_table(table, manifest, row_group_size=10, compression="gzip", use_dictionary=False)
    content = bytearray(manifest.read_bytes())
    place = pq.ParquetFile(manifest).metadata.row_group(1).column(0).data_page_offset
    content[place + 30 : place + 60] = bytes(30)
    manifest.write_bytes(content)
    found = find_items(Place.of(manifest))
    assert [item.id for item in found if item.refusal is None] == [
        f"object-{number}" for number in range(30) if not 10 <= number < 20
    ]
    [lost] = [item for item in found if item.refusal is not None]
    assert "row group 1 of all.parquet (10 rows) is damaged" in str(lost.refusal)
