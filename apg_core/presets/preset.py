"""A preset as a value: everything about a set of weights but the weights."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from pydantic import JsonValue

from apg_core.diffusion.schedule import Schedule
from apg_core.geometry.values import SurfaceSampling
from apg_core.models.configs import ImageEncoderConfig, PartDitConfig, ShapeVaeConfig
from apg_core.presets.processor import multiplies_bf16
from apg_core.presets.sections import Background, FloatPrecision
from apg_core.protocol.mode import MODES, Mode
from apg_core.protocol.options import GenerationOptions, GuidanceOptions, GuidanceScales

Precision = Literal["fp32", "bf16", "fp16"]
PrecisionChoice = Literal["auto", "fp32", "bf16", "fp16"]
MASK_MODES: frozenset[Mode] = frozenset(mode for inputs, mode in MODES.items() if "mask" in inputs)
_SHORT: dict[FloatPrecision, Precision] = {"bfloat16": "bf16", "float16": "fp16", "float32": "fp32"}


@dataclass(frozen=True, kw_only=True)
class WeightSource:
    """Where one network's weights may be."""

    files: tuple[str, ...]
    """Names of the file, best first."""
    path: Path | None = None
    """The file that the config itself names, by `checkpoint_path`."""
    repository: str | None = None
    """Who publishes it on Hugging Face."""
    licence: str = "see the repository"


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything about a set of weights but the weights."""

    name: str
    reference: str
    """What it was asked for by: a name or a path."""
    description: str
    licence: str
    roots: tuple[Path, ...]
    """Folders that its weights may be below: its own, then for a file of the user's that one's parents."""
    dit: PartDitConfig
    vae: ShapeVaeConfig
    image_encoder: ImageEncoderConfig
    schedule: Schedule
    latent_scale: float
    float_precision: FloatPrecision
    """What the weights are held in on a GPU."""
    cpu_precision: FloatPrecision
    """What they are held in on a CPU, where the processor does that by itself; else fp32."""
    surface: SurfaceSampling
    guidance: Mapping[Mode, GuidanceScales]
    whole_guidance: float
    end_threshold: float
    defaults: Mapping[str, bool | int | float | str]
    weights: Mapping[str, WeightSource]
    background: Background
    random_seed: int | None

    @property
    def folder(self) -> Path:
        """Where its file is."""
        return self.roots[0]

    @property
    def num_latents(self) -> int:
        """Tokens of a latent."""
        return self.surface.latents

    @property
    def sampling(self) -> Mapping[str, JsonValue]:
        """What a manifest says of sampling beside the options: it tells an edited config file from another."""
        return {
            "schedule": {"class_name": self.schedule.class_name, **self.schedule.settings},
            "latent_scale": self.latent_scale,
            "whole_guidance": self.whole_guidance,
            "guidance": {mode: asdict(scales) for mode, scales in self.guidance.items()},
        }

    def precision_on(self, device: str, choice: PrecisionChoice = "auto") -> Precision:
        """What the weights are held in on a device of this type, unless the caller has chosen."""
        if choice != "auto":
            return choice
        if device == "cpu":
            return _SHORT[self.cpu_precision] if multiplies_bf16() else "fp32"
        return _SHORT[self.float_precision]

    def complete(self, options: GenerationOptions) -> GenerationOptions:
        """The options with this preset's defaults in place of what the caller left alone."""
        return options.with_defaults({"end_threshold": self.end_threshold, **self.defaults})

    def part_guidance(self, mode: Mode, options: GuidanceOptions) -> GuidanceScales:
        """Scales for a part in this mode: the mask overrides first, then the general ones, then the preset's."""
        scales = self.guidance[mode]
        image = _first(options.image_cfg_scale, scales.image)
        geometry = _first(options.geometry_cfg_scale, scales.geometry)
        if mode in MASK_MODES:
            image = _first(options.mask_image_cfg_scale, image)
            geometry = _first(options.mask_geometry_cfg_scale, geometry)
        return GuidanceScales(image, geometry)

    def whole_scale(self, options: GuidanceOptions) -> float:
        """Scale with which the whole object follows the image."""
        return _first(options.whole_cfg_scale, self.whole_guidance)


def _first(chosen: float | None, fallback: float) -> float:
    return fallback if chosen is None else chosen
