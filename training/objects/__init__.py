"""Procedural everyday objects made of closed analytic solids, batched as tensors."""
