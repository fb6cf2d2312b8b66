"""Edits as values: what is accepted, and what a refusal says."""

import pytest

from apg_core.errors import EditError, OptionError
from apg_core.protocol.edit import (
    EDITS,
    Continue,
    Edit,
    Merge,
    Pick,
    Remove,
    Rename,
    Reorder,
    Resample,
    Split,
    edit_values,
    read_edit,
)
from apg_core.protocol.options import GenerationOptions

ALL = [
    Continue(options={"max_parts": 12}),
    Resample(parts=(0,), options=GenerationOptions(seed=8), candidates=3),
    Pick(candidate=1),
    Merge(parts=(3, 0)),
    Split(part=1),
    Remove(parts=(4,)),
    Rename(names={0: "seat", 1: ""}),
    Reorder(order=(2, 0, 1)),
]


@pytest.mark.parametrize("edit", ALL, ids=lambda edit: edit.operation)
def test_an_edit_is_the_same_after_its_way_through_json(edit: Edit) -> None:
    assert read_edit(edit_values(edit)) == edit


def test_every_operation_is_described_and_every_field_of_it_has_a_sentence() -> None:
    described = EDITS.json_schema()["$defs"]
    assert set(described) - {"JsonValue"} == {type(edit).__name__ for edit in ALL}
    for edit in ALL:
        fields = described[type(edit).__name__]["properties"]
        assert all(field.get("description") for name, field in fields.items() if name != "operation")


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ({}, "operation", "one of continue, resample"),
        ({"operation": "undo"}, "operation", "one of continue, resample"),
        ({"operation": "resample", "parts": []}, "parts", "at least 1"),
        ({"operation": "resample", "parts": [0, 0]}, "parts", "0 is given twice"),
        ({"operation": "resample", "parts": [-1]}, "parts", "greater than or equal to 0"),
        ({"operation": "resample", "parts": [1], "seed": 8}, "seed", "goes into `options`"),
        ({"operation": "resample", "parts": [1], "candidates": 9}, "candidates", "less than or equal to 8"),
        ({"operation": "merge", "parts": [1]}, "parts", "at least 2"),
        ({"operation": "rename", "names": {"a": "seat"}}, "names", "valid integer"),
        ({"operation": "rename", "names": {"0": "two\nlines"}}, "names", "pattern"),
        ({"operation": "pick"}, "candidate", "required"),
        ({"operation": "remove", "parts": [0], "colour": "red"}, "colour", "no field of this edit"),
    ],
)
def test_what_is_no_edit_is_refused_by_field(values: dict[str, object], field: str, words: str) -> None:
    with pytest.raises(EditError, match=words) as refused:
        read_edit(values)  # type: ignore[arg-type]
    assert refused.value.field == field


def test_an_edit_that_is_made_in_python_is_refused_in_the_same_words() -> None:
    with pytest.raises(EditError, match="parts: 0 is given twice"):
        Remove(parts=(0, 0))


def test_an_option_may_be_named_beside_the_fields_in_python() -> None:
    assert Resample(parts=(1,), seed=8, options={"grid_size": 64}) == Resample(
        parts=(1,), options={"grid_size": 64, "seed": 8}
    )
    assert Continue(max_parts=9) == Continue(options={"max_parts": 9})
    with pytest.raises(OptionError, match="max_parts"):
        Continue(max_parts=0)
    with pytest.raises(EditError, match="seed is no field of this edit"):
        Merge(parts=(0, 1), seed=8)


def test_an_option_of_an_edit_is_checked_as_any_option() -> None:
    with pytest.raises(OptionError, match="did you mean 'seed'"):
        Resample(parts=(0,), options={"sed": 8})
    with pytest.raises(OptionError, match="try 128") as refused:
        read_edit({"operation": "continue", "options": {"grid_size": 100}})
    assert refused.value.field == "grid_size"
