"""This project's log records among Serve's own, in the same form (JSON where the config file says so)."""

import logging

_OURS = ("deployments", "apg_core")


def join_serve_logs() -> None:
    """Send what this project logs in this process where Serve sends its own; once is enough, more does no harm."""
    serve = logging.getLogger("ray.serve")
    for name in _OURS:
        logger = logging.getLogger(name)
        logger.setLevel(logging.INFO)
        logger.propagate = False
        logger.handlers = list(serve.handlers)
