"""Meshes and fields: sampling, extraction, overlap, cleanup, pictures, files. No network and no torch here."""
