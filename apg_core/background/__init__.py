"""Background removal: RMBG-1.4 (`neural`, with torch), and a classical method for plain backgrounds."""

from apg_core.background.alpha import has_own_alpha
from apg_core.background.plain import PlainBackgroundRemover
from apg_core.background.remover import BackgroundRemover, Removed

__all__ = ["BackgroundRemover", "PlainBackgroundRemover", "Removed", "has_own_alpha"]
