"""Options of one generation: one frozen value a stage, and `GenerationOptions`, which is all of them.

A stage names its own options as its parameter type; `GenerationOptions` inherits every one of them, so that the
caller writes one flat set of names and a stage still sees only what is its own.
Defaults are the published ones (docs/how-it-works.md, "Options"). A preset may have its own: `with_defaults` applies
them to the fields that the caller left alone.
"""

import difflib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from apg_core.errors import OptionError
from apg_core.protocol.backends import AUTO, isosurface_choices
from apg_core.protocol.formats import MESH_FORMATS, Axis, format_list

DEFAULT_PRESET = "tiny"
DEFAULT_CONFIG = DEFAULT_PRESET
"""The published release's name for what is loaded where nothing is named."""
Seed = Annotated[int, Field(ge=0, le=2**63 - 1)]
Scale = Annotated[float, Field(ge=0, le=100, allow_inf_nan=False)]


def _one_of_the_backends(name: str) -> str:
    choices = isosurface_choices()
    if name not in choices:
        raise ValueError(f"input should be {', '.join(map(repr, choices[:-1]))} or {choices[-1]!r}")
    return name


def _list_the_backends(schema: dict[str, Any]) -> None:
    schema["enum"] = list(isosurface_choices())


IsosurfaceBackend = Annotated[str, AfterValidator(_one_of_the_backends), Field(json_schema_extra=_list_the_backends)]


def _or_off(faces: object) -> object:
    if faces is None or (isinstance(faces, str) and faces.lower() == "none"):
        return 0
    try:
        return max(0, int(faces))  # type: ignore[call-overload]
    except (TypeError, ValueError):
        return faces


