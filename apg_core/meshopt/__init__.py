"""meshoptimizer's packing of vertices and indices, by its own WebAssembly (MIT, its licence is beside it)."""
