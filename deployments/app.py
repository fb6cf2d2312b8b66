"""Binds the deployments into one application; the only module that does."""

from ray import serve

from deployments.background_remover import BackgroundRemover
from deployments.image_encoder import ImageEncoder
from deployments.ingress import Ingress
from deployments.mesh_worker import MeshWorker
from deployments.orchestrator import Orchestrator
from deployments.part_sampler import PartSampler
from deployments.settings import AppArgs
from deployments.shape_codec import ShapeCodec


def build_app(args: AppArgs) -> serve.Application:
    """The application of a Serve config file with these `args`."""
    stages = [
        serve.deployment(name=kind.__name__)(kind).bind(args.models)
        for kind in (BackgroundRemover, ImageEncoder, PartSampler, ShapeCodec, MeshWorker)
    ]
    orchestrator = serve.deployment(name="Orchestrator")(Orchestrator).bind(args, *stages)
    return serve.deployment(name="Ingress")(Ingress).bind(args, orchestrator, *stages)


app = build_app(AppArgs())
"""With every argument at its default, for `serve build deployments.app:app`."""
