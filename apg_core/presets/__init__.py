"""Presets: model sizes, where the weights are, guidance and sampling defaults.

A preset is a folder here (`tiny`, `nano`, `autopartgen-2048`, `autopartgen-4096`), a folder of the caller's with a
`preset.yaml`, or a config file of the published release.
"""

from apg_core.presets.preset import Preset
from apg_core.presets.reading import DEFAULT_PRESET, list_presets, load_preset

__all__ = ["DEFAULT_PRESET", "Preset", "list_presets", "load_preset"]
