"""The cases of a parity folder: the networks, trajectories and pictures that it has known outputs for."""

import dataclasses
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

from apg_core.diffusion.guidance import GuidanceScales, GuidedInput, part_rows, whole_rows
from apg_core.diffusion.trajectories import Trajectory, run
from apg_core.errors import PresetError
from apg_core.geometry.farthest import farthest_points
from apg_core.inputs import InputLimits, read_image, read_mask
from apg_core.models.part_dit import PartDit
from apg_core.models.shape_vae import ShapeVae
from apg_core.pipeline.conditioning import FeatureExtractor
from apg_core.pipeline.loading import ModelLoader
from apg_core.pipeline.prepare import mask_regions, prepare_region, prepare_whole
from apg_core.pipeline.sampling import PartSampler
from apg_core.pipeline.stages import HistoryNoise, PartRequest, WholeRequest
from apg_core.presets import Preset, load_preset
from apg_core.presets.preset import WeightSource
from apg_core.protocol.arrays import RgbImage

SINGLE_PASS, TRAJECTORY, END_TO_END, PIXELS, EXACT = 1e-5, 2e-4, 1e-3, 2 / 255, 0.0
WHOLE_GUIDANCE = 7.0
NUMBER = r"(\d+(?:\.\d+)?)"
WEIGHTS = {
    "dit": WeightSource(files=("dit.pth", "dit.safetensors")),
    "vae": WeightSource(files=("vae.pth", "vae.safetensors")),
    "image_encoder": WeightSource(files=("dinov2_hub.pth", "dinov2.pth", "dinov2.safetensors")),
}


@dataclass(frozen=True)
class CaseResult:
    """How far one case is from its known output; `error` is None where the folder does not have the case."""

    name: str
    tolerance: float
    error: float | None

    @property
    def passed(self) -> bool:
        """Whether the error is within the tolerance; NaN is not."""
        return self.error is None or self.error <= self.tolerance

    def __str__(self) -> str:
        if self.error is None:
            return f"skip  {self.name}: not in this folder"
        return f"{'ok  ' if self.passed else 'FAIL'}  {self.name}: {self.error:.2e} (tolerance {self.tolerance:.0e})"


