"""`python -m training vae|dit`: start or continue a training run."""

import argparse
import logging
from pathlib import Path

import torch

from training.loop import RunOptions


def main() -> None:
    """Parse the command line and train."""
    parser = argparse.ArgumentParser(prog="python -m training", description=__doc__)
    parser.add_argument("what", choices=["vae", "dit"])
    parser.add_argument("--folder", type=Path, required=True, help="state and metrics; resumed when present")
    parser.add_argument("--minutes", type=float, required=True, help="wall-clock budget of the run")
    parser.add_argument("--lr", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    torch.set_num_threads(args.threads)
    options = RunOptions(folder=args.folder, minutes=args.minutes, peak_lr=args.lr)
    from training.train_vae import train_vae

    train_vae(options, batch=args.batch)


if __name__ == "__main__":
    main()
