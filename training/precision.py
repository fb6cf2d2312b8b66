"""The precision that networks are trained in."""

import torch


def mixed_precision(device: str) -> torch.autocast:
    """Networks in bfloat16, but for a CPU without AVX-512, where that is eight times as slow as float32."""
    slow = device == "cpu" and torch.backends.cpu.get_cpu_capability() in ("DEFAULT", "AVX2")
    return torch.autocast(device, torch.bfloat16, enabled=not slow)
