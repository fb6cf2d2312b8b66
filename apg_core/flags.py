"""Generation options as flags of a command line, under their own names and those of the published script."""

import argparse
import difflib
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from types import MappingProxyType
from typing import Protocol

import yaml

from apg_core.protocol.backends import isosurface_choices
from apg_core.protocol.mode import INPUTS
from apg_core.protocol.options import DEFAULT_PRESET, GenerationOptions

# What the published script calls them: the flags that turn a switch off, and second names of others.
_SWITCHES_OFF = {
    "remove_background": ("no_remove_background",),
    "postprocess": ("no_post", "no_postprocess"),
    "show_progress": ("no_progress",),
    "visualize_mask": ("no_mask_visualization",),
    "preview": ("no_preview",),
    "save_latents": ("no_save_latents",),
    "use_coarse_bbox": ("no_use_coarse_bbox", "no_coarse_bbox"),
}
_SECOND_NAMES = {"image_cfg_scale": ("part_cfg_scale",)}
# Environment variables of the published release that are defaults of options, on the command line only.
_VARIABLES = {"APG_SIMPLIFY_AGG": "simplify_aggressiveness", "APG_FLOAT_RATIO": "floater_share"}


class Subparsers(Protocol):
    """What argparse gives to add sub-commands to."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """A new sub-command."""
        ...


def spellings(*names: str) -> list[str]:
    """These flags, each with underscores and with hyphens."""
    return [f"--{spelt}" for name in names for spelt in dict.fromkeys((name, name.replace("_", "-")))]


def add_input_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every input."""
    for name, kind in INPUTS.items():
        parser.add_argument(f"--{name}", type=Path, help=kind.about)


def at_least_one(text: str) -> int:
    """A flag's value that is a count."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {value}")
    return value


def add_precision_flag(parser: argparse.ArgumentParser) -> None:
    """The flag that says what weights are held in."""
    parser.add_argument(
        "--precision",
        choices=["auto", "fp32", "bf16", "fp16"],
        default="auto",
        help="what weights are held in; auto is the preset's own for the device [auto]",
    )


def add_option_flags(parser: argparse.ArgumentParser, *, preset: str = DEFAULT_PRESET) -> None:
    """A flag for every generation option; in brackets, the defaults of this preset."""
    shown = f"in [ ]: defaults of preset {preset}; its guidance in each mode: apg doctor --preset {preset}"
    group = parser.add_argument_group("options", shown)
    defaults = _defaults_of(preset)
    for name, field in GenerationOptions.model_fields.items():
        default = defaults.get(name, field.default)
        about = f"{field.description}{_shown(default)}".replace("%", "%%")
        on, off = spellings(name), spellings(*_SWITCHES_OFF.get(name, (f"no_{name}",)))
        if field.default is True:
            group.add_argument(*off, dest=name, action="store_false", default=None, help=f"not: {about}")
        elif field.default is False:
            group.add_argument(*on, dest=name, action="store_true", default=None, help=about)
            turns_off = f"turns {name} off where the preset has it on"
            group.add_argument(*off, dest=name, action="store_false", default=None, help=turns_off)
        elif name == "isosurface_backend":
            group.add_argument(*on, dest=name, choices=isosurface_choices(), default=None, help=about)
        else:
            names = spellings(name, *_SECOND_NAMES.get(name, ()))
            group.add_argument(*names, dest=name, metavar="N", default=None, help=about)


def _shown(default: object) -> str:
    if default is None:
        return ""
    return f" [{('on' if default else 'off') if isinstance(default, bool) else default}]"


def chosen_options(
    arguments: argparse.Namespace, environment: Mapping[str, str] = MappingProxyType({})
) -> GenerationOptions:
    """The generation options that were set, by flags or else by the published script's environment variables.

    Raises:
        OptionError: a value is outside its range.
    """
    set_outside = {name: environment[variable] for variable, name in _VARIABLES.items() if environment.get(variable)}
    flags = {name: getattr(arguments, name) for name in GenerationOptions.model_fields}
    return GenerationOptions(**{**set_outside, **{name: value for name, value in flags.items() if value is not None}})


def nearest_flag(parser: argparse.ArgumentParser, mistyped: str) -> str | None:
    """The flag of this parser that was probably meant."""
    known = [flag for action in parser._actions for flag in action.option_strings]  # argparse tells nobody else
    return next(iter(difflib.get_close_matches(mistyped.partition("=")[0], known, n=1)), None)


@lru_cache
def _defaults_of(preset: str) -> Mapping[str, object]:
    own = Path(__file__).parent / "presets" / preset / "preset.yaml"
    if own.is_file():  # read as it stands: `apg_core.presets` would import torch, for a help text
        defaults: Mapping[str, object] = yaml.safe_load(own.read_text(encoding="utf-8"))["preset"].get("defaults", {})
        return defaults
    from apg_core.presets import load_preset

    return load_preset(preset).defaults
