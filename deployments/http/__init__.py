"""The HTTP interface: a plain FastAPI application over the stores, without Ray."""
