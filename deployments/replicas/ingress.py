"""The deployment that speaks HTTP; the routes are in `deployments.http`."""

import asyncio
import ipaddress
from collections.abc import Sequence

from fastapi import FastAPI
from ray import serve
from ray.exceptions import RayError
from ray.serve.context import _get_global_client
from ray.serve.exceptions import RayServeException

from apg_core.presets import load_preset
from apg_core.protocol.backends import AUTO
from apg_core.sandbox.decoder import Decoder
from deployments.desk import Desk
from deployments.errors import NotReadyError, OpenServiceError
from deployments.http.api import build_api
from deployments.http.auth import Keys
from deployments.http.service import Service
from deployments.replicas.handle_desk import HandleDesk
from deployments.replicas.handles import Handle
from deployments.replicas.process import set_up_process
from deployments.replicas.replica import Replica
from deployments.replicas.shape_codec import ShapeCodecReplica
from deployments.settings import AccessSettings, AppArgs
from deployments.stores.jobs.feed import EventFeed
from deployments.stores.opening import Stores, open_stores

POLL_SECONDS = 0.05  # how soon a follower hears of an event
READY_SECONDS = 2.0


@serve.ingress()
class IngressReplica(HandleDesk):
    """Answers HTTP requests, and the calls of `clients.handle`."""

    def __init__(
        self, args: AppArgs, *, waits_for: Sequence[Handle[Replica]], codec: Handle[ShapeCodecReplica]
    ) -> None:
        set_up_process()
        check_bound_address(_bound_host(), args.access)
        stores = open_stores(args.stores)
        preset = load_preset(args.models.preset)
        desk = Desk(
            preset=preset,
            more_presets=tuple(map(load_preset, args.more_presets)),
            limits=args.limits,
            jobs=stores.jobs,
            artifacts=stores.artifacts,
            feed=EventFeed(stores.jobs, poll_seconds=POLL_SECONDS),
            decoder=Decoder(processes=args.decoder_processes, memory_bytes=args.limits.decode_bytes),
            backend_lack=_Backends(codec).lack,
        )
        super().__init__(desk)
        self._service = Service(
            desk=desk,
            database=stores.database,
            precision=preset.precision_on(args.models.device, args.models.precision),
            keys=None if args.access.keys_file is None else Keys.from_file(args.access.keys_file),
            echo_request_ids=False,
            check_ready=_Readiness(stores, preset.name, waits_for, [other.name for other in desk.more_presets]).check,
        )

    def __serve_build_asgi_app__(self) -> FastAPI:
        """The application that Serve runs in this replica."""
        return build_api(self._service)


def check_bound_address(host: str, access: AccessSettings) -> None:
    """Refuse to be reachable from other machines without keys.

    Raises:
        OpenServiceError: it would be.
    """
    if access.keys_file is not None or access.allow_open or _is_loopback(host):
        return
    raise OpenServiceError(
        f"the service would listen on {host} for everyone; give `access.keys_file`, listen on 127.0.0.1, "
        "or say `access.allow_open: true`"
    )


class _Readiness:
    """Asks every deployment of every preset once whether it is there; each has run its network when it can answer."""

    def __init__(
        self, stores: Stores, preset: str, deployments: Sequence[Handle[Replica]], more: Sequence[str]
    ) -> None:
        self._stores = stores
        names = [handle.name for handle in deployments]
        self._waiting: dict[str, dict[str, Handle[Replica] | None]] = {
            preset: dict(zip(names, deployments, strict=True)),
            **{other: dict.fromkeys(names) for other in more},  # handles can be had once there is an application
        }

    async def check(self) -> None:
        await asyncio.to_thread(self._stores.ping)
        asked = [(preset, name) for preset, waiting in self._waiting.items() for name in waiting]
        answers = await asyncio.gather(*(self._is_there(*one) for one in asked))
        for (preset, name), there in zip(asked, answers, strict=True):
            if there:
                self._waiting[preset].pop(name, None)  # another caller may have heard it first
        if any(self._waiting.values()):
            told = [
                f"{preset} is {'waiting for ' + ', '.join(waiting) if waiting else 'ready'}"
                for preset, waiting in self._waiting.items()
            ]
            raise NotReadyError(f"{'; '.join(told)}; try again shortly")

    async def _is_there(self, preset: str, name: str) -> bool:
        waiting = self._waiting[preset]
        try:
            handle = waiting[name]
            if handle is None:
                handle = await asyncio.to_thread(_handle_of, preset, name)
                waiting[name] = handle
            await asyncio.wait_for(handle.call(Replica.ready)(), READY_SECONDS)
        except (KeyError, TimeoutError, RayError, RayServeException):
            return False
        return True


def _handle_of(preset: str, name: str) -> Handle[Replica]:
    """A deployment of a further preset, whose application has the preset's name; KeyError where it is not there."""
    return Handle(serve.get_deployment_handle(name, app_name=preset))


class _Backends:
    """Asks where surfaces are extracted what can run there; each answer is kept."""

    def __init__(self, codec: Handle[ShapeCodecReplica]) -> None:
        self._codec = codec
        self._lacks: dict[str, str | None] = {AUTO: None}

    async def lack(self, backend: str) -> str | None:
        if backend not in self._lacks:
            try:
                asked = self._codec.call(ShapeCodecReplica.lacks, backend)()
                self._lacks[backend] = await asyncio.wait_for(asked, READY_SECONDS)
            except (TimeoutError, RayError, RayServeException):  # nobody can say: a job of it may still fail
                return None
        return self._lacks[backend]


def _bound_host() -> str:
    # No public call tells a replica what the proxy listens on.
    client = _get_global_client()
    assert client is not None
    return str(client.http_config.host)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
