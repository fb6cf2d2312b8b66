"""What the process of every replica is set up with, whatever it does."""

import ctypes

from deployments.logs import join_serve_logs
from deployments.replicas.loopback import listen_where_ray_does


def set_up_process() -> None:
    """Log where Serve does, and listen where Ray does."""
    join_serve_logs()
    listen_where_ray_does()


def give_memory_back() -> None:
    """Return what this process has freed to the system, where glibc keeps it; takes milliseconds."""
    own = ctypes.CDLL(None)
    if hasattr(own, "malloc_trim"):
        own.malloc_trim(0)