class ParityCases:
    """The cases of one folder, and the networks that they are about."""

    def __init__(self, folder: Path, device: torch.device) -> None:
        self._folder = folder
        self._device = device
        self._config = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
        preset = load_preset(folder / "config.yaml")
        self._preset: Preset = dataclasses.replace(preset, folder=folder, weights=WEIGHTS)
        self._loader = ModelLoader(self._preset, device=device, checkpoints=(), dtype=torch.float32)
        self._tensors = load_file(folder / "cases.safetensors")

    def results(self) -> Iterator[CaseResult]:
        """Every known case, skipped ones included."""
        for name, tolerance, needs, compute in self._all():
            known = all(self._has(need) for need in needs)
            yield CaseResult(name, tolerance, compute() if known else None)

    def _has(self, need: str) -> bool:
        return need in self._tensors or (self._folder / need).is_file()

    def _all(self) -> Iterator[tuple[str, float, tuple[str, ...], Callable[[], float]]]:
        yield "dino", SINGLE_PASS, ("dino.in.image01", "dino.out.features"), self._dino
        encode = ("vae.in.surface", "vae.in.fps_indices")
        yield "vae.mean", SINGLE_PASS, (*encode, "vae.out.mean"), lambda: self._vae_encode()[0]
        yield "vae.logvar", SINGLE_PASS, (*encode, "vae.out.logvar"), lambda: self._vae_encode()[1]
        yield "vae.zero_surface", SINGLE_PASS, ("vae.out.zero_surface_mean",), self._vae_zero
        yield "vae.field", SINGLE_PASS, ("vae.in.latent", "vae.in.queries", "vae.out.field"), self._vae_field
        for variant in ("pred", "pred_sigma", "pred_whole"):
            needs = ("dit.in.x", f"dit.out.{variant}")
            yield f"dit.{variant}", SINGLE_PASS, needs, lambda variant=variant: self._dit(variant)
        yield "fps", EXACT, ("fps.in.points",), self._farthest_points
        yield from self._named("sample.out.part", TRAJECTORY, self._sample_part)
        yield from self._named("sample.out.whole", TRAJECTORY, self._sample_whole)
        image = "input_rgba.png"
        yield "e2e.prepared_image", PIXELS, ("e2e.out.prepared_image", image), self._prepared
        yield "e2e.features", END_TO_END, ("e2e.out.features", image), self._features
        for stem, picture, mask in (
            ("mask.out.prepared", image, "input_mask.png"),
            ("prep.out.soft_masked", "input_soft.png", "input_soft_mask.png"),
        ):
            yield from self._regions(stem, picture, mask)
        yield "prep.soft", PIXELS, ("prep.out.soft", "input_soft.png"), self._soft
        yield from self._named("e2e.out.whole_scaled", END_TO_END, self._end_to_end_whole)
        yield from self._named("e2e.out.part", END_TO_END, self._end_to_end_part)
        yield from self._named("e2e.out.masked", END_TO_END, self._end_to_end_part)

    def _named(
        self, stem: str, tolerance: float, compute: Callable[[str], float]
    ) -> Iterator[tuple[str, float, tuple[str, ...], Callable[[], float]]]:
        names = sorted(name for name in self._tensors if name.startswith(stem))
        if not names:
            yield stem, tolerance, (stem,), lambda: float("nan")
        for name in names:
            yield name.replace(".out", "", 1), tolerance, (name,), lambda name=name: compute(name)

    def _in(self, name: str) -> Tensor:
        return self._tensors[name].to(self._device)

    def _error(self, computed: Tensor | np.ndarray, name: str) -> float:
        expected = self._tensors[name]
        computed = torch.as_tensor(computed).detach().cpu().reshape(expected.shape)
        return float((computed.double() - expected.double()).abs().max())

    # Networks, one pass each.

    @cached_property
    def _denoiser(self) -> PartDit:
        return self._loader.denoiser()

    @cached_property
    def _vae(self) -> ShapeVae:
        return self._loader.vae()

    @cached_property
    def _extractor(self) -> FeatureExtractor:
        return FeatureExtractor(self._loader.image_encoder())

    @torch.inference_mode()
    def _dino(self) -> float:
        return self._error(self._extractor.encoder(self._in("dino.in.image01")), "dino.out.features")

    @torch.inference_mode()
    def _vae_encode(self) -> tuple[float, float]:
        posterior = self._vae.encode(self._in("vae.in.surface"), self._in("vae.in.fps_indices")[None])
        return self._error(posterior.mean, "vae.out.mean"), self._error(posterior.log_variance, "vae.out.logvar")

    @torch.inference_mode()
    def _vae_zero(self) -> float:
        return self._error(self._zero_latent, "vae.out.zero_surface_mean")

    @torch.inference_mode()
    def _vae_field(self) -> float:
        return self._error(self._vae.decode(self._in("vae.in.latent"), self._in("vae.in.queries")), "vae.out.field")

    @torch.inference_mode()
    def _dit(self, variant: str) -> float:
        geometry = self._in("dit.in.geometry")
        geometry = geometry[:, :1] if variant == "pred_whole" else geometry
        sigma = self._in("dit.in.sigma") if variant == "pred_sigma" else None
        context = self._denoiser.context(self._in("dit.in.image"), geometry, sigma)
        return self._error(self._denoiser(self._in("dit.in.x"), self._in("dit.in.t"), context), f"dit.out.{variant}")

    def _farthest_points(self) -> float:
        points = self._tensors["fps.in.points"].numpy()
        errors = []
        for name in (name for name in self._tensors if name.startswith("fps.out.indices_start")):
            start, count = (int(number) for number in re.findall(r"\d+", name))
            errors.append(self._error(farthest_points(points, count, start_idx=start), name))
        return max(errors, default=float("nan"))

    # Trajectories from given contexts.

    def _sample_part(self, name: str) -> float:
        steps, image, geometry, seed = _numbers(name, rf"steps{NUMBER}\.image{NUMBER}\.geometry{NUMBER}\.seed{NUMBER}")
        images = torch.cat([self._in("sample.in.image_uncond"), self._in("sample.in.image_cond")])
        given = self._in("sample.in.geometry")
        guided = GuidedInput(
            images, torch.cat([torch.zeros_like(given), given]), part_rows(GuidanceScales(image, geometry))
        )
        return self._error(self._run(guided, steps=int(steps), seed=int(seed)) / self._preset.latent_scale, name)

    def _sample_whole(self, name: str) -> float:
        steps, guidance, seed = _numbers(name, rf"steps{NUMBER}\.cfg{NUMBER}\.seed{NUMBER}")
        images = torch.cat([self._in("sample.in.image_uncond"), self._in("sample.in.image_cond")])
        half = images[..., : images.shape[-1] // 2]
        zero = torch.zeros_like(self._in("sample.in.geometry")[:, :1])
        guided = GuidedInput(torch.cat([half, half], dim=-1), zero, whole_rows(guidance))
        return self._error(self._run(guided, steps=int(steps), seed=int(seed)), name)

    def _run(self, guided: GuidedInput, *, steps: int, seed: int) -> Tensor:
        schedule = self._preset.schedule
        return run(self._denoiser, Trajectory(self._denoiser, guided, schedule=schedule, steps=steps, seed=seed))

    # From pictures to latents, through the pipeline's own stages.

    @cached_property
    def _picture(self) -> RgbImage:
        return prepare_whole(self._rgba("input_rgba.png"), self._extractor.input_size)

    @cached_property
    def _whole_features(self) -> np.ndarray:
        return self._extractor.extract([self._picture])[0]

    @cached_property
    def _sampler(self) -> PartSampler:
        return PartSampler(
            self._denoiser,
            schedule=self._preset.schedule,
            latent_scale=self._preset.latent_scale,
            num_latents=self._preset.num_latents,
            dropped=self._extractor.dropped(),
        )

    @cached_property
    def _zero_latent(self) -> Tensor:
        surface = torch.zeros(1, self._preset.surface.points, 6, device=self._device)
        queries = torch.arange(self._preset.num_latents, device=self._device)[None]
        return self._vae.encode(surface, queries).mean

    def _rgba(self, name: str) -> np.ndarray:
        return read_image(self._folder / name, InputLimits())

    def _prepared(self) -> float:
        return self._error(_chw(self._picture), "e2e.out.prepared_image")

    def _features(self) -> float:
        return self._error(self._whole_features[None], "e2e.out.features")

    def _soft(self) -> float:
        return self._error(
            _chw(prepare_whole(self._rgba("input_soft.png"), self._extractor.input_size)), "prep.out.soft"
        )

    def _regions(
        self, stem: str, picture: str, mask: str
    ) -> Iterator[tuple[str, float, tuple[str, ...], Callable[[], float]]]:
        names = sorted(name for name in self._tensors if name.startswith(f"{stem}."))
        for place, name in enumerate(names):
            yield (
                name.replace(".out", "", 1),
                PIXELS,
                (name, picture, mask),
                (lambda place=place, name=name: self._error(_chw(self._region(place, picture, mask)), name)),
            )

    def _region(self, place: int, picture: str, mask: str) -> RgbImage:
        labels = read_mask(self._folder / mask, InputLimits())
        label = mask_regions(labels)[place]
        return prepare_region(self._rgba(picture), labels, label, self._extractor.input_size)

    def _end_to_end_whole(self, name: str) -> float:
        seed, steps = _numbers(name, rf"seed{NUMBER}\.steps{NUMBER}")
        return self._error(self._whole_latent(int(seed), int(steps)) * self._preset.latent_scale, name)

    def _whole_latent(self, seed: int, steps: int) -> np.ndarray:
        request = WholeRequest(
            features=self._whole_features, guidance=WHOLE_GUIDANCE, seed=seed, steps=steps, sigma_floor=0.0
        )
        return self._sampler.sample(request)

    def _end_to_end_part(self, name: str) -> float:
        seed, steps = _numbers(name, rf"seed{NUMBER}\.steps{NUMBER}")
        whole_name = next(name for name in self._tensors if name.startswith("e2e.out.whole_scaled"))
        whole_seed, whole_steps = _numbers(whole_name, rf"seed{NUMBER}\.steps{NUMBER}")
        first = name.startswith("e2e.out.part0.")
        history = self._zero_latent if first else self._in("e2e.out.history_scaled") / self._preset.latent_scale
        region = re.search(r"masked(\d+)", name)
        noised = re.search(rf"\.sigma{NUMBER}", name)
        request = PartRequest(
            features=self._whole_features,
            region_features=None if region is None else self._region_features(int(region[1])),
            whole=self._whole_latent(int(whole_seed), int(whole_steps)),
            history=history[0].cpu().numpy(),
            image_guidance=_number(name, "image", otherwise=0.0),
            geometry_guidance=_number(name, "geometry", otherwise=2.0),
            seed=int(seed),
            steps=int(steps),
            sigma_floor=_number(name, "sigma_floor", otherwise=0.0),
            history_noise=None
            if noised is None
            else HistoryNoise(float(noised[1]), self._tensors["e2e.in.history_noise"][0].numpy()),
        )
        return self._error(self._sampler.sample(request)[None], name)

    def _region_features(self, place: int) -> np.ndarray:
        return self._extractor.extract([self._region(place, "input_rgba.png", "input_mask.png")])[0]


def _chw(image: RgbImage) -> np.ndarray:
    return image.transpose(2, 0, 1).astype(np.float64) / 255


def _numbers(name: str, pattern: str) -> list[float]:
    match = re.search(pattern, name)
    if match is None:
        raise PresetError(f"the case {name!r} does not say its settings; expected {pattern}")
    return [float(group) for group in match.groups()]


def _number(name: str, setting: str, *, otherwise: float) -> float:
    match = re.search(rf"\.{setting}{NUMBER}", name)
    return otherwise if match is None else float(match[1])
