"""What a generation does, one word each: in progress, timings, retries and metrics alike."""

from enum import StrEnum


class Stage(StrEnum):
    """A stage of a generation, in the order in which one comes by them first."""

    BACKGROUND = "background"
    """The background is removed, and the object and its mask regions are cropped."""
    ENCODE = "encode"
    """Pictures become features."""
    SURFACE = "surface"
    """Points are sampled on a mesh."""
    CODEC = "codec"
    """A surface becomes a latent."""
    WHOLE = "whole"
    """The whole object's latent is sampled."""
    PART = "part"
    """The next part's latent is sampled."""
    AGREEMENT = "agreement"
    """Several samples of one latent are compared."""
    MESH = "mesh"
    """A latent becomes a mesh."""
    OVERLAP = "overlap"
    """A mesh is compared with the accepted parts."""
    CLEANUP = "cleanup"
    """A part is simplified, and floaters are dropped."""
    FIT = "fit"
    """The parts are fitted to the given mesh."""
    EXPORT = "export"
    """An accepted part becomes a file."""
    PACKAGE = "package"
    """The files of a finished generation are made."""
