"""The sections of a preset's or config file's YAML, key for key, and what their values may be.

A key that decides what a published network is and that this implementation has one answer to is a `Literal`: another
value is refused by name. Keys of training are taken and left unread.
"""

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from apg_core.diffusion.schedule import Schedule
from apg_core.models.configs import NormOut
from apg_core.presets.published import ImageModel
from apg_core.protocol.mode import Mode

Background = Literal["rmbg", "plain", "auto"]
FloatPrecision = Literal["bfloat16", "float16", "float32"]
Scale = Annotated[float, Field(ge=0)]
Size = Annotated[int, Field(ge=1)]


class Section(BaseModel):
    """A mapping of the file; keys that it has no field for are warned of by the reader."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class ModeScales(Section):
    """Guidance of one mode."""

    image_cfg_scale: Scale | None = None
    geometry_cfg_scale: Scale | None = None


class ReleaseGuidance(Section):
    """Guidance as a config file of the release says it; what it leaves out has the values of 2048 latents."""

    whole_cfg_scale: Scale | None = None
    image: ModeScales = ModeScales()
    mesh: ModeScales = ModeScales()
    image_mesh: ModeScales = ModeScales()
    image_mask: ModeScales = ModeScales()
    image_mesh_mask: ModeScales = ModeScales()

    def of(self, mode: Mode) -> ModeScales:
        """The scales of one mode."""
        return getattr(self, mode)


class Conditioner(Section):
    """DINOv2: a model by name, or sizes of one's own."""

    model_name: ImageModel = "dinov2_vitl14_reg"
    img_size: Size = 448
    """Edge in pixels that images are resized to; where `img_input` is given, that of the position grid instead."""
    img_input: Size | None = None
    norm_out: NormOut = "none"
    embed_dim: Size | None = None
    depth: Size | None = None
    num_heads: Size | None = None
    mlp_ratio: Size | None = None
    patch_size: Size | None = None
    num_register_tokens: Size | None = None


class Dit(Section):
    """The part denoiser."""

    num_latents: Size
    in_channels: Size
    width: Size
    num_layers: Size
    num_attention_heads: Size
    cross_attention_dim: Size
    token_cross_attention_layer: int
    scale_factor: Annotated[float, Field(gt=0)]
    latent_dim: int | None = None
    use_part_position_embedding: Literal[True] = True
    latent_on_spatial: Literal[False] = False
    mlp_encode_cond: Literal[True] = True
    part_as_concat: Literal[False] = False
    use_diffusion_forcing: Literal[True] = True
    checkpoint_path: str | None = None


class Vae(Section):
    """The shape autoencoder; the sizes that config files of the release leave out have the published values."""

    encoder_width: Size
    latent_eval_downscale: Size
    latent_channels: Size = 64
    num_attention_heads: Size = 8
    width_decoder: Size = 1024
    num_layers_encoder: Size = 8
    num_layers_decoder: Size = 16
    point_cloud_size: Size = 32_768
    checkpoint_path: str | None = None
    # Of training only.
    latent_random_downscales: object = None
    surface_sampling_chunks: object = None
    grad_type: object = None
    grad_interval: object = None


class OwnWeights(Section):
    """Where one network's weights may be: file names to look for, and the repository that publishes them."""

    files: tuple[str, ...]
    repository: str | None = None
    licence: str = "see the repository"


class OwnGuidance(Section):
    """Guidance as this project's presets say it: pairs of image and geometry scale."""

    whole: Scale
    image: tuple[Scale, Scale]
    mesh: tuple[Scale, Scale]
    image_mesh: tuple[Scale, Scale]
    image_mask: tuple[Scale, Scale]
    image_mesh_mask: tuple[Scale, Scale]


class Own(BaseModel):
    """The section that only this project's presets have."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    description: str | None = None
    licence: str = "the licence of the published weights"
    end_threshold: float = Field(default=0.1, ge=0)
    presamples: int = 500_000
    candidates: int = 65_536
    guidance: OwnGuidance | None = None
    defaults: dict[str, bool | int | float | str] = {}
    weights: dict[str, OwnWeights] | None = None
    background: Background = "rmbg"
    cpu_precision: Literal["bfloat16", "float32"] = "float32"
    random_seed: int | None = None


class PresetFile(Section):
    """The whole file."""

    float_precision: FloatPrecision = "bfloat16"
    scheduler: Schedule = Schedule()
    guidance: ReleaseGuidance | None = None
    conditioner: Conditioner = Conditioner()
    dit: Dit
    vae: Vae
    preset: Own = Own()
    # Of a parity folder's config: its cases read them.
    mask_label_order: object = None
    soft_mask_label_order: object = None
