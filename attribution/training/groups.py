"""Which members train together: the one rule.

On a GPU, members that share a base train together, as many as its memory holds: one pass over
(member, work) keeps it busier than one member after the other. A group changes its members by
rounding.

On a CPU every member trains alone, in a process of its own, one per core. A group would take less
time (``benchmarks/members/group_training.py``). But alone, a member is bit for bit the same after a
kill or a retraining, whatever other members train.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch

from attribution.engines.device import Device
from attribution.ensemble.recipe import EnsembleSettings
from attribution.training.member import MemberTask

SHARE_OF_MEMORY = 0.7
"""Of the memory that is free before a training. The base and the works take a part of the rest."""


def in_groups(tasks: Sequence[MemberTask], device: Device) -> list[tuple[MemberTask, ...]]:
    """The trainings of one ensemble, in groups whose members train together; no worker is idle
    that has a GPU of its own.
    """
    if not tasks:
        return []
    own = device.engine.a_gpu_each
    free = 0 if device.name == "cpu" else torch.cuda.mem_get_info(device.name)[0] // (1 if own else device.workers)
    size = members_together(tasks[0].settings, len(tasks), device.name, free)
    if own:
        size = min(size, math.ceil(len(tasks) / device.workers))
    return [tuple(tasks[start : start + size]) for start in range(0, len(tasks), size)]


def members_together(settings: EnsembleSettings, count: int, device: str, free: int) -> int:
    """The largest group of ``count`` members on a device with this many free bytes.

    The groups are as few as possible, and then as equal as possible. On a CPU: 1.
    """
    training = settings.training
    rows = math.ceil(training.batch_size / training.accumulation)
    needed = None if device == "cpu" else settings.network.bytes_to_train(rows)
    if needed is None:
        return 1
    fitting = max(1, int(SHARE_OF_MEMORY * free) // needed)
    return math.ceil(count / math.ceil(count / fitting))
