"""``python -m benchmarks.base_model KEPT STAGE``; see the package's docstring for the stages."""

from __future__ import annotations

import argparse
import os
from pathlib import Path


def main() -> None:
    """Run one stage."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.base_model", description=__doc__)
    parser.add_argument("kept", type=Path, help="folder for works, checkpoints and results")
    parser.add_argument("stage", choices=["works", "autoencoder", "denoiser", "folder"])
    parser.add_argument("--packages", type=Path, help="works: folder with one unpacked npm package a house")
    parser.add_argument("--squeezenet", type=Path, help="autoencoder: SqueezeNet 1.1's weights in Caffe's convention")
    parser.add_argument("--steps", type=int, help="autoencoder, denoiser: last step")
    parser.add_argument("--out", type=Path, help="folder: where the base goes")
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    given = parser.parse_args()
    steps = {} if given.steps is None else {"steps": given.steps}
    if given.stage == "works":
        from benchmarks.base_model.works import render_works

        return render_works(given.packages, given.kept)
    import torch

    torch.set_num_threads(given.threads)
    if given.stage == "autoencoder":
        from benchmarks.base_model.autoencoder import train_autoencoder

        return train_autoencoder(given.kept, given.squeezenet, **steps)
    if given.stage == "denoiser":
        from benchmarks.base_model.denoiser import train_denoiser

        return train_denoiser(given.kept, **steps)
    from benchmarks.base_model.folder import write_folder

    return write_folder(given.kept, given.out)


if __name__ == "__main__":
    main()
