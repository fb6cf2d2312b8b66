"""Several samples for one latent: how alike they are, which one is kept, and when they mean the end."""

import numpy as np
import pytest

from apg_core.errors import OptionError
from apg_core.pipeline.local import Pipeline, generate_from_image, generate_from_mesh, load_pipeline
from apg_core.pipeline.seeds import sample_seeds
from apg_core.protocol.manifest import StopReason
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GenerationOptions
from tests.support.latents import from_latents, latent_of
from tests.support.objects import ball

QUIET = GenerationOptions(show_progress=False, preview=False, max_parts=1, best_of=3, grid_size=32, fit_to_mesh=False)


@pytest.fixture(scope="module")
def tiny() -> Pipeline:
    return load_pipeline("tiny", "cpu")


@pytest.fixture(scope="module")
def nano() -> Pipeline:
    return load_pipeline("nano", "cpu")


def test_agreement_is_the_mean_volume_iou_with_the_others(tiny: Pipeline) -> None:
    large, small = latent_of(tiny, ball(0.8)), latent_of(tiny, ball(0.4))
    agreement = tiny.stages.codec.agreement([large, small, large])
    between = (0.4 / 0.8) ** 3
    assert agreement == pytest.approx([(1 + between) / 2, between, (1 + between) / 2], abs=0.02)


def test_a_shape_without_volume_agrees_with_none(tiny: Pipeline) -> None:
    solid = latent_of(tiny, ball(0.5))
    empty = latent_of(tiny, TriangleMesh.joined([]))
    assert tiny.stages.codec.agreement([solid, empty, solid]) == pytest.approx([0.5, 0, 0.5], abs=1e-6)


def test_the_first_sample_is_the_one_that_would_be_the_only_one() -> None:
    assert sample_seeds(7, 1) == (7,)
    seeds = sample_seeds(7, 16)
    assert seeds[0] == 7
    assert sample_seeds(7, 4) == seeds[:4]
    assert len({*seeds, *sample_seeds(8, 16)}) == 32
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_the_kept_sample_is_the_one_most_like_the_others(nano: Pipeline) -> None:
    picture = np.full((64, 64, 3), 255, np.uint8)
    picture[16:48, 20:44] = (200, 40, 40)
    kept = []
    for seed in range(4):
        options = QUIET.model_copy(update={"seed": seed, "num_inference_steps": 4})
        made, again = (generate_from_image(nano, picture, options=options) for _ in range(2))
        facts = made.parts[0].facts
        assert facts == again.parts[0].facts
        kept.append(sample_seeds(seed, 3).index(facts.seed))
    assert any(kept), "the first was always kept"


def test_the_object_ends_when_most_samples_say_so(tiny: Pipeline) -> None:
    part = latent_of(tiny, ball(0.5))
    end = np.zeros_like(part)
    odd, tied = (QUIET.model_copy(update={"best_of": count}) for count in (3, 2))
    made = generate_from_mesh(from_latents(tiny, end, part, part, end, end, part), ball(1.0), options=odd)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.MAX_PARTS)
    assert made.parts[0].facts.seed in sample_seeds(0, 3)[1:]
    cap = odd.model_copy(update={"max_parts": 2})
    made = generate_from_mesh(from_latents(tiny, end, part, part, end, end, part), ball(1.0), options=cap)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.END_OF_SEQUENCE)
    made = generate_from_mesh(from_latents(tiny, end, part), ball(1.0), options=tied)
    assert [part.facts.seed for part in made.parts] == [sample_seeds(0, 2)[1]]


def test_the_odd_one_out_is_not_kept(tiny: Pipeline) -> None:
    alike, other = latent_of(tiny, ball(0.7)), latent_of(tiny, ball(0.3))
    made = generate_from_mesh(from_latents(tiny, other, alike, alike), ball(1.0), options=QUIET)
    extent = np.ptp(made.parts[0].mesh.vertices, axis=0)
    assert extent == pytest.approx([1.4] * 3, abs=0.1)


def test_the_next_one_is_kept_where_the_most_typical_is_a_duplicate(tiny: Pipeline) -> None:
    ball_again, other = latent_of(tiny, ball(0.7)), latent_of(tiny, ball(0.3))
    both = QUIET.model_copy(update={"max_parts": 2})
    samples = [ball_again] * 3 + [ball_again, other, ball_again]
    made = generate_from_mesh(from_latents(tiny, *samples), ball(1.0), options=both)
    assert [np.ptp(part.mesh.vertices) for part in made.parts] == pytest.approx([1.4, 0.6], abs=0.1)
    assert made.parts[1].facts.attempt == 0
    assert made.parts[1].facts.seed == sample_seeds(0, 3)[1]


def test_an_attempt_fails_when_all_of_its_samples_do(tiny: Pipeline) -> None:
    same = latent_of(tiny, ball(0.7))
    tries = QUIET.model_copy(update={"max_parts": 2, "duplicate_retries": 1})
    made = generate_from_mesh(from_latents(tiny, *[same] * 9), ball(1.0), options=tries)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.NO_NEW_PART)


def test_nothing_new_is_the_end_where_the_parts_make_up_the_mesh(tiny: Pipeline) -> None:
    part, other = latent_of(tiny, ball(1.0)), latent_of(tiny, ball(0.3))
    tries = QUIET.model_copy(update={"max_parts": 3, "duplicate_retries": 1})
    made = generate_from_mesh(from_latents(tiny, *[part] * 6), ball(1.0), options=tries)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.END_OF_SEQUENCE)
    made = generate_from_mesh(from_latents(tiny, *[other] * 9), ball(1.0), options=tries)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.NO_NEW_PART)
    late = tries.model_copy(update={"early_end": False})
    made = generate_from_mesh(from_latents(tiny, *[part] * 9), ball(1.0), options=late)
    assert (len(made.parts), made.manifest.stop_reason) == (1, StopReason.NO_NEW_PART)


def test_no_samples_at_all_are_refused() -> None:
    with pytest.raises(OptionError, match="best_of"):
        GenerationOptions(best_of=0)
