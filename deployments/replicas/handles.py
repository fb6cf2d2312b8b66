"""A handle of a deployment, typed by the class of its replicas, so that no two can be exchanged."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeAlias, TypeVar, cast, overload

from deployments.replicas.replica import Replica

if TYPE_CHECKING:
    from ray.serve import Application
    from ray.serve.handle import DeploymentHandle, DeploymentResponse, DeploymentResponseGenerator


Kind = TypeVar("Kind", bound=Replica)
Result = TypeVar("Result")
Item = TypeVar("Item")
Arguments = ParamSpec("Arguments")

Call: TypeAlias = Callable[[], Awaitable[Result]]
"""A call of a replica, made anew each time that this is called."""


@dataclass(frozen=True)
class Handle(Generic[Kind]):
    """A deployment whose replicas are of one kind.

    While the graph is put together it holds what Serve has bound; in a replica Serve has put the handle in its place.
    """

    deployment: "DeploymentHandle[Any] | Application"

    @property
    def name(self) -> str:
        """The deployment's name, its key in the config file."""
        return str(self._handle.deployment_name)

    @overload
    def call(
        self,
        method: Callable[Concatenate[Kind, Arguments], Coroutine[Any, Any, Result]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Call[Result]: ...

    @overload
    def call(
        self,
        method: Callable[Concatenate[Kind, Arguments], Result],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> Call[Result]: ...

    def call(self, method: Callable[..., Any], *arguments: Any, **named: Any) -> Call[Any]:
        """A call of this method of whichever replica is free; cancelling it cancels the replica's work."""

        async def made() -> Any:
            response: DeploymentResponse[Any] = getattr(self._handle, method.__name__).remote(*arguments, **named)
            try:
                return await response
            except asyncio.CancelledError:
                response.cancel()  # type: ignore[no-untyped-call]
                raise

        return made

    async def stream(
        self,
        method: Callable[Concatenate[Kind, Arguments], AsyncIterator[Item]],
        *arguments: Arguments.args,
        **named: Arguments.kwargs,
    ) -> AsyncIterator[Item]:
        """What this method of whichever replica is free gives, as it comes; cancelling it cancels the work."""
        streaming = getattr(self._handle.options(stream=True), method.__name__)
        stream = cast("DeploymentResponseGenerator[Item]", streaming.remote(*arguments, **named))
        try:
            async for item in stream:
                yield item
        except asyncio.CancelledError:
            stream.cancel()  # type: ignore[no-untyped-call]
            raise

    @property
    def _handle(self) -> "DeploymentHandle[Any]":
        return cast("DeploymentHandle[Any]", self.deployment)
