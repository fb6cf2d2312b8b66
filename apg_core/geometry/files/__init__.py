"""Meshes as files, one format a module; the same meshes give the same bytes."""
