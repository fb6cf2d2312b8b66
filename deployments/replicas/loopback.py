"""Where a replica listens for calls of other replicas.

Ray Serve 2.60 listens on every address of the machine, without asking who calls, and has no setting for it. Where Ray
itself keeps to the loopback (`apg serve`), a replica does so, too; a cluster needs a network of its own.
"""

import ipaddress
from collections.abc import Callable
from functools import partial

import ray
from ray.serve._private import replica

_EVERYWHERE = "[::]:"
_NAMES = vars(replica)
_ADD_PORT = "add_port_to_grpc_server"
_add_port: Callable[[object, str], int] = _NAMES[_ADD_PORT]


def listen_where_ray_does() -> None:
    """Keep this process's replica to the loopback if its node does; called before Serve starts to listen."""
    address = ray.util.get_node_ip_address()
    if ipaddress.ip_address(address).is_loopback:
        _NAMES[_ADD_PORT] = partial(_add_port_at, address)


def _add_port_at(address: str, server: object, wanted: str) -> int:
    return _add_port(server, wanted.replace(_EVERYWHERE, f"{address}:"))
