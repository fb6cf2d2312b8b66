"""The beginning of a generation: see the picture, then get the whole object, from the mesh or sampled."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from apg_core.geometry.extent import Extent
from apg_core.geometry.normalise import Placement, normalise
from apg_core.pipeline.best_of import draw_samples, most_typical_first
from apg_core.pipeline.brief import Brief
from apg_core.pipeline.seeds import Draw, draw_seed
from apg_core.pipeline.stages import LatentRequest, PreparedImages
from apg_core.protocol.arrays import Coverage, FeatureArray, Labels, LatentArray, RgbImage
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import GuidanceScales
from apg_core.protocol.stage import Stage

WHOLE_DRAWS = (Draw.WHOLE_SURFACE, Draw.WHOLE_POSTERIOR)


@dataclass(frozen=True, eq=False)
class Seen:
    """What was seen of the object in the picture; nothing where there is none."""

    prepared: RgbImage | None = None
    """The object on white, as the encoder sees it."""
    features: FeatureArray | None = None
    """Of the whole object."""
    regions: Sequence[FeatureArray] = ()
    """Of each mask region, in the order of the parts."""
    labels: Labels | None = None
    """The mask's label of each pixel of `prepared`."""
    outline: Coverage | None = None
    """Of the object, where the picture shows it for sure."""
    warnings: tuple[str, ...] = ()

    @classmethod
    def of(cls, prepared: PreparedImages, features: Sequence[FeatureArray]) -> "Seen":
        """These pictures, with the features of the whole and of each region."""
        warnings = () if prepared.warning is None else (prepared.warning,)
        return cls(prepared.whole, features[0], features[1:], prepared.labels, prepared.outline, warnings)


@dataclass(frozen=True, eq=False)
class Whole:
    """The whole object: its latent (VAE scale), and the normalised mesh where one was given."""

    latent: LatentArray
    mesh: TriangleMesh | None = None
    placement: Placement | None = None
    extent: Extent | None = None
    """Where it roughly is, where `within_whole` asks for it."""


async def see(brief: Brief) -> Seen:
    """Prepare the prompt's picture and its mask regions, and encode them."""
    prompt = brief.prompt
    if prompt.image is None:
        return Seen()
    await brief.sink.stage(Stage.BACKGROUND)
    remove = brief.options.remove_background
    preparing = brief.stages.prepare_images(prompt.image, prompt.mask, prompt.regions or (), remove_background=remove)
    prepared = await brief.clock(Stage.BACKGROUND, preparing)
    await brief.sink.stage(Stage.ENCODE)
    pictures = [prepared.whole, *prepared.regions]
    return Seen.of(prepared, await brief.clock(Stage.ENCODE, brief.stages.encode_images(pictures)))


async def get_whole(brief: Brief, seen: Seen, known: LatentArray | None = None) -> Whole:
    """The whole object: encoded from the given mesh, or sampled from what was seen; `known` is not made again."""
    await brief.sink.stage(Stage.WHOLE)
    if brief.prompt.mesh is None:
        whole = Whole(await _sample_whole(brief, seen) if known is None else known)
    else:
        mesh, placement = normalise(brief.prompt.mesh, up=brief.options.input_up)
        latent = await encode_mesh(brief, mesh, draws=WHOLE_DRAWS) if known is None else known
        whole = Whole(latent, mesh, placement)
    await brief.sink.whole(whole.latent, seen.prepared)
    if not brief.options.within_whole:
        return whole
    return replace(whole, extent=await brief.clock(Stage.WHOLE, brief.stages.find_extent(whole.latent, whole.mesh)))


async def encode_mesh(brief: Brief, mesh: TriangleMesh, *, draws: tuple[Draw, Draw], part: int = 0) -> LatentArray:
    """Latent of a mesh in the normalised frame; `draws` are its surface's and its posterior's."""
    seed = brief.options.seed
    surface_seed, posterior_seed = (draw_seed(seed, draw, part=part) for draw in draws)
    surface = await brief.clock(Stage.SURFACE, brief.stages.sample_surface(mesh, surface_seed))
    encoding = brief.stages.encode_surface(surface, posterior_seed if brief.options.sample_posterior else None)
    return await brief.clock(Stage.CODEC, encoding)


async def _sample_whole(brief: Brief, seen: Seen) -> LatentArray:
    request = LatentRequest(
        features=seen.features,
        guidance=GuidanceScales(image=brief.preset.whole_scale(brief.options), geometry=0.0),
        seed=brief.options.seed,
        steps=brief.options.num_inference_steps,
        sigma_floor=brief.options.sigma_floor,
    )
    samples = await draw_samples(brief, Stage.WHOLE, request)
    latent = (await most_typical_first(brief, samples))[0].latent
    if seen.outline is None or not brief.options.fit_to_outline:
        return latent
    seed = draw_seed(brief.options.seed, Draw.WHOLE_OUTLINE)
    return await brief.clock(Stage.WHOLE, brief.stages.fit_to_outline(latent, seen.outline, seed))
