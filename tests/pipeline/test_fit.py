"""Parts fitted to the mesh that was given, at the end of a generation."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
from manifold3d import Manifold, Mesh

from apg_core.pipeline.local import (
    Pipeline,
    generate_from_image,
    generate_from_image_and_mask,
    generate_from_mesh,
    load_pipeline,
)
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions, MeshOptions
from tests.support.latents import from_latents, latent_of
from tests.support.objects import ball, block

QUIET = GenerationOptions(
    show_progress=False,
    preview=False,
    max_parts=1,
    best_of=1,
    grid_size=64,
    num_inference_steps=2,
    fit_to_mesh=True,
    fit_at_edges=False,
    within_whole=False,
)
LOOSE = QUIET.model_copy(update={"fit_to_mesh": False})


@pytest.fixture(scope="module")
def tiny() -> Pipeline:
    return load_pipeline("tiny", "cpu")


def radii(mesh: TriangleMesh) -> np.ndarray:
    return np.linalg.norm(mesh.vertices, axis=1)


def made_of_a_ball(tiny: Pipeline, radius: float, options: GenerationOptions, given: TriangleMesh) -> TriangleMesh:
    made = generate_from_mesh(from_latents(tiny, latent_of(tiny, ball(radius))), given, options=options)
    return made.parts[0].mesh


def test_a_part_becomes_the_mesh(tiny: Pipeline) -> None:
    assert radii(made_of_a_ball(tiny, 0.6, QUIET, ball(1.0, subdivisions=5))) == pytest.approx(1.0, abs=1e-5)


def test_the_manifest_tells_how_the_parts_divide_the_mesh(tiny: Pipeline) -> None:
    latents = [latent_of(tiny, ball(0.4, (x, 0, 0))) for x in (-0.5, 0.5)]
    options = QUIET.model_copy(update={"max_parts": 2, "further_parts": 0})
    made = generate_from_mesh(from_latents(tiny, *latents), block((2, 1, 1)), options=options)
    partition = made.manifest.partition
    assert partition is not None
    assert partition.exact
    assert partition.unclaimed < 1e-6
    assert partition.doubly_claimed < 1e-6
    assert [part.index for part in partition.parts] == [0, 1]
    assert sum(part.share for part in partition.parts) == pytest.approx(1, abs=1e-6)
    assert [part.share for part in partition.parts] == pytest.approx([0.5, 0.5], abs=0.05)
    assert [part.mesh.volume / 2 for part in made.manifest.parts] == pytest.approx(
        [part.share for part in partition.parts], abs=1e-5
    )


def test_the_manifest_tells_how_smoothed_parts_divide_the_mesh(tiny: Pipeline) -> None:
    latents = [latent_of(tiny, ball(0.4, (x, 0, 0))) for x in (-0.5, 0.5)]
    options = QUIET.model_copy(update={"max_parts": 2, "further_parts": 0, "smooth_iters": 20})
    whole = block((2, 1, 1))
    made = generate_from_mesh(from_latents(tiny, *latents), whole, options=options)
    bodies = [Manifold(Mesh(part.mesh.vertices, part.mesh.faces.astype(np.uint32))) for part in made.parts]
    given = Manifold(Mesh(whole.vertices.astype(np.float32), whole.faces.astype(np.uint32)))
    partition = made.manifest.partition
    assert partition is not None
    assert not partition.exact
    left = (given - (bodies[0] + bodies[1])).volume() / given.volume()
    assert left > 1e-3
    assert partition.unclaimed == pytest.approx(left, rel=1e-3)
    assert partition.doubly_claimed == pytest.approx((bodies[0] ^ bodies[1]).volume() / given.volume(), abs=1e-6)
    assert [part.share for part in partition.parts] == pytest.approx(
        [body.volume() / given.volume() for body in bodies], rel=1e-4
    )


def test_a_region_whose_part_has_nothing_of_the_mesh_has_failed(tiny: Pipeline) -> None:
    latents = [latent_of(tiny, ball(0.5, (-0.3, 0, 0))), latent_of(tiny, ball(0.15, (0.8, 0.8, 0.8)))]
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 20:44] = (200, 40, 40)
    mask = np.zeros((64, 64), np.int32)
    mask[16:32, 20:44], mask[32:48, 20:44] = 2, 1
    made = generate_from_image_and_mask(from_latents(tiny, *latents), picture, mask, block((2, 1, 1)), options=QUIET)
    assert [part.facts.label for part in made.parts] == [1]
    (failed,) = made.manifest.failed_regions
    assert failed.label == 2
    assert any("part 1 has nothing of the given mesh" in warning for warning in made.manifest.warnings)


def test_without_the_option_a_part_is_what_was_sampled(tiny: Pipeline) -> None:
    assert radii(made_of_a_ball(tiny, 0.9, LOOSE, ball(1.0))).mean() == pytest.approx(0.9, abs=0.03)


def test_what_sticks_out_is_cut_off(tiny: Pipeline) -> None:
    slab = block((2, 2, 0.5))
    cut = made_of_a_ball(tiny, 0.6, QUIET, slab)
    assert np.abs(cut.vertices[:, 2]).max() == pytest.approx(0.25, abs=0.01)


def test_a_mesh_with_no_inside_leaves_the_parts_and_says_so(tiny: Pipeline) -> None:
    sheet = TriangleMesh(np.array([[-1, 0, -1], [1, 0, -1], [1, 0, 1], [-1, 0, 1.0]]), np.array([[0, 1, 2], [0, 2, 3]]))
    latent = latent_of(tiny, ball(0.6))
    fitted, loose = (generate_from_mesh(from_latents(tiny, latent), sheet, options=chosen) for chosen in (QUIET, LOOSE))
    np.testing.assert_array_equal(fitted.parts[0].mesh.vertices, loose.parts[0].mesh.vertices)
    assert any("fit_to_mesh left the parts" in warning for warning in fitted.manifest.warnings)
    assert loose.manifest.warnings == ()


def test_a_picture_alone_is_nothing_to_fit_to(tiny: Pipeline) -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 20:44] = (200, 40, 40)
    fitted, loose = (generate_from_image(tiny, picture, options=chosen) for chosen in (QUIET, LOOSE))
    for one, other in zip(fitted.parts, loose.parts, strict=True):
        np.testing.assert_array_equal(one.mesh.vertices, other.mesh.vertices)


def test_fitted_parts_are_simplified_only_where_that_is_asked_for(tiny: Pipeline) -> None:
    options = MeshOptions(grid_size=64, simplify_faces=400, further_parts=0)
    given = ball(0.55, subdivisions=5)
    fitting = asyncio.run(tiny.stages.fit_parts([ball(0.5)], given, options))
    assert fitting.share == 1
    assert len(fitting.parts[0].mesh.faces) == len(given.faces)
    assert fitting.partition.unclaimed < 1e-6
    simpler = options.model_copy(update={"simplify_fitted": True})
    simplified = asyncio.run(tiny.stages.fit_parts([ball(0.5)], given, simpler))
    (part,) = simplified.parts
    assert fitting.partition.exact
    assert not simplified.partition.exact
    assert simplified.partition.unclaimed > 1e-4
    assert len(part.mesh.faces) <= 420
    assert part.notes[0].startswith("simplified from")
    assert radii(part.mesh) == pytest.approx(0.55, abs=0.02)


def test_at_edges_the_parts_are_the_mesh_and_what_no_part_has_is_one_more(tiny: Pipeline) -> None:
    latent = latent_of(tiny, ball(0.5, (-0.5, 0, 0)))
    made = from_latents(tiny, latent, np.zeros_like(latent))
    apart = TriangleMesh.joined([ball(0.4, (-0.6, 0, 0)), ball(0.4, (0.6, 0, 0))])
    options = QUIET.model_copy(update={"fit_at_edges": True, "max_parts": 2})
    parts = generate_from_mesh(made, apart, options=options).parts
    assert [part.facts.index for part in parts] == [0, 1]
    assert [part.facts.remainder for part in parts] == [False, True]
    assert parts[1].facts.notes[0].startswith("of the given mesh what no sampled part has")
    joined = TriangleMesh.joined([part.mesh for part in parts])
    np.testing.assert_allclose(joined.bounds, [[-1, -0.4, -0.4], [1, 0.4, 0.4]], atol=0.01)


def test_a_part_that_is_dropped_in_the_end_leaves_no_draft(tiny: Pipeline, tmp_path: Path) -> None:
    latents = [latent_of(tiny, ball(0.3, place)) for place in ((-0.5, 0, 0), (0.6, 0, 0))]
    options = LOOSE.model_copy(update={"max_parts": 2, "scene_cleanup": True})
    made = generate_from_mesh(from_latents(tiny, *latents), ball(1.0), output_dir=tmp_path, options=options)
    assert len(made.parts) == 1
    meshes = {path.name for path in tmp_path.glob("*.glb")}
    assert meshes == {"mesh_000.glb", "mesh_combined.glb"}


def test_without_a_mesh_parts_that_overlap_share_nothing_and_repeated_ones_are_left_out(tiny: Pipeline) -> None:
    left, right = (latent_of(tiny, ball(0.5, (x, 0, 0))) for x in (-0.25, 0.25))
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 20:44] = (200, 40, 40)
    options = QUIET.model_copy(update={"max_parts": 3, "iou_threshold": -1.0, "exclusive": True})
    made = generate_from_image(from_latents(tiny, right, left, right, right), picture, options=options)
    bodies = [Manifold(Mesh(part.mesh.vertices, part.mesh.faces.astype(np.uint32))) for part in made.parts]
    assert len(bodies) == 2
    assert (bodies[0] ^ bodies[1]).volume() < 1e-6
    loose = generate_from_image(
        from_latents(tiny, right, left, right, right), picture, options=options.model_copy(update={"exclusive": False})
    )
    solids = [Manifold(Mesh(part.mesh.vertices, part.mesh.faces.astype(np.uint32))) for part in loose.parts]
    assert len(solids) == 3
    assert sum(body.volume() for body in bodies) == pytest.approx((solids[0] + solids[1]).volume(), rel=1e-4)
    assert any("has nothing of itself" in warning for warning in made.manifest.warnings)
