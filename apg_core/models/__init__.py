"""The networks, and how their weights are read. Architecture only: no sampler, no geometry."""
