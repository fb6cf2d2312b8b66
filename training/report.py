"""What an evaluation leaves behind: a table, a Parquet file, a summary and a contact sheet; and curves of a run."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import UInt8
from PIL import Image as Pictures
from rich.table import Table

from apg_core.geometry.picture.colours import part_colour
from apg_core.geometry.picture.raycast import cast_picture
from apg_core.protocol.mesh import TriangleMesh
from training.cases import Case
from training.evaluate import Result, interval, summarise, write_parquet

PANEL = 192
SHEET_ROWS = 12


def table(summaries: dict[str, dict[str, float]]) -> Table:
    """One column a dataset and mode, one row a measure."""
    shown = Table(title="Evaluation")
    shown.add_column("measure")
    for name in summaries:
        shown.add_column(name, justify="right")
    for measure in dict.fromkeys(key for summary in summaries.values() for key in summary):
        values = [summary.get(measure) for summary in summaries.values()]
        shown.add_row(measure, *["" if value is None else f"{value:.3f}" for value in values])
    return shown


def markdown(rows: Mapping[str, Sequence[Result]]) -> str:
    """The table of a model card: means over objects, with 95 % bootstrap intervals of the main ones."""
    lines = [
        "| objects, mode | objects | matched part IoU | count-aware IoU | panoptic quality | whole IoU | parts found | "
        "count exact | ends by itself | some part |",
        "|---" * 10 + "|",
    ]
    for name, results in rows.items():
        if not results:
            continue
        every = summarise(results)
        cells = [name, f"{len(results)}"]
        for measure in ("part_iou", "count_aware_iou", "panoptic", "whole_iou"):
            low, high = interval([0.0 if r.scores is None else getattr(r.scores, measure) for r in results])
            cells.append(f"{every[measure]:.2f} ({low:.2f}-{high:.2f})")
        ended = "-" if results[0].stop_reason is None else f"{every['ended_by_itself']:.0%}"
        cells += [f"{every['parts_found']:.1f}", f"{every['count_exact']:.0%}", ended, f"{every['success']:.0%}"]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def write_report(
    results: Sequence[Result], cases: Sequence[Case], folder: Path, *, extra: dict[str, float] | None = None
) -> dict[str, float]:
    """Write `results.parquet`, `summary.json` and `sheet.png`; the summary comes back."""
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise(results) | (extra or {})
    write_parquet(results, folder / "results.parquet")
    (folder / "summary.json").write_text(json.dumps(summary, indent=2) + "\n", encoding="utf-8")
    by_name = {case.name: case for case in cases}
    shown = [(by_name[result.name], result) for result in results if result.found][:SHEET_ROWS]
    if shown:
        Pictures.fromarray(contact_sheet(shown)).save(folder / "sheet.png")
    return summary


def contact_sheet(pairs: Sequence[tuple[Case, Result]]) -> UInt8[np.ndarray, "H W 3"]:
    """A row a case: its picture, its true parts, the found parts."""
    rows = []
    for case, result in pairs:
        panels = [_picture(case), _drawn(case.parts), _drawn(result.found)]
        rows.append(np.concatenate(panels, axis=1))
    if len(rows) > 1:  # two cases side by side
        rows += [np.full_like(rows[0], 255)] * (len(rows) % 2)
        rows = [np.concatenate(pair, axis=1) for pair in zip(rows[::2], rows[1::2], strict=True)]
    return np.concatenate(rows)


def _picture(case: Case) -> UInt8[np.ndarray, "H W 3"]:
    square = Pictures.new("RGBA", (PANEL, PANEL), "white")
    if case.image is not None:
        picture = Pictures.fromarray(case.image).convert("RGBA").resize((PANEL, PANEL))
        square.alpha_composite(picture)
    return np.asarray(square.convert("RGB"))


def _drawn(meshes: Sequence[TriangleMesh]) -> UInt8[np.ndarray, "H W 3"]:
    return np.round(
        255 * cast_picture(meshes, [part_colour(i, len(meshes)) for i in range(len(meshes))], size=PANEL)
    ).astype(np.uint8)


def plot_run(folder: Path, target: Path) -> None:
    """Curves of every measure in a run's `metrics.csv` over the samples seen."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    with (folder / "metrics.csv").open() as file:
        rows = [{key: float(value) for key, value in row.items()} for row in csv.DictReader(file)]
    names = [name for name in rows[0] if name not in {"elapsed", "steps", "samples"}]
    figure, axes = pyplot.subplots(1, len(names), figsize=(3 * len(names), 2.6), constrained_layout=True)
    for name, axis in zip(names, axes, strict=True):
        axis.plot([row["samples"] for row in rows], [row[name] for row in rows])
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.grid(alpha=0.3)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)
