"""Cases from pictures to latents, through the pipeline's own stages."""

from dataclasses import KW_ONLY, dataclass

import numpy as np
from jaxtyping import Float

from apg_core.parity.folder import ParityFolder
from apg_core.parity.single_pass import nothing_mean
from apg_core.pipeline.prepare import prepare_region, prepare_whole
from apg_core.pipeline.stages import Geometry, HistoryNoise, LatentRequest
from apg_core.protocol.arrays import FeatureArray, LatentArray, RgbImage
from apg_core.protocol.options import GuidanceScales
from apg_core.protocol.prompt import mask_regions

PICTURE, MASK = "input_rgba.png", "input_mask.png"


@dataclass(frozen=True)
class PreparedPicture:
    """The object of a picture on white, or a region of its mask, as the encoder gets it: channels first, in [0, 1]."""

    picture: str = PICTURE
    mask: str | None = None
    region: int = 0

    def __call__(self, folder: ParityFolder) -> Float[np.ndarray, "3 H W"]:
        return self.image(folder).transpose(2, 0, 1).astype(np.float64) / 255

    def image(self, folder: ParityFolder) -> RgbImage:
        """The same as an image."""
        picture, size = folder.picture(self.picture), folder.extractor.input_size
        if self.mask is None:
            return prepare_whole(picture, size)
        labels = folder.mask(self.mask)
        return prepare_region(picture, labels, mask_regions(labels)[self.region], size)

    def features(self, folder: ParityFolder) -> FeatureArray:
        """What the encoder makes of it."""
        return folder.extractor.extract([self.image(folder)])[0]


def picture_features(folder: ParityFolder) -> Float[np.ndarray, "1 T X"]:
    """Features of the picture."""
    return PreparedPicture().features(folder)[None]


@dataclass(frozen=True, kw_only=True)
class WholeOfPicture:
    """The latent of the whole object in the picture, in the denoiser's scale."""

    seed: int = 3
    steps: int = 10
    guidance: float = 7.0

    def __call__(self, folder: ParityFolder) -> LatentArray:
        return self.latent(folder) * folder.preset.latent_scale

    def latent(self, folder: ParityFolder) -> LatentArray:
        """The same in VAE scale."""
        return folder.sampler.sample(
            LatentRequest(
                features=PreparedPicture().features(folder),
                guidance=GuidanceScales(image=self.guidance, geometry=0.0),
                seed=self.seed,
                steps=self.steps,
                sigma_floor=0.0,
            )
        )


@dataclass(frozen=True)
class PartOfPicture:
    """The latent of a part of that object, in VAE scale: the first, or the next one after a given history."""

    scales: GuidanceScales
    _: KW_ONLY
    seed: int
    steps: int = 10
    first: bool = False
    region: int | None = None
    history_sigma: float = 0.0
    sigma_floor: float = 0.0

    def __call__(self, folder: ParityFolder) -> LatentArray:
        region = None if self.region is None else PreparedPicture(mask=MASK, region=self.region)
        geometry = Geometry(WholeOfPicture().latent(folder), self._history(folder), self._history_noise(folder))
        return folder.sampler.sample(
            LatentRequest(
                features=PreparedPicture().features(folder),
                region_features=None if region is None else region.features(folder),
                geometry=geometry,
                guidance=self.scales,
                seed=self.seed,
                steps=self.steps,
                sigma_floor=self.sigma_floor,
            )
        )

    def _history(self, folder: ParityFolder) -> LatentArray:
        if self.first:
            return nothing_mean(folder)[0].cpu().numpy()
        return (folder.tensor("e2e.out.history_scaled") / folder.preset.latent_scale)[0].cpu().numpy()

    def _history_noise(self, folder: ParityFolder) -> HistoryNoise | None:
        if self.history_sigma == 0:
            return None
        return HistoryNoise(self.history_sigma, folder.tensor("e2e.in.history_noise")[0].cpu().numpy())
