"""From the sections of a file to a preset: what they leave out filled in, what does not fit together refused."""

from pathlib import Path
from typing import TypeVar

from apg_core.errors import OptionError, PresetError
from apg_core.geometry.values import SurfaceSampling
from apg_core.models.configs import ImageEncoderConfig, PartDitConfig, ShapeVaeConfig
from apg_core.presets import published
from apg_core.presets.preset import Preset, WeightSource
from apg_core.presets.sections import Conditioner, Dit, PresetFile, Vae
from apg_core.protocol.mode import Mode
from apg_core.protocol.options import GenerationOptions, GuidanceScales

Value = TypeVar("Value")


def assemble(file: PresetFile, *, name: str, reference: str, roots: tuple[Path, ...]) -> Preset:
    """The preset that a file describes.

    Raises:
        PresetError: sections contradict each other, or say the same thing twice.
    """
    dit, vae, own = file.dit, file.vae, file.preset
    try:
        encoder = _image_encoder(file.conditioner)
        _check_agreement(file, encoder)
        guidance, whole = _guidance(file)
        weights = _weights(file)
        defaults = _defaults(file)
    except ValueError as error:
        raise PresetError(f"{name}: {error}") from None
    return Preset(
        name=name,
        reference=reference,
        description=own.description or f"A config file of {dit.num_latents} latent tokens.",
        licence=own.licence,
        roots=roots,
        dit=_denoiser(dit),
        vae=_autoencoder(vae),
        image_encoder=encoder,
        schedule=file.scheduler,
        latent_scale=dit.scale_factor,
        float_precision=file.float_precision,
        cpu_precision=own.cpu_precision,
        surface=SurfaceSampling(
            presamples=own.presamples,
            candidates=own.candidates,
            points=vae.point_cloud_size,
            latents=dit.num_latents,
        ),
        guidance=guidance,
        whole_guidance=whole,
        end_threshold=own.end_threshold,
        defaults=defaults,
        weights=weights,
        background=own.background,
        random_seed=own.random_seed,
    )


def _denoiser(dit: Dit) -> PartDitConfig:
    return PartDitConfig(
        latent_channels=dit.in_channels,
        width=dit.width,
        num_layers=dit.num_layers,
        num_attention_heads=dit.num_attention_heads,
        image_width=dit.cross_attention_dim,
        token_cross_attention_layer=dit.token_cross_attention_layer,
    )


def _autoencoder(vae: Vae) -> ShapeVaeConfig:
    return ShapeVaeConfig(
        latent_channels=vae.latent_channels,
        num_attention_heads=vae.num_attention_heads,
        encoder_width=vae.encoder_width,
        decoder_width=vae.width_decoder,
        num_layers_encoder=vae.num_layers_encoder,
        num_layers_decoder=vae.num_layers_decoder,
    )


def _image_encoder(section: Conditioner) -> ImageEncoderConfig:
    named = published.IMAGE_MODELS[section.model_name]
    patch = _first(section.patch_size, named.patch_size)
    shown = _first(section.img_input, section.img_size)
    if shown % patch:
        key = "img_size" if section.img_input is None else "img_input"
        nearest = max(patch, round(shown / patch) * patch)
        raise ValueError(f"conditioner.{key} must be a multiple of the patch size {patch}, got {shown}; try {nearest}")
    return ImageEncoderConfig(
        width=_first(section.embed_dim, named.width),
        num_layers=_first(section.depth, named.num_layers),
        num_attention_heads=_first(section.num_heads, named.num_attention_heads),
        mlp_ratio=_first(section.mlp_ratio, named.mlp_ratio),
        patch_size=patch,
        num_register_tokens=_first(section.num_register_tokens, named.num_register_tokens),
        position_image_size=named.position_image_size if section.img_input is None else section.img_size,
        input_image_size=shown,
        norm_out=section.norm_out,
    )


