"""The values that cross a boundary: prompts, options, meshes, manifests. No torch here."""
