"""`apg eval` and `apg table`, as they are called: what they leave, in one process and in several."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import trimesh

from apg_core.cli import USAGE, main
from tests.support.objects import ball, block

QUICK = ["--preset", "nano", "--num_inference_steps", "1", "--grid_size", "16", "--max_parts", "1", "--best_of", "1"]


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two objects of two parts that do not touch."""
    folder = tmp_path_factory.mktemp("objects")
    for name, size in (("far", 0.3), ("near", 0.6)):
        scene = trimesh.Scene()
        for part in (ball(size, (-1, 0, 0)), block((size, size, size), (1, 0, 0))):
            scene.add_geometry(trimesh.Trimesh(part.vertices, part.faces))
        scene.export(folder / f"{name}.glb")
    return folder


def results(folder: Path) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(folder / "results.parquet").to_pylist()
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def test_workers_change_nothing_but_the_time(objects: Path, tmp_path: Path) -> None:
    for workers in ("1", "2"):
        more = ["--baseline", "components", "--workers", workers, "--output", f"{tmp_path / workers}"]
        assert main(["eval", f"{objects}", *QUICK, *more]) == 0
    for name in ("mesh", "components"):
        alone, beside = (results(tmp_path / workers / name) for workers in ("1", "2"))
        np.testing.assert_equal(beside, alone)  # what is not a number is equal, too
        assert [row["name"] for row in alone] == ["far", "near"]
    assert [row["part_iou"] for row in results(tmp_path / "2" / "components")] == pytest.approx([1, 1], abs=0.02)


def test_a_table_has_a_row_for_each_kind_of_object_and_mode(tmp_path: Path) -> None:
    assert main(["table", *QUICK, "--count", "1", "--output", f"{tmp_path}"]) == 0
    rows = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()[2:]
    measures = ("mesh", "image_mesh_mask", "image", "autoencoder parts", "autoencoder wholes")
    wanted = [f"{kind}, {measure}" for kind in ("trained", "kept out") for measure in measures]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == wanted
    assert [row.split(" | ")[1] for row in rows] == ["1"] * len(wanted)


def test_no_worker_is_refused(objects: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["eval", f"{objects}", "--workers", "0", "--output", f"{tmp_path}"])
    assert ended.value.code == USAGE
    assert "--workers: must be at least 1, got 0" in capsys.readouterr().err