def _check_agreement(file: PresetFile, encoder: ImageEncoderConfig) -> None:
    dit, vae = file.dit, file.vae
    latents, remainder = divmod(vae.point_cloud_size, vae.latent_eval_downscale)
    if remainder or latents != dit.num_latents:
        raise ValueError(
            f"vae.point_cloud_size / vae.latent_eval_downscale must be dit.num_latents, "
            f"got {vae.point_cloud_size} / {vae.latent_eval_downscale} and {dit.num_latents}"
        )
    for key, other, value, expected in (
        ("vae.latent_channels", "dit.in_channels", vae.latent_channels, dit.in_channels),
        ("dit.latent_dim", "dit.in_channels", _first(dit.latent_dim, dit.in_channels), dit.in_channels),
        ("dit.cross_attention_dim", "the width of the conditioner", dit.cross_attention_dim, encoder.width),
    ):
        if value != expected:
            raise ValueError(f"{key} and {other} must agree, got {value} and {expected}")


def _guidance(file: PresetFile) -> tuple[dict[Mode, GuidanceScales], float]:
    given, own = file.guidance, file.preset.guidance
    if own is not None:
        if given is not None:
            raise ValueError("guidance and preset.guidance say the same thing; leave one out")
        pairs = own.model_dump()
        whole = pairs.pop("whole")
        return {mode: GuidanceScales(*scales) for mode, scales in pairs.items()}, whole
    scales = {}
    for mode, (image, geometry) in published.PART_SCALES.items():
        said = None if given is None else given.of(mode)
        scales[mode] = (
            GuidanceScales(image, geometry)
            if said is None
            else GuidanceScales(_first(said.image_cfg_scale, image), _first(said.geometry_cfg_scale, geometry))
        )
    return scales, published.WHOLE_SCALE if given is None else _first(given.whole_cfg_scale, published.WHOLE_SCALE)


def _defaults(file: PresetFile) -> dict[str, bool | int | float | str]:
    steps, own = file.scheduler.num_inference_timesteps, file.preset.defaults
    said = {} if steps is None else {"num_inference_steps": steps}
    for key, defaults in (("scheduler.num_inference_timesteps", said), ("preset.defaults", own)):
        try:
            GenerationOptions().with_defaults(defaults)
        except OptionError as error:
            raise ValueError(f"{key}: {error.message}") from error
    return {**said, **own}


def _weights(file: PresetFile) -> dict[str, WeightSource]:
    if file.preset.weights is not None:
        for section, path in (("dit", file.dit.checkpoint_path), ("vae", file.vae.checkpoint_path)):
            if path is not None:
                raise ValueError(f"{section}.checkpoint_path and preset.weights say the same thing; leave one out")
        return {network: WeightSource(**source.model_dump()) for network, source in file.preset.weights.items()}
    encoder = published.IMAGE_MODELS[file.conditioner.model_name]
    sources = {
        "dit": _checkpoint(file.dit.checkpoint_path, published.DENOISERS.get(file.dit.num_latents)),
        "vae": _checkpoint(file.vae.checkpoint_path, published.AUTOENCODER),
        "image_encoder": WeightSource(
            files=("model.safetensors", encoder.hub_file), repository=encoder.repository, licence=encoder.licence
        ),
        "background": WeightSource(
            files=published.BACKGROUND_FILES,
            repository=published.BACKGROUND_REPOSITORY,
            licence=published.BACKGROUND_LICENCE,
        ),
    }
    right = published.DENOISERS.get(file.dit.num_latents)
    for latents, name in published.DENOISERS.items():
        if right not in (None, name) and sources["dit"].files == (name,):
            raise ValueError(
                f"dit.checkpoint_path names {name}, the published weights of {latents} latents, "
                f"and dit.num_latents is {file.dit.num_latents}; take {right}"
            )
    return sources


def _checkpoint(path: str | None, otherwise: str | None) -> WeightSource:
    named = None if path is None else Path(path).expanduser()
    name = otherwise if named is None else named.name
    released = name in published.RELEASE_FILES
    anywhere = named is None or not named.is_absolute()  # an absolute path is one file, which nothing can stand for
    return WeightSource(
        files=() if name is None else (name,),
        path=named,
        repository=published.RELEASE if released and anywhere else None,
        licence=published.RELEASE_LICENCE if released else "yours",
    )


def _first(chosen: Value | None, fallback: Value) -> Value:
    return fallback if chosen is None else chosen
