"""Binds the deployments into applications; the only module that does.

A service is one application that answers, and one more for each further preset: all with the same stores.
"""

from typing import TypeVar

from ray import serve

from deployments.replicas.background_remover import BackgroundRemoverReplica
from deployments.replicas.handle_stages import StageHandles
from deployments.replicas.handles import Handle
from deployments.replicas.image_encoder import ImageEncoderReplica
from deployments.replicas.ingress import IngressReplica
from deployments.replicas.mesh_worker import MeshWorkerReplica
from deployments.replicas.orchestrator import OrchestratorReplica
from deployments.replicas.part_sampler import PartSamplerReplica
from deployments.replicas.replica import Replica
from deployments.replicas.shape_codec import ShapeCodecReplica
from deployments.settings import AppArgs, ModelSettings

Kind = TypeVar("Kind", bound=Replica)


def build_app(args: AppArgs) -> serve.Application:
    """The application of a Serve config file with these `args`; names are the keys of its `deployments`."""
    stages = _stages(args.models)
    orchestrator = _bound("Orchestrator", OrchestratorReplica, args, stages=stages, is_first=True)
    return serve.deployment(name="Ingress")(IngressReplica).bind(
        args, waits_for=(orchestrator, *stages.all()), codec=stages.shape_codec
    )


def build_preset(args: AppArgs) -> serve.Application:
    """One without an address (`route_prefix: null`), which runs the jobs of one of another's `more_presets`."""
    return serve.deployment(name="Orchestrator")(OrchestratorReplica).bind(
        args, stages=_stages(args.models), is_first=False
    )


def _stages(models: ModelSettings) -> StageHandles:
    return StageHandles(
        background_remover=_bound("BackgroundRemover", BackgroundRemoverReplica, models),
        image_encoder=_bound("ImageEncoder", ImageEncoderReplica, models),
        part_sampler=_bound("PartSampler", PartSamplerReplica, models),
        shape_codec=_bound("ShapeCodec", ShapeCodecReplica, models),
        mesh_worker=_bound("MeshWorker", MeshWorkerReplica, models),
    )


def _bound(name: str, replica: type[Kind], *arguments: object, **named: object) -> Handle[Kind]:
    return Handle(serve.deployment(name=name)(replica).bind(*arguments, **named))


app = build_app(AppArgs())
"""With every argument at its default, for `serve build deployments.app:app`."""
