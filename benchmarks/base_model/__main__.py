"""``python -m benchmarks.base_model STAGE KEPT``; see the package's docstring for the stages."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import torch

from benchmarks.base_model.autoencoder import STEPS as AUTOENCODER_STEPS
from benchmarks.base_model.autoencoder import train_autoencoder
from benchmarks.base_model.denoiser import STEPS as DENOISER_STEPS
from benchmarks.base_model.denoiser import train_denoiser
from benchmarks.base_model.folder import write_folder
from benchmarks.base_model.works import render_works


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.base_model", description=__doc__)
    stages = parser.add_subparsers(dest="stage", required=True)
    given_to = {name: stages.add_parser(name) for name in ("works", "autoencoder", "denoiser", "folder")}
    for stage in given_to.values():
        stage.add_argument("kept", type=Path, help="folder for works, checkpoints and results")
        stage.add_argument("--threads", type=int, default=os.cpu_count())
    given_to["works"].add_argument(
        "--packages", type=Path, required=True, help="folder with one unpacked npm package a house"
    )
    given_to["autoencoder"].add_argument(
        "--squeezenet", type=Path, required=True, help="SqueezeNet 1.1's weights in Caffe's convention"
    )
    given_to["autoencoder"].add_argument("--steps", type=int, default=AUTOENCODER_STEPS)
    given_to["denoiser"].add_argument("--steps", type=int, default=DENOISER_STEPS)
    given_to["folder"].add_argument("--out", type=Path, required=True, help="where the base goes")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    match given.stage:
        case "works":
            render_works(given.packages, given.kept)
        case "autoencoder":
            train_autoencoder(given.kept, given.squeezenet, given.steps)
        case "denoiser":
            train_denoiser(given.kept, given.steps)
        case "folder":
            write_folder(given.kept, given.out)


if __name__ == "__main__":
    main()
