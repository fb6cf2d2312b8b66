"""Reading a preset into a value; no weights are touched."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from apg_core.diffusion.schedule import Schedule
from apg_core.errors import OptionError, PresetError
from apg_core.geometry.surface import SurfaceSampling
from apg_core.models.image_encoder import ImageEncoderConfig
from apg_core.models.part_dit import PartDitConfig
from apg_core.models.shape_vae import ShapeVaeConfig
from apg_core.presets.published import PUBLISHED_WEIGHTS, published_guidance
from apg_core.protocol.options import GenerationOptions, GuidanceOptions, GuidanceScales
from apg_core.protocol.prompt import Mode

Background = Literal["rmbg", "plain", "auto"]
DEFAULT_PRESET = "tiny"
PRESET_FILE = "preset.yaml"
MASK_MODES: frozenset[Mode] = frozenset({"image_mask", "image_mesh_mask"})
HERE = Path(__file__).parent


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")  # published configs have keys of other programs


class _Conditioner(_Section):
    img_size: int = 518
    img_input: int = 448
    embed_dim: int = 1024
    depth: int = 24
    num_heads: int = 16
    mlp_ratio: int = 4
    patch_size: int = 14
    num_register_tokens: int = 4


class _Dit(_Section):
    num_latents: int
    in_channels: int
    width: int
    num_layers: int
    num_attention_heads: int
    cross_attention_dim: int
    token_cross_attention_layer: int
    scale_factor: float


class _Vae(_Section):
    latent_channels: int
    num_attention_heads: int
    encoder_width: int
    width_decoder: int
    num_layers_encoder: int
    num_layers_decoder: int
    latent_eval_downscale: int
    point_cloud_size: int


class WeightSource(_Section):
    """Where one network's weights may be: file names to look for, and the repository that publishes them."""

    files: tuple[str, ...]
    repository: str | None = None
    licence: str = "see the repository"


class _Guidance(_Section):
    whole: float
    image: tuple[float, float]
    mesh: tuple[float, float]
    image_mesh: tuple[float, float]
    image_mask: tuple[float, float]
    image_mesh_mask: tuple[float, float]


