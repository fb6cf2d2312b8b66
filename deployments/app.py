"""Binds the deployments into one application; the only module that does."""

from ray import serve

from deployments.replicas.background_remover import BackgroundRemover
from deployments.replicas.image_encoder import ImageEncoder
from deployments.replicas.ingress import Ingress
from deployments.replicas.mesh_worker import MeshWorker
from deployments.replicas.orchestrator import Orchestrator
from deployments.replicas.part_sampler import PartSampler
from deployments.replicas.shape_codec import ShapeCodec
from deployments.settings import AppArgs


def build_app(args: AppArgs) -> serve.Application:
    """The application of a Serve config file with these `args`."""
    stages = [
        serve.deployment(name=kind.__name__)(kind).bind(args.models)
        for kind in (BackgroundRemover, ImageEncoder, PartSampler, ShapeCodec, MeshWorker)
    ]
    orchestrator = serve.deployment(name="Orchestrator")(Orchestrator).bind(args, *stages)
    return serve.deployment(name="Ingress")(Ingress).bind(args, orchestrator, *stages)
