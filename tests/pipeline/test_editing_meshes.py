"""Edits where a mesh is given: its parts go on filling it."""

from pathlib import Path

import numpy as np
import pytest

from apg_core import edit
from apg_core.geometry.measure import measure
from apg_core.pipeline.earlier import LATENTS_FILE, Earlier
from apg_core.pipeline.local import Generation, Pipeline, generate_from_mesh, load_pipeline
from apg_core.protocol.edit import Continue, Edit, Merge, Pick, Remove, Rename, Reorder, Resample, Split
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from tests.support.edited import files, indices
from tests.support.latents import from_latents, latent_of
from tests.support.objects import ball, block, table, union


@pytest.fixture(scope="module")
def tiny() -> Pipeline:
    return load_pipeline("tiny", "cpu")


FITTED = GenerationOptions(
    seed=4,
    num_inference_steps=2,
    best_of=1,
    grid_size=64,
    max_parts=2,
    iou_threshold=-1,
    end_threshold=0.0,
    fit_to_mesh=True,
    fit_at_edges=False,
    within_whole=False,
    preview=False,
    show_progress=False,
)
BAR = block((2, 0.6, 0.6))


def two_halves(tiny: Pipeline) -> Generation:
    """A bar, given as a mesh, in two parts of about the same size."""
    return generate_from_mesh(from_latents(tiny, *halves_at(tiny, -0.5, 0.5)), BAR, options=FITTED)


def halves_at(tiny: Pipeline, *places: float) -> list[np.ndarray]:
    return [latent_of(tiny, ball(0.45, (at, 0, 0))) for at in places]


def volumes(made: Generation) -> list[float]:
    return [measure(part.mesh).volume for part in made.parts]


def test_where_a_mesh_is_given_the_parts_fill_it_after_each_edit(tiny: Pipeline) -> None:
    made = two_halves(tiny)
    bar = measure(BAR).volume  # its longest side is 2: the normalised frame is its own
    assert sum(volumes(made)) == pytest.approx(bar, rel=1e-6)
    again = edit(from_latents(tiny, *halves_at(tiny, -0.2, 0.7)), made, Resample(parts=(0, 1)))
    assert sum(volumes(again)) == pytest.approx(bar, rel=1e-6)
    assert volumes(again)[0] > 1.2 * volumes(made)[0]  # the border has moved
    assert again.parts[1].sampled is not None
    merged = edit(tiny, again, Merge(parts=(0, 1)))
    assert volumes(merged) == [pytest.approx(bar, rel=1e-6)]
    undone = edit(from_latents(tiny, *halves_at(tiny, -0.5, 0.5)), again, Resample(parts=(0, 1)))
    assert volumes(undone) == pytest.approx(volumes(made), rel=1e-3)


TABLE = union(*table())


