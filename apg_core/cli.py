"""The `apg` command. Packages that add sub-commands do so through the entry-point group `apg.commands`."""

import argparse
import importlib.metadata
import logging
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from apg_core.errors import ApgError, InputError
from apg_core.protocol.backends import isosurface_choices
from apg_core.protocol.options import GenerationOptions

Command = Callable[[argparse.Namespace], int]
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130


class Subparsers(Protocol):
    """What argparse gives to add sub-commands to."""

    def add_parser(self, name: str, *, help: str, description: str) -> argparse.ArgumentParser:
        """A new sub-command."""
        ...


# Flags whose names are not their field's: what the released script calls them, and what they set.
_SWITCHES_OFF = {
    "remove_background": "no_remove_background",
    "postprocess": "no_post",
    "show_progress": "no_progress",
    "visualize_mask": "no_mask_visualization",
    "preview": "no_preview",
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 for success, 1 for a failure, 2 for input that cannot be used."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(name)s: %(message)s")
    run: Command = options.run
    try:
        return run(options)
    except InputError as error:
        print(f"apg: {error.message}", file=sys.stderr)
        return USAGE
    except ApgError as error:
        print(f"apg: {error.message}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("apg: interrupted; parts written so far stay", file=sys.stderr)
        return INTERRUPTED


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """A flag for every generation option, under the option's own name (or the released script's)."""
    group = parser.add_argument_group("options", "defaults in [ ] are the preset's where it has its own")
    for name, field in GenerationOptions.model_fields.items():
        default = f" [{field.default}]" if not isinstance(field.default, bool) and field.default is not None else ""
        about = f"{field.description}{default}".replace("%", "%%")
        if name in _SWITCHES_OFF:
            flag = _SWITCHES_OFF[name]
            group.add_argument(*_spellings(flag), dest=name, action="store_false", default=None, help=f"not: {about}")
        elif field.default is False:
            group.add_argument(*_spellings(name), dest=name, action="store_true", default=None, help=about)
            off = f"turns {name} off where the preset has it on"
            group.add_argument(*_spellings(f"no_{name}"), dest=name, action="store_false", default=None, help=off)
        elif name == "isosurface_backend":
            choices = isosurface_choices()
            group.add_argument(*_spellings(name), dest=name, choices=choices, default=None, help=about)
        else:
            group.add_argument(*_spellings(name), dest=name, metavar="N", default=None, help=about)


def chosen_options(options: argparse.Namespace) -> GenerationOptions:
    """The generation options that were set by flags.

    Raises:
        OptionError: a value is outside its range.
    """
    flags = {name: getattr(options, name) for name in GenerationOptions.model_fields}
    return GenerationOptions(**{name: value for name, value in flags.items() if value is not None})


def _spellings(name: str) -> list[str]:
    return sorted({f"--{name}", f"--{name.replace('_', '-')}"}, key=lambda flag: "-" in flag[2:])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="apg", description="One object in, its parts out.")
    parser.add_argument("--version", action="version", version=importlib.metadata.version("autopartgen-ray"))
    parser.add_argument("--verbose", action="store_true", help="log what happens")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_generate(commands)
    _add_fetch_weights(commands)
    _add_doctor(commands)
    _add_verify(commands)
    for entry in sorted(importlib.metadata.entry_points(group="apg.commands"), key=lambda entry: entry.name):
        entry.load()(commands)
    return parser


def _add_generate(commands: Subparsers) -> None:
    about = "Generate the parts of one object in this process."
    parser = commands.add_parser("generate", help="generate parts here", description=about)
    parser.add_argument("--image", type=Path, help="a picture: PNG, JPEG or WebP")
    parser.add_argument("--mesh", type=Path, help="the whole object: GLB, glTF, OBJ, PLY, STL or OFF")
    parser.add_argument("--mask", type=Path, help="an indexed part mask of the picture; 0 is background")
    parser.add_argument("--output_path", "--output-path", type=Path, required=True, help="folder for the results")
    _add_preset_flags(parser)
    add_option_flags(parser)
    parser.set_defaults(run=_generate)


def _add_preset_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--preset", "--config", default="tiny", help="a preset, or the path of a config file [tiny]")
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... [cuda where there is one]")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of fetched weights")


def _generate(options: argparse.Namespace) -> int:
    from apg_core.pipeline.local import generate_parts, load_pipeline  # torch takes seconds to import

    chosen = chosen_options(options)
    pipeline = load_pipeline(options.preset, options.device, checkpoints=options.checkpoints)
    if pipeline.preset.random_seed is not None:
        print(f"apg: the weights of preset {pipeline.preset.name} are random: shapes mean nothing", file=sys.stderr)
    generation = generate_parts(
        pipeline,
        image=options.image,
        mesh=options.mesh,
        mask=options.mask,
        output_dir=options.output_path,
        options=chosen,
    )
    manifest = generation.manifest
    print(f"{len(manifest.parts)} parts in {generation.output_dir} ({manifest.stop_reason})")
    return OK


def _add_fetch_weights(commands: Subparsers) -> None:
    about = "Download a preset's published weights; an interrupted download goes on where it stopped."
    parser = commands.add_parser("fetch-weights", help="download published weights", description=about)
    parser.add_argument("preset", nargs="?", default="autopartgen-2048")
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder to put them in")
    parser.set_defaults(run=_fetch_weights)


def _fetch_weights(options: argparse.Namespace) -> int:
    from apg_core.presets import load_preset
    from apg_core.presets.weights import fetch_weights

    for path in fetch_weights(load_preset(options.preset), options.checkpoints, tell=print):
        print(f"  {path} ({path.stat().st_size:,} bytes)")
    return OK


def _add_doctor(commands: Subparsers) -> None:
    about = "Say what this machine can run."
    parser = commands.add_parser("doctor", help="what this machine can run", description=about)
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of fetched weights")
    parser.add_argument("--preset", "--config", help="say what this preset or config file has and lacks")
    parser.set_defaults(run=_doctor)


def _doctor(options: argparse.Namespace) -> int:
    from apg_core.doctor import findings, preset_findings
    from apg_core.presets import load_preset

    about = findings(options.checkpoints)
    if options.preset is not None:
        about = preset_findings(load_preset(options.preset), options.checkpoints)
    for finding in about:
        print(finding)
    return OK


def _add_verify(commands: Subparsers) -> None:
    about = "Check the networks of this installation against a folder of parity cases."
    parser = commands.add_parser("verify", help="check the networks against known numbers", description=about)
    parser.add_argument("folder", type=Path, help="a folder with config.yaml, weights and cases.safetensors")
    parser.add_argument("--device", help="cpu, cuda, ... [cuda where there is one]")
    parser.set_defaults(run=_verify)


def _verify(options: argparse.Namespace) -> int:
    from apg_core.parity.verify import verify
    from apg_core.pipeline.loading import pick_device

    failed = 0
    for result in verify(options.folder, device=pick_device(options.device)):
        print(result, flush=True)
        failed += not result.passed
    print(f"{failed} outside their tolerance" if failed else "all within their tolerance")
    return FAILED if failed else OK


if __name__ == "__main__":
    sys.exit(main())