class _Options(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    def __init__(self, /, **values: Any) -> None:
        try:
            super().__init__(**values)
        except ValidationError as error:
            raise _option_error(error, known=type(self).model_fields) from None


class SamplingOptions(_Options):
    """How a latent is sampled."""

    seed: Seed = 0
    """Seed of the first part's first attempt; every other random draw of the generation follows from it."""
    num_inference_steps: Annotated[int, Field(ge=1, le=1000)] = 50
    """Denoising steps of one trajectory."""
    best_of: Annotated[int, Field(ge=1, le=16)] = 1
    """Latents to sample for each whole and each part. The one whose shape is most like the others' is kept (the next
    where that is empty or a duplicate), and the object is done when most of them say so."""
    fit_to_outline: bool = False
    """Where no mesh is given: move the sampled whole until its outline is that of the picture's object."""
    part_seed_stride: Annotated[int, Field(ge=0, le=2**31)] = 0
    """Added to the seed for each further part."""
    retry_seed_stride: Annotated[int, Field(ge=0, le=2**31)] = 1009
    """Added to the seed for each further attempt at the same part."""
    infer_sigma_history: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of noise mixed into the history latent, and told to the network; 0 leaves the history as it is."""
    sample_posterior: bool = False
    """Sample the codec's posterior instead of taking its mean."""
    sigma_floor: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 0.0
    """End a trajectory at the first step whose noise level is at or below this; 0 runs all steps."""
    early_end: bool = False
    """End a trajectory when two steps in a row foresee that the object is done (`end_threshold`), and a generation when
    nothing new comes and the parts make up the given mesh."""


class GuidanceOptions(_Options):
    """Guidance scales; None is the preset's value for the mode."""

    image_cfg_scale: Scale | None = None
    """How strongly a part follows the image."""
    geometry_cfg_scale: Scale | None = None
    """How strongly a part follows the whole object and the history."""
    mask_image_cfg_scale: Scale | None = None
    """`image_cfg_scale` in the mask modes, ahead of it."""
    mask_geometry_cfg_scale: Scale | None = None
    """`geometry_cfg_scale` in the mask modes, ahead of it."""
    whole_cfg_scale: Scale | None = None
    """How strongly the whole object follows the image, where it is sampled from one."""


@dataclass(frozen=True)
class GuidanceScales:
    """How strongly a sample follows the image (a) and the geometry (b)."""

    image: float
    geometry: float


class StoppingRules(_Options):
    """When a part is tried again, and when the object is done."""

    max_parts: Annotated[int, Field(ge=1, le=1000)] = 40
    """Hard cap on the number of parts where no mask says how many there are."""
    iou_threshold: Annotated[float, Field(le=1, allow_inf_nan=False)] = 0.3
    """A part that overlaps the accepted ones by more than this share is a duplicate; negative turns the test off."""
    iou_grid_size: Annotated[int, Field(ge=16, le=1024)] = 256
    """Cells along an edge of the grid on which overlap is measured."""
    duplicate_retries: Annotated[int, Field(ge=0, le=100)] = 3
    """Further attempts at a part that came out empty or a duplicate."""
    end_threshold: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    """Mean latent magnitude below which the object is done; None is the preset's value."""


class DecodeOptions(_Options):
    """How a latent becomes a mesh."""

    grid_size: Annotated[int, Field(ge=16, le=1024)] = 256
    """Lattice points along an edge of the field's cube; a power of two."""
    isosurface_backend: IsosurfaceBackend = AUTO
    """`diso` needs CUDA; `auto` takes it where it is there, `libigl` otherwise."""
    use_coarse_bbox: bool = False
    """Spend all of `grid_size` within the surface's own box, as a lattice of 128 shows it: finer voxels."""
    within_whole: bool = False
    """Look for parts only in the whole object and around it, up to an eighth of the normalised frame's half edge:
    several times faster; what reaches further is cut off."""

    @field_validator("grid_size")
    @classmethod
    def _power_of_two(cls, size: int) -> int:
        if size & (size - 1):
            nearest = 2 ** round(math.log2(size))
            raise ValueError(f"must be a power of two; try {nearest}")
        return size


class CleanupOptions(_Options):
    """How an accepted part is cleaned up."""

    postprocess: bool = True
    """Simplify, drop floaters, and whatever else is done to a finished part; off leaves it as it was extracted."""
    simplify_faces: Annotated[int, BeforeValidator(_or_off)] = 50_000
    """Quadric simplification above this many faces; 0, less or null turns it off."""
    simplify_aggressiveness: Annotated[float, Field(ge=0, le=10)] = 1.0
    """How hard the simplifier pushes towards the target, in its own unit."""
    floater_share: Annotated[float, Field(ge=0, lt=1)] = 0.01
    """Share of a part's area below which a component of it is a floater."""
    fit_to_mesh: bool = False
    """Where a mesh is given: at the end, divide it among the parts, so that each point of its solid is in exactly one.
    Where the mesh is closed, they have its own surface."""
    fit_at_edges: bool = False
    """With `fit_to_mesh`: cut the mesh at its own hollow edges where it has some, and not only where sampled parts end.
    Where these are far from making up the mesh, hollow edges alone count."""
    further_parts: Annotated[int, Field(ge=0, le=1000)] = 8
    """With `fit_to_mesh` and no mask: parts that may be added, up to `max_parts`, for lumps of at least 2 % of the
    volume that no part has, or that are apart from the rest of theirs; 0 gives them to their neighbours."""
    exclusive: bool = False
    """Where no mesh is given: at the end, what several parts have goes to the one whose field is larger there, that is
    in which it lies deeper. A part that repeats another is left out."""
    regroup_pieces: bool = True
    """With `fit_at_edges` and no mask: networks trained on pieces between hollow edges say which of them are one part
    where the sampled parts are far from making up the mesh, and elsewhere what these overlooked; off, each piece goes
    to the sampled part it lies in, or is divided by them."""
    mask_remainder: bool = False
    """With `fit_to_mesh` and a mask: what no region's part has does not go to the nearest, but becomes parts of its
    own, as `further_parts` says without a mask."""
    simplify_fitted: bool = False
    """Simplify fitted parts to `simplify_faces`, too: they no longer have the mesh's own surface then, and no longer
    meet exactly."""
    smooth_iters: Annotated[int, Field(ge=0, le=1000)] = 0
    """Taubin smoothing steps at the end."""
    scene_cleanup: bool = False
    """At the end, drop components that do not touch the first part, directly or through others."""


class MeshOptions(DecodeOptions, CleanupOptions):
    """How a mesh is made and cleaned up in one go."""


class InputOptions(_Options):
    """What happens to the image before it is encoded."""

    remove_background: bool = True
    """Remove the background of an image that has no transparency of its own."""
    clean_input: bool = False
    """Remove of the given mesh what can be seen from nowhere outside: inner shells, and what lies within other solids
    of it."""
    input_up: Axis = "y"
    """Axis of the given mesh that points up: `y`, or `z` as in most STL, 3MF and CAD files."""


class OutputOptions(_Options):
    """What is left behind beside the part meshes."""

    visualize_mask: bool = True
    """With a mask: also write it in the parts' colours, with its palette."""
    save_whole: bool = False
    """Also decode the whole object and write it as `whole.glb`."""
    preview: bool = True
    """Also write a picture of the parts."""
    appearance: Literal["input", "palette", "picture"] = "input"
    """How the parts look: `input` as the given mesh does, with its textures and colours, where it has any; `palette`
    each in a colour of its own; `picture` as the image shows them, and where it does not, as beside that. With `input`,
    the combined GLB has the palette too, to choose from."""
    save_latents: bool = True
    """Also leave what edits need: the whole object's latent and the parts as they were sampled."""
    formats: Annotated[
        str, BeforeValidator(format_list), Field(json_schema_extra={"x-several-of": list(MESH_FORMATS)})
    ] = "glb"
    """Formats of the parts and of the object put together: `glb`, which is always written, `obj`, `stl`, `ply`, `3mf`,
    `usdz`; several with commas. USDZ needs the extra `usd`."""
    compress: bool = False
    """Pack the GLB files with meshoptimizer (EXT_meshopt_compression): smaller, nothing is lost, but only readers that
    know it open them."""
    frame: Literal["normalised", "input"] = "normalised"
    """Where the parts lie in their files: `normalised` is centred with max |coordinate| 1, `input` the given mesh's own
    place and size."""
    output_up: Axis | None = None
    """Axis that points up in the files: `y` or `z`. None is the given mesh's in frame `input`, and otherwise `z` in STL
    and 3MF and `y` in the others."""
    show_progress: bool = True
    """Show progress on the terminal (command line and library only)."""


class GenerationOptions(
    SamplingOptions,
    GuidanceOptions,
    StoppingRules,
    MeshOptions,
    InputOptions,
    OutputOptions,
):
    """All options of one generation, flat."""

    def with_defaults(self, defaults: Mapping[str, object]) -> Self:
        """These options, with `defaults` in place of every field that was not set by name."""
        chosen = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self)(**{**defaults, **chosen})


def _option_error(error: ValidationError, *, known: Mapping[str, object]) -> OptionError:
    first = error.errors(include_url=False)[0]
    name = str(first["loc"][0]) if first["loc"] else "options"
    if first["type"] == "extra_forbidden":
        close = difflib.get_close_matches(name, known, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"known options: {', '.join(sorted(known))}"
        return OptionError(f"unknown option {name!r}; {hint}", field=name)
    reason = first["msg"].removeprefix("Value error, ")
    return OptionError(f"{name}: {reason[0].lower()}{reason[1:]}, got {first['input']!r}", field=name)