@pytest.fixture(scope="module")
def made_table(tiny: Pipeline, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table, given as a mesh, of which three parts were sampled; two legs are what no sampled part has."""
    path = tmp_path_factory.mktemp("table")
    legs = (block((0.2, 0.7, 0.2), (x, 0, 0.4)) for x in (-0.8, 0.8))
    latents = [latent_of(tiny, mesh) for mesh in (block((1.6, 0.2, 0.9), (0, 0.5, 0)), *legs)]
    options = FITTED.model_copy(update={"fit_at_edges": True, "max_parts": 8, "end_threshold": 1e-3})
    made = generate_from_mesh(from_latents(tiny, *latents, 0 * latents[0]), TABLE, output_dir=path, options=options)
    assert indices(made) == [0, 1, 2, 3, 4]
    return path


@pytest.mark.parametrize(
    ("change", "sampled", "listed", "touched"),
    [
        (Resample(parts=(1,)), [block((0.2, 0.5, 0.2), (-0.8, 0, 0.4))], [0, 1, 2, 3, 4], {1}),
        (
            Resample(parts=(0, 1)),
            [ball(0.5), block((0.2, 0.7, 0.2), (-0.8, 0, 0.4))],
            [0, 1, 2, 3, 4],
            {0, 1},
        ),
        (Merge(parts=(0, 1)), [], [0, 2, 3, 4], {0}),
        (Split(part=0), [block((0.9, 0.2, 1.1), (x, 0, 0)) for x in (-0.5, 0.5)], [0, 5, 1, 2, 3, 4], {0, 5}),
        (Reorder(order=(4, 3, 2, 1, 0)), [], [4, 3, 2, 1, 0], set()),
        (Rename(names={2: "leg"}), [], [0, 1, 2, 3, 4], {2}),
    ],
    ids=["one again", "two again", "merge", "split", "reorder", "rename"],
)
def test_an_edit_cuts_only_what_it_is_about_and_the_mesh_stays_divided_exactly(
    tiny: Pipeline,
    made_table: Path,
    tmp_path: Path,
    change: Edit,
    sampled: list[TriangleMesh],
    listed: list[int],
    touched: set[int],
) -> None:
    latents = [latent_of(tiny, mesh) for mesh in sampled]
    end = [0 * latents[0]] if isinstance(change, Split) else []
    pipeline = from_latents(tiny, *latents, *end) if sampled else tiny
    if isinstance(change, Split):
        change = Split(part=0, options={"fit_at_edges": False})
    made = edit(pipeline, made_table, change, output_dir=tmp_path)
    before, after = files(made_table), files(tmp_path)
    assert indices(made) == listed
    assert {name for name in after if before.get(name) != after[name]} <= {f"mesh_{k:03d}.glb" for k in touched}
    partition = made.manifest.partition
    assert partition is not None
    assert partition.exact
    assert (partition.unclaimed, partition.doubly_claimed) == pytest.approx((0, 0), abs=1e-6)
    assert [share.index for share in partition.parts] == indices(made)
    whole = measure(TABLE).volume
    assert [share.share for share in partition.parts] == pytest.approx(
        [part.mesh.volume / whole for part in made.manifest.parts], abs=1e-6
    )
    assert all(part.mesh.source is not None and part.mesh.source.max() >= 0 for part in made.parts)


def test_what_is_removed_is_nobodys_then_and_the_manifest_says_how_much(tiny: Pipeline, made_table: Path) -> None:
    made = edit(tiny, made_table, Remove(parts=(1,)))
    parts = {part.facts.index: part for part in Earlier.unpack((made_table / LATENTS_FILE).read_bytes()).parts}
    gone = measure(parts[1].mesh).volume / measure(TABLE).volume
    assert made.manifest.partition is not None
    assert made.manifest.partition.unclaimed == pytest.approx(gone, abs=1e-6)
    for part in made.parts:
        np.testing.assert_array_equal(part.mesh.vertices, parts[part.facts.index].mesh.vertices)


def test_what_a_part_made_again_leaves_of_its_place_is_a_part_of_its_own_and_a_pick_takes_it_back(
    tiny: Pipeline, tmp_path: Path
) -> None:
    apart = TriangleMesh.joined([ball(0.3, (-0.7, 0, 0)), ball(0.3, (0, 0, 0)), ball(0.3, (0.7, 0, 0))])
    left, both = ball(0.3, (-0.7, 0, 0)), TriangleMesh.joined([ball(0.3), ball(0.3, (0.7, 0, 0))])
    options = FITTED.model_copy(update={"fit_at_edges": True, "max_parts": 5, "end_threshold": 1e-3})
    latents = [latent_of(tiny, mesh) for mesh in (left, both)]
    made = generate_from_mesh(from_latents(tiny, *latents, 0 * latents[0]), apart, options=options)
    assert indices(made) == [0, 1]
    tries = [latent_of(tiny, ball(0.3, (x, 0, 0))) for x in (0, 0.7)]
    several = edit(from_latents(tiny, *tries), made, Resample(parts=(1,), candidates=2), output_dir=tmp_path)
    assert [(part.index, part.left_by, part.remainder) for part in several.manifest.parts] == [
        (0, None, False),
        (1, None, False),
        (2, 1, True),
    ]
    ball_volume = volumes(made)[0]
    assert volumes(several) == pytest.approx([ball_volume] * 3, rel=1e-6)
    middle, right = several.parts[1].mesh, several.parts[2].mesh
    picked = edit(tiny, several, Pick(candidate=1))
    assert indices(picked) == [0, 1, 3]
    np.testing.assert_allclose(picked.parts[1].mesh.bounds, right.bounds, atol=1e-6)
    np.testing.assert_allclose(picked.parts[2].mesh.bounds, middle.bounds, atol=1e-6)
    assert picked.manifest.partition is not None
    assert picked.manifest.partition.unclaimed < 1e-6


def test_a_part_made_again_elsewhere_stays_as_it_was_and_one_in_the_same_place_says_so(
    tiny: Pipeline, made_table: Path
) -> None:
    kept = {part.facts.index: part for part in Earlier.unpack((made_table / LATENTS_FILE).read_bytes()).parts}
    elsewhere = latent_of(tiny, ball(0.3, (0.5, -0.5, -0.5)))
    for latent, words in (
        (elsewhere, "part 1 stays as it was: what was sampled has nothing of its place"),
        (latent_of(tiny, block((0.1, 0.8, 0.1), (-0.8, 0.05, 0.4))), "part 1 has all that it had"),
    ):
        made = edit(from_latents(tiny, latent), made_table, Resample(parts=(1,)))
        assert [warning for warning in made.manifest.warnings if warning.startswith(words)]
        np.testing.assert_array_equal(made.parts[1].mesh.vertices, kept[1].mesh.vertices)


def test_going_on_after_an_edit_keeps_what_the_edit_made_but_where_further_parts_reach(
    tiny: Pipeline, made_table: Path, tmp_path: Path
) -> None:
    halves = [latent_of(tiny, block((0.9, 0.2, 1.1), (x, 0, 0))) for x in (-0.5, 0.5)]
    change = Split(part=0, options={"fit_at_edges": False})
    edit(from_latents(tiny, *halves, 0 * halves[0]), made_table, change, output_dir=tmp_path / "split")
    foot = latent_of(tiny, block((0.3, 0.3, 0.3), (-0.8, -0.3, 0.4)))
    more = Continue(options={"max_parts": 9, "end_threshold": 1e-3})
    made = edit(from_latents(tiny, foot, 0 * foot), tmp_path / "split", more, output_dir=tmp_path / "more")
    before, after = files(tmp_path / "split"), files(tmp_path / "more")
    assert indices(made) == [0, 5, 1, 2, 3, 4, 6]
    assert {name for name in after if before.get(name) != after[name]} == {"mesh_001.glb", "mesh_006.glb"}
    share = {one.index: one.share for one in made.manifest.partition.parts} if made.manifest.partition else {}
    assert share[1] + share[6] == pytest.approx(share[2], rel=1e-3)  # the legs are alike
    assert share[6] > 0.2 * share[2]
    assert made.manifest.partition is not None
    assert (made.manifest.partition.unclaimed, made.manifest.partition.doubly_claimed) == pytest.approx(
        (0, 0), abs=1e-6
    )


def test_going_on_after_a_removal_gives_further_parts_what_was_removed(
    tiny: Pipeline, made_table: Path, tmp_path: Path
) -> None:
    edit(tiny, made_table, Remove(parts=(1,)), output_dir=tmp_path / "less")
    leg = latent_of(tiny, block((0.2, 0.7, 0.2), (-0.8, 0, 0.4)))
    more = Continue(options={"end_threshold": 1e-3})
    made = edit(from_latents(tiny, leg, 0 * leg), tmp_path / "less", more, output_dir=tmp_path / "more")
    before, after = files(tmp_path / "less"), files(tmp_path / "more")
    assert {name for name in after if before.get(name) != after[name]} == {"mesh_005.glb"}
    assert made.manifest.partition is not None
    assert made.manifest.partition.unclaimed < 1e-3
    shares = {one.index: one.share for one in made.manifest.partition.parts}
    assert shares[5] == pytest.approx(shares[2], rel=0.02)
