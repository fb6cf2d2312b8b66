"""Options hold the released defaults, and refuse what they do not know."""

import pytest

from apg_core.errors import OptionError
from apg_core.protocol.options import DecodeOptions, GenerationOptions

RELEASED = {
    "max_parts": 40,
    "grid_size": 256,
    "seed": 0,
    "postprocess": True,
    "smooth_iters": 0,
    "simplify_faces": 50_000,
    "simplify_aggressiveness": 1.0,
    "isosurface_backend": "auto",
    "iou_threshold": 0.3,
    "iou_grid_size": 256,
    "duplicate_retries": 3,
    "part_seed_stride": 0,
    "retry_seed_stride": 1009,
    "infer_sigma_history": 0,
    "sample_posterior": False,
    "sigma_floor": 0,
    "visualize_mask": True,
    "remove_background": True,
    "show_progress": True,
    "use_coarse_bbox": False,
    "num_inference_steps": 50,
    "scene_cleanup": False,
}


def test_defaults_are_the_released_ones() -> None:
    options = GenerationOptions().model_dump()
    assert {name: options[name] for name in RELEASED} == RELEASED


def test_every_option_says_what_it_does() -> None:
    assert [name for name, field in GenerationOptions.model_fields.items() if not field.description] == []


def test_a_preset_fills_in_only_what_was_left_alone() -> None:
    options = GenerationOptions(grid_size=256).with_defaults({"grid_size": 128, "num_inference_steps": 25})
    assert (options.grid_size, options.num_inference_steps) == (256, 25)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"grid_sise": 64}, "did you mean 'grid_size'"),
        ({"zzz": 1}, "known options"),
        ({"grid_size": 100}, "try 128"),
        ({"grid_size": 8}, "greater than or equal to 16"),
        ({"geometry_cfg_scale": -1}, "got -1"),
        ({"whole_cfg_scale": float("nan")}, "finite"),
        ({"seed": "x"}, "got 'x'"),
        ({"infer_sigma_history": 1.5}, "less than or equal to 1"),
        ({"isosurface_backend": "magic"}, "'auto'"),
        ({"max_parts": 0}, "greater than or equal to 1"),
    ],
)
def test_a_bad_option_is_an_error_that_names_it_and_says_what_to_do(values: dict[str, object], words: str) -> None:
    with pytest.raises(OptionError) as caught:
        GenerationOptions(**values)
    assert words in caught.value.message
    assert caught.value.field == next(iter(values))


def test_options_cannot_be_changed() -> None:
    with pytest.raises(Exception, match="frozen"):
        GenerationOptions().seed = 1  # type: ignore[misc]


def test_all_options_pass_as_those_of_one_stage() -> None:
    assert isinstance(GenerationOptions(), DecodeOptions)
