"""The `apg` command. Packages that add sub-commands do so through the entry-point group `apg.commands`."""

import argparse
import importlib.metadata
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from apg_core.errors import ApgError, InputError, PresetError
from apg_core.flags import (
    Subparsers,
    add_input_flags,
    add_option_flags,
    add_precision_flag,
    chosen_options,
    nearest_flag,
    spellings,
)
from apg_core.protocol.edit_flags import add_edit_flags, edit_of
from apg_core.protocol.mode import INPUTS
from apg_core.protocol.options import DEFAULT_PRESET

Command = Callable[[argparse.Namespace], int]
OK, FAILED, USAGE, INTERRUPTED = 0, 1, 2, 130
OUTPUT_FLAGS = ("-o", "--output", *spellings("output_path", "output_dir"))


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code is 0 for success, 1 for a failure, 2 for input that cannot be used."""
    given = sys.argv[1:] if arguments is None else list(arguments)
    options = _parsed(given)
    logging.basicConfig(level=logging.INFO if options.verbose else logging.WARNING, format="%(name)s: %(message)s")
    try:
        return _ran(options)
    except BrokenPipeError:  # what reads our output, such as head, has had enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except InputError as error:
        print(f"apg: {error.message}", file=sys.stderr)
        return USAGE
    except ApgError as error:
        print(f"apg: {error.message}", file=sys.stderr)
        return FAILED
    except KeyboardInterrupt:
        print("apg: interrupted; parts written so far stay", file=sys.stderr)
        return INTERRUPTED


def _ran(options: argparse.Namespace) -> int:
    run: Command = options.run
    code = run(options)
    sys.stdout.flush()
    return code


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser, commands = _parser(preset=_preset_in(arguments))
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        command = commands.choices[options.command]
        nearest = nearest_flag(command, unknown[0])
        command.error(f"unknown argument {unknown[0]}" + (f"; did you mean {nearest}?" if nearest else ""))
    return options


def _preset_in(arguments: Sequence[str]) -> str:
    """The preset whose defaults a help text shows; only help needs to know before everything is parsed."""
    if not {"-h", "--help"} & set(arguments):
        return DEFAULT_PRESET
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("--preset", "--config", default=DEFAULT_PRESET)
    preset: str = parser.parse_known_args(arguments)[0].preset
    return preset


def _parser(*, preset: str) -> tuple[argparse.ArgumentParser, "argparse._SubParsersAction[argparse.ArgumentParser]"]:
    parser = argparse.ArgumentParser(prog="apg", description="One object in, its parts out.")
    parser.add_argument("--version", action="version", version=importlib.metadata.version("autopartgen-ray"))
    parser.add_argument("--verbose", action="store_true", help="log what happens")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", dest="command")
    _add_generate(commands, preset=preset)
    _add_edit(commands, preset=preset)
    _add_mask(commands)
    _add_fetch_weights(commands)
    _add_doctor(commands)
    _add_verify(commands)
    for entry in sorted(importlib.metadata.entry_points(group="apg.commands"), key=lambda entry: entry.name):
        entry.load()(commands)
    return parser, commands


def _add_generate(commands: Subparsers, *, preset: str) -> None:
    about = "Generate the parts of one object in this process."
    parser = commands.add_parser("generate", help="generate parts here", description=about)
    add_input_flags(parser)
    parser.add_argument(
        *OUTPUT_FLAGS, dest="output_path", type=Path, default=Path("outputs"), help="folder for the results [outputs]"
    )
    _add_preset_flags(parser)
    add_option_flags(parser, preset=preset)
    parser.set_defaults(run=_generate)


def _add_preset_flags(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--preset",
        "--config",
        default=DEFAULT_PRESET,
        help=f"a preset, or the path of a config file [{DEFAULT_PRESET}]",
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... [cuda where there is one]")
    add_precision_flag(parser)
    parser.add_argument(
        *spellings("low_memory"),
        action=argparse.BooleanOptionalAction,
        help="one network at a time on the GPU [where its free memory says so]",
    )
    parser.add_argument("--checkpoints", type=Path, default=Path("checkpoints"), help="folder of fetched weights")


def _generate(options: argparse.Namespace) -> int:
    from apg_core.pipeline.local import generate_parts, load_pipeline  # torch takes seconds to import

    chosen = chosen_options(options, os.environ)
    pipeline = load_pipeline(
        options.preset,
        options.device,
        checkpoints=options.checkpoints,
        precision=options.precision,
        low_memory=options.low_memory,
    )
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


def _add_edit(commands: Subparsers, *, preset: str) -> None:
    about = "Change a generation that has left its results in a folder; docs/edits.md tells what each change does."
    parser = commands.add_parser("edit", help="change a generation here", description=about)
    parser.add_argument("folder", type=Path, help="the folder with its results")
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument(*OUTPUT_FLAGS, dest="output_path", type=Path, help="folder for the results")
    where.add_argument(*spellings("in_place"), action="store_true", help="put the results in the place of the earlier")
    add_edit_flags(parser)
    for name, kind in INPUTS.items():
        parser.add_argument(f"--{name}", type=Path, help=f"the same again, where the folder lacks it: {kind.about}")
    _add_preset_flags(parser)
    add_option_flags(parser, preset=preset)
    parser.set_defaults(run=_edit, preset=None)


def _edit(options: argparse.Namespace) -> int:
    from apg_core.pipeline.keeping import read_kept
    from apg_core.pipeline.local_edit import edit
    from apg_core.pipeline.local_stages import load_at_first_use

    chosen = chosen_options(options, os.environ).model_dump(mode="json", exclude_unset=True)
    change = edit_of(options, chosen)
    preset = options.preset or read_kept(options.folder)[1].record.preset
    try:
        pipeline = load_at_first_use(
            preset,
            options.device,
            checkpoints=options.checkpoints,
            precision=options.precision,
            low_memory=options.low_memory,
        )
    except PresetError as error:
        if options.preset is not None:
            raise
        raise PresetError(f"{options.folder} was made with a config file, {preset}: name it with --config") from error
    inputs = {name: path for name in INPUTS if (path := getattr(options, name)) is not None}
    output = options.folder if options.in_place else options.output_path
    made = edit(pipeline, options.folder, change, output_dir=output, inputs=inputs)
    indices = ", ".join(str(part.index) for part in made.manifest.parts)
    print(f"parts {indices} in {made.output_dir} ({made.manifest.stop_reason})")
    return OK


def _add_mask(commands: Subparsers) -> None:
    about = "Suggest a part mask for a picture: regions of its object, by colour and edges."
    parser = commands.add_parser("mask", help="suggest a part mask", description=about)
    parser.add_argument("image", type=Path, help=INPUTS["image"].about)
    parser.add_argument("-o", "--output", type=Path, required=True, help="the mask, an indexed PNG")
    parser.add_argument("--regions", type=int, metavar="N", help="how many [as many as stand out]")
    parser.add_argument(*spellings("no_remove_background"), dest="remove_background", action="store_false")
    parser.set_defaults(run=_mask)


def _mask(options: argparse.Namespace) -> int:
    from apg_core.output import OutputFolder
    from apg_core.protocol.mask import MaskOptions
    from apg_core.sandbox.mask_png import suggestion_png
    from apg_core.sandbox.suggestion import suggest_mask

    wanted = MaskOptions(regions=options.regions, remove_background=options.remove_background)
    suggestion = suggest_mask(options.image, wanted)
    path = OutputFolder(options.output.parent).write(options.output.name, suggestion_png(suggestion))
    print(f"{suggestion.regions} regions in {path}")
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
