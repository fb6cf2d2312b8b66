"""The deployment between surfaces, latents and meshes.

The surface is extracted here, not in the mesh workers: the narrow band is as large as the mesh that comes of it, so
sending it would add a hop (`benchmarks.hop`), and it is on this device already when `diso` wants it.
"""

import asyncio
from collections.abc import Sequence

from apg_core.geometry.band.lattice import NarrowBand
from apg_core.geometry.extent import Extent
from apg_core.geometry.isosurface import extract_surface, lack_of
from apg_core.geometry.values import Surface, zero_surface
from apg_core.pipeline.device_thread import DeviceThread
from apg_core.protocol.arrays import Coverage, LatentArray
from apg_core.protocol.mesh import TriangleMesh
from apg_core.protocol.options import DecodeOptions
from deployments.replicas.process import give_memory_back
from deployments.replicas.replica import Replica
from deployments.settings import ModelSettings

_WARM_UP_GRID = 32


class ShapeCodecReplica(Replica):
    """Encodes surfaces, decodes latents; one at a time in one thread, extraction beside it."""

    def __init__(self, models: ModelSettings) -> None:
        from apg_core.pipeline.codec import ShapeCodec  # torch, which callers of this class need not load
        from deployments.replicas.networks import loader

        networks = loader(models)
        self._codec = ShapeCodec(networks.vae())
        self._on_thread = DeviceThread("codec")
        latent = self._on_thread.wait_for(self._codec.encode, zero_surface(networks.preset.surface))
        self._on_thread.wait_for(self._codec.decode, latent, DecodeOptions(grid_size=_WARM_UP_GRID))

    async def encode(self, surface: Surface, posterior_seed: int | None) -> LatentArray:
        """Latent of a surface."""
        return await self._on_thread(self._codec.encode, surface, posterior_seed=posterior_seed)

    def lacks(self, backend: str) -> str | None:
        """What keeps an iso-surface backend from running here."""
        return lack_of(backend)

    async def extent(self, latent: LatentArray) -> Extent:
        """Where a latent's shape roughly is."""
        return await self._on_thread(self._codec.extent, latent)

    async def decode(self, latent: LatentArray, options: DecodeOptions, within: Extent | None) -> TriangleMesh:
        """The mesh of a latent."""
        band = await self._on_thread(self._codec.decode, latent, options, within)
        return await asyncio.to_thread(_extracted, band, options)

    async def fit_to_outline(self, latent: LatentArray, outline: Coverage, seed: int) -> LatentArray:
        """A whole's latent, moved until the shape has this outline."""
        return await self._on_thread(self._codec.fit_to_outline, latent, outline, seed)

    async def agreement(self, latents: Sequence[LatentArray], within: Extent | None) -> list[float]:
        """How alike each latent's shape is to those of the others."""
        return await self._on_thread(self._codec.agreement, latents, within)


def _extracted(band: NarrowBand, options: DecodeOptions) -> TriangleMesh:
    mesh = extract_surface(band, backend=options.isosurface_backend)
    give_memory_back()  # of the fields between the networks' points, far more than is kept
    return mesh
