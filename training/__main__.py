"""`python -m training vae|pool|dit|tune|plot|export|grouping`: go on with a stage, or show what came of it."""

import argparse
import logging
import os
from pathlib import Path

import torch
import yaml

from training.cut_objects import cut_objects
from training.export import export
from training.loop import RunOptions
from training.objects.catalogue import CATALOGUE
from training.objects.source import Source
from training.pool import Chunk, fill_pool
from training.report import plot_run
from training.runs import latent_scale, trained_vae
from training.sizes import SURFACE_POINTS
from training.train_dit import empty_latent, train_dit, trained_generator
from training.train_grouping import export_grouping, train_grouping
from training.train_vae import train_vae
from training.tune import Tuner

HELD_OUT_SEED = 900_000


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("--threads", type=int, default=2, help="torch threads of each process")
    stages = parser.add_subparsers(dest="stage", required=True)
    vae = stages.add_parser("vae", help="train the autoencoder")
    pool = stages.add_parser("pool", help="prepare objects for the denoiser")
    dit = stages.add_parser("dit", help="train the denoiser and the image encoder")
    tune = stages.add_parser("tune", help="try guidance scales, steps and end thresholds on held-out objects")
    ship = stages.add_parser("export", help="write a preset folder from both runs")
    grouping = stages.add_parser("grouping", help="train the networks that say which pieces of a mesh belong together")
    grouping.add_argument("--objects", type=int, default=3000, help="objects to cut, kept in the folder")
    grouping.add_argument("--networks", type=int, default=3, help="networks, trained one after the other, that agree")
    grouping.add_argument("--output", type=Path, required=True, help="file to write: together.safetensors")
    plot = stages.add_parser("plot", help="draw the curves of a run")
    for stage in (vae, pool, grouping):
        stage.add_argument("--real", type=Path, help="folder of real objects to train on as well (index.csv, GLBs)")
    for stage in (vae, dit, grouping):
        stage.add_argument("--folder", type=Path, required=True, help="state and metrics; resumed when present")
        stage.add_argument("--minutes", type=float, required=True, help="wall-clock budget of the run (or network)")
        stage.add_argument("--lr", type=float, default=2e-3)
        stage.add_argument("--batch", type=int, default=32, help="samples a step and worker")
        stage.add_argument(
            "--from-preset", dest="start", type=Path, help="preset folder whose weights a new run begins with"
        )
        stage.add_argument("--workers", type=int, default=1, help="more than one: Ray Train starts them")
    for stage in (pool, dit, tune, ship):
        stage.add_argument("--vae", type=Path, required=True, help="folder of the autoencoder's run")
    for stage in (pool, dit, tune):
        stage.add_argument("--pool", type=Path, required=True, help="folder of prepared objects")
    half = vae.add_mutually_exclusive_group()
    half.add_argument(
        "--decoder-only",
        action="store_const",
        dest="only",
        const="decoder",
        help="leave the encoder, and so the latents, as they are",
    )
    half.add_argument(
        "--encoder-only",
        action="store_const",
        dest="only",
        const="encoder",
        help="leave the decoder, and so what latents mean, as it is",
    )
    dit.add_argument("--seed", type=int, default=1, help="another one for a run that goes on from earlier weights")
    dit.add_argument(
        "--guided", action="store_true", help="take guidance into the weights, so that sampling needs one row, not two"
    )
    dit.add_argument("--compile", action="store_true", help="compile the blocks: faster steps, needs a C++ compiler")
    pool.add_argument("--chunks", type=int, default=40, help="chunks of 256 objects")
    for stage in (tune, ship):
        stage.add_argument("--dit", type=Path, required=True, help="folder of the denoiser's run")
    tune.add_argument("--objects", type=int, default=160, help="held-out objects to try on")
    plot.add_argument("--folder", type=Path, required=True, help="a run's folder, with its metrics.csv")
    plot.add_argument("--picture", type=Path, required=True, help="PNG to write")
    ship.add_argument("--preset", type=Path, required=True, help="folder to write")
    ship.add_argument("--own", type=Path, required=True, help="YAML of the preset's own section")
    return parser


def _run(args: argparse.Namespace) -> None:
    torch.set_num_threads(args.threads)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if args.stage == "pool":
        vae = trained_vae(args.vae)
        source = Source.of(args.real, CATALOGUE)
        fill_pool(args.pool / "held_out", vae, chunks=1, first_seed=HELD_OUT_SEED, source=source)
        fill_pool(args.pool / "trained", vae, chunks=args.chunks, source=source)
    elif args.stage == "plot":
        plot_run(args.folder, args.picture)
    elif args.stage == "grouping":
        objects = cut_objects(args.folder / "objects", count=args.objects, real=args.real)
        nets = [train_grouping(objects, seconds=60 * args.minutes, seed=seed) for seed in range(args.networks)]
        export_grouping(nets, args.output)
    elif args.stage == "export":
        own = yaml.safe_load(args.own.read_text(encoding="utf-8"))
        export(vae=args.vae, dit=args.dit, preset=args.preset, own=own)
    elif args.stage == "tune":
        vae = trained_vae(args.vae)
        Tuner(
            vae,
            trained_generator(args.dit),
            Chunk.load(args.pool / "held_out" / "chunk_0000.pt"),
            scale=latent_scale(args.dit, pool=args.pool / "trained"),
            empty=empty_latent(vae, SURFACE_POINTS),
            objects=args.objects,
        ).every()
    elif args.stage == "vae":
        options = RunOptions(folder=args.folder, minutes=args.minutes, peak_lr=args.lr, device=device)
        source = Source.of(args.real, CATALOGUE)
        train_vae(options, batch=args.batch, start=args.start, only=args.only, source=source)
    else:
        options = RunOptions(folder=args.folder, minutes=args.minutes, peak_lr=args.lr, device=device)
        train_dit(
            options,
            pool=args.pool / "trained",
            held_out=args.pool / "held_out",
            scale=latent_scale(args.folder, pool=args.pool / "trained", start=args.start),
            empty=empty_latent(trained_vae(args.vae), SURFACE_POINTS),
            batch=args.batch,
            seed=args.seed,
            start=args.start,
            compiled=args.compile,
            guided=args.guided,
        )


def main() -> None:
    """Parse the command line and run one stage."""
    args = _parser().parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    for name, value in vars(args).items():
        if isinstance(value, Path):  # workers of Ray Train have a working directory of their own
            setattr(args, name, value.resolve())
    if getattr(args, "workers", 1) > 1:
        from training.launch import launch

        launch(lambda: _run(args), workers=args.workers, storage=str(args.folder.parent))
        return
    if "WORLD_SIZE" in os.environ:  # started by torchrun
        torch.distributed.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    _run(args)


if __name__ == "__main__":
    main()
