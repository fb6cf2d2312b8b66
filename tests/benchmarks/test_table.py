"""Tables of benchmarks, and the earlier state that they are measured beside."""

from pathlib import Path

from benchmarks.earlier import ROOT, earlier_tree, run_in
from benchmarks.table import Row, as_markdown, own_figures

ROWS = [
    Row("field queries", 2_250_000.0, 114_000.0, "", before=228_000.0),
    Row("surface, 512", 1.5, 0.375, "s"),
    Row("a whole generation", None, 8.0, "s", before=16.0),
]


def test_a_table_has_the_columns_that_are_known() -> None:
    lines = as_markdown(ROWS, before="a70acb7").splitlines()
    assert lines[0] == "| what | plain way | a70acb7 | this project | plain way / ours | a70acb7 / ours |"
    assert lines[2:] == [
        "| field queries | 2.25e+06 | 2.28e+05 | 1.14e+05 | 19.7x | 2.0x |",
        "| surface, 512 | 1.5 s |  | 0.375 s | 4.0x |  |",
        "| a whole generation |  | 16 s | 8 s |  | 2.0x |",
    ]
    assert "before" not in as_markdown(ROWS[1:2])


def test_an_earlier_tree_reads_what_its_table_says_of_itself() -> None:
    assert own_figures("torch, 2 CPUs\n\n" + as_markdown(ROWS)) == {row.name: row.ours for row in ROWS}
    # As it was printed before there were more columns than two.
    old = "| what | plain way | this project | ratio |\n|---|---|---|---|\n| overlap | 1,234 s | 1,000 s | 1.2x |"
    assert own_figures(old) == {"overlap": 1000.0}


def test_an_earlier_tree_runs_its_own_code_and_is_removed() -> None:
    where = "import apg_core, benchmarks.table; print(apg_core.__file__, benchmarks.table.__file__)"
    with earlier_tree("HEAD") as tree:
        assert all(tree in Path(file).parents for file in run_in(tree, "-c", where).split())
    assert not tree.exists()
    assert all(ROOT in Path(file).parents for file in run_in(ROOT, "-c", where).split())
