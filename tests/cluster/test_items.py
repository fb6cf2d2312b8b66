"""Folders and manifests become items; what is wrong with one stays with that one."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from apg_core.errors import InputError, OptionError, PromptError
from cluster.items import Item, find_items
from cluster.storage import Place


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