class _Own(BaseModel):
    """The section that only this project's presets have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str = "a published config"
    licence: str = "the licence of the published weights"
    end_threshold: float = Field(default=0.1, ge=0)
    presamples: int = 500_000
    candidates: int = 65_536
    guidance: _Guidance | None = None
    defaults: dict[str, bool | int | float | str] = {}
    weights: dict[str, WeightSource] = Field(default=PUBLISHED_WEIGHTS, validate_default=True)
    background: Background = "rmbg"
    random_seed: int | None = None


class _File(_Section):
    scheduler: Schedule = Schedule()
    conditioner: _Conditioner = _Conditioner()
    dit: _Dit
    vae: _Vae
    preset: _Own = _Own()


@dataclass(frozen=True, kw_only=True)
class Preset:
    """Everything about a set of weights but the weights."""

    name: str
    reference: str
    """What it was asked for by: a name or a path."""
    description: str
    licence: str
    folder: Path
    dit: PartDitConfig
    vae: ShapeVaeConfig
    image_encoder: ImageEncoderConfig
    schedule: Schedule
    latent_scale: float
    surface: SurfaceSampling
    guidance: Mapping[Mode, GuidanceScales]
    whole_guidance: float
    end_threshold: float
    defaults: Mapping[str, bool | int | float | str]
    weights: Mapping[str, WeightSource]
    background: Background
    random_seed: int | None

    @property
    def num_latents(self) -> int:
        """Tokens of a latent."""
        return self.surface.latents

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


def list_presets() -> list[Preset]:
    """The presets that come with the library."""
    return [load_preset(folder.name) for folder in sorted(HERE.iterdir()) if (folder / PRESET_FILE).is_file()]


def load_preset(name_or_path: str | Path) -> Preset:
    """A preset by its name, or by the path of a folder with `preset.yaml` or of a published config file.

    Raises:
        PresetError: there is no such preset, or the file is not one.
    """
    path = _find(name_or_path)
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise PresetError(f"{path} is not YAML: {str(error).splitlines()[0]}") from error
    try:
        file = _File.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PresetError(f"{path} is not a preset: {where}: {first['msg']}") from None
    name = path.parent.name if path.name == PRESET_FILE else path.stem
    return _preset(name, str(name_or_path), path.parent, file)


def _find(name_or_path: str | Path) -> Path:
    if (HERE / str(name_or_path) / PRESET_FILE).is_file():
        return HERE / str(name_or_path) / PRESET_FILE
    path = Path(name_or_path)
    if (path / PRESET_FILE).is_file():
        return path / PRESET_FILE
    if path.is_file():
        return path
    known = ", ".join(sorted(folder.name for folder in HERE.iterdir() if (folder / PRESET_FILE).is_file()))
    raise PresetError(f"no preset {str(name_or_path)!r}; take one of {known}, or the path of a config file")


def _preset(name: str, reference: str, folder: Path, file: _File) -> Preset:
    dit, vae, eyes, own = file.dit, file.vae, file.conditioner, file.preset
    latents, remainder = divmod(vae.point_cloud_size, vae.latent_eval_downscale)
    if remainder or latents != dit.num_latents:
        raise PresetError(
            f"{name}: vae.point_cloud_size / vae.latent_eval_downscale must be dit.num_latents, "
            f"got {vae.point_cloud_size} / {vae.latent_eval_downscale} and {dit.num_latents}"
        )
    if vae.latent_channels != dit.in_channels:
        raise PresetError(
            f"{name}: vae.latent_channels and dit.in_channels must agree, "
            f"got {vae.latent_channels} and {dit.in_channels}"
        )
    try:
        GenerationOptions().with_defaults(own.defaults)
    except OptionError as error:
        raise PresetError(f"{name}: preset.defaults: {error.message}") from error
    guidance = published_guidance(dit.num_latents) if own.guidance is None else own.guidance.model_dump()
    whole = guidance.pop("whole")
    return Preset(
        name=name,
        reference=reference,
        description=own.description,
        licence=own.licence,
        folder=folder,
        dit=PartDitConfig(
            latent_channels=dit.in_channels,
            width=dit.width,
            num_layers=dit.num_layers,
            num_attention_heads=dit.num_attention_heads,
            image_width=dit.cross_attention_dim,
            token_cross_attention_layer=dit.token_cross_attention_layer,
        ),
        vae=ShapeVaeConfig(
            latent_channels=vae.latent_channels,
            num_attention_heads=vae.num_attention_heads,
            encoder_width=vae.encoder_width,
            decoder_width=vae.width_decoder,
            num_layers_encoder=vae.num_layers_encoder,
            num_layers_decoder=vae.num_layers_decoder,
        ),
        image_encoder=ImageEncoderConfig(
            width=eyes.embed_dim,
            num_layers=eyes.depth,
            num_attention_heads=eyes.num_heads,
            mlp_ratio=eyes.mlp_ratio,
            patch_size=eyes.patch_size,
            num_register_tokens=eyes.num_register_tokens,
            position_image_size=eyes.img_size,
            input_image_size=eyes.img_input,
        ),
        schedule=file.scheduler,
        latent_scale=dit.scale_factor,
        surface=SurfaceSampling(
            presamples=own.presamples, candidates=own.candidates, points=vae.point_cloud_size, latents=latents
        ),
        guidance={mode: GuidanceScales(*scales) for mode, scales in guidance.items()},
        whole_guidance=whole,
        end_threshold=own.end_threshold,
        defaults=own.defaults,
        weights=own.weights,
        background=own.background,
        random_seed=own.random_seed,
    )


def _first(chosen: float | None, fallback: float) -> float:
    return fallback if chosen is None else chosen
