"""The service: a Ray Serve graph around the library, its jobs and its HTTP interface."""
