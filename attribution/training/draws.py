"""The random numbers of a training step: works, timesteps, noise, and conditions to drop.

They are functions of the seed and the step and, unless members share their draws, of the member's
index: no random state has to be saved.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Float64, Int, Int64, UInt64
from torch import Tensor

from attribution.ensemble.recipe import TrainingSettings

BLOCK = 32_768
"""Works whose lots are drawn at once."""


class Draw(NamedTuple):
    """The random numbers of one step, one row each."""

    rows: Int[Tensor, " batch"]
    """Works, by their place."""
    t: Int[Tensor, " batch"]
    noise: Float[Tensor, "batch channel height width"]
    drop: Float[Tensor, " batch"]
    """Uniform in [0, 1): the condition is dropped below :attr:`DenoiserKind.dropout`."""

    def to(self, device: str) -> Draw:
        return Draw(*(part.to(device) for part in self))

    def part(self, rows: Int[Tensor, " row"]) -> Draw:
        """Some rows of the batch."""
        return Draw(*(each[rows.to(each.device)] for each in self))


def step_seed(training: TrainingSettings, step: int, index: int | None) -> int:
    """A 63-bit seed for one step of one member, or of all members (``index`` None)."""
    digest = hashlib.sha256(f"creditline-training/{training.seed}/{step}/{index}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def draw(training: TrainingSettings, step: int, index: int | None, works: int, shape: Sequence[int]) -> Draw:
    """A member's draw (index None: all members'); timesteps from ``batch_size`` equal ranges.

    ``works``: their number. ``shape``: of one work in the members' space.
    """
    generator = torch.Generator().manual_seed(step_seed(training, step, index))
    batch = training.batch_size
    chosen = (torch.rand(batch, generator=generator, dtype=torch.float64) * works).long()
    stratum = torch.arange(batch) + torch.rand(batch, generator=generator, dtype=torch.float64)
    t = (stratum / batch * training.train_steps).long()
    noise = torch.randn(batch, *shape, generator=generator)
    drop = torch.rand(batch, generator=generator, dtype=torch.float64)
    return Draw(chosen, t, noise, drop)


def draw_works(training: TrainingSettings, step: int, keys: UInt64[np.ndarray, " work"], shape: Sequence[int]) -> Draw:
    """The draw of one step under which members that saw the same work train on it together.

    Every work has a random number at every step, its lot, a function of (seed, step, work). A
    member trains on the lowest lots among its works (coordinated sampling). Two members share as
    large a part of their batches as of their works, each still trains on a uniform draw of its
    works, and other works have no influence. Timestep, noise and dropout come from the lot as well.
    If a member has fewer works than a batch has rows, each work has several lots.

    ``keys``: a number for each work, the same for every member. ``shape``: of one work in the
    members' space.
    """
    batch = training.batch_size
    rounds = np.arange(math.ceil(batch / len(keys)), dtype=np.uint64)
    step_keys = _mixed(rounds + np.uint64(step_seed(training, step, None)))
    places, lots = lowest_lots(keys, step_keys, batch)
    t = torch.from_numpy((_uniform(lots ^ np.uint64(1)) * training.train_steps).astype(np.int64))
    seeds = (_mixed(lots ^ np.uint64(2)) >> np.uint64(1)).tolist()
    noise = torch.stack([torch.randn(*shape, generator=torch.Generator().manual_seed(s)) for s in seeds])
    drop = torch.from_numpy(_uniform(lots ^ np.uint64(3)))
    return Draw(torch.from_numpy(places), t, noise, drop)


def lowest_lots(
    keys: UInt64[np.ndarray, " work"], step_keys: UInt64[np.ndarray, " round"], count: int
) -> tuple[Int64[np.ndarray, " lot"], UInt64[np.ndarray, " lot"]]:
    """The lowest ``count`` lots of all works and rounds, rising: the works' places, and the lots.

    Works are taken in blocks that fit into a processor's cache. A block keeps the lots below a
    bound that about twice as many lots as are wanted lie below; if fewer do, all lots are kept.
    """
    share = 2 * (count + 32) / (len(keys) * len(step_keys))
    for bound in (2**64 - 1 if share >= 1 else int(share * 2**64), 2**64 - 1):
        found_places, found_lots = [], []
        for step_key in step_keys:
            for start in range(0, len(keys), BLOCK):
                lots = _mixed(keys[start : start + BLOCK] ^ step_key)
                below = np.flatnonzero(lots <= np.uint64(bound))
                found_places.append(below + start)
                found_lots.append(lots[below])
        places, lots = np.concatenate(found_places), np.concatenate(found_lots)
        if len(lots) >= count:
            break
    lowest = np.argpartition(lots, count - 1)[:count]
    lowest = lowest[np.argsort(lots[lowest], kind="stable")]
    return places[lowest], lots[lowest]


def _uniform(values: UInt64[np.ndarray, " value"]) -> Float64[np.ndarray, " value"]:
    """Numbers in [0, 1) from 53 mixed bits."""
    return np.asarray((_mixed(values) >> np.uint64(11)).astype(np.float64) * 2.0**-53)


def _mixed(values: UInt64[np.ndarray, "*shape"]) -> UInt64[np.ndarray, "*shape"]:
    """The finaliser of splitmix64 (Steele, Lea, Flood 2014): spreads neighbouring numbers."""
    mixed = values + np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed ^ (mixed >> np.uint64(31)), dtype=np.uint64)
