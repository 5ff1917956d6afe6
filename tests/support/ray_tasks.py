"""Tasks for the workers of a Ray cluster, and a process that gives them."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np

from attribution.ablation.scan.dealt import Dealt
from attribution.ablation.scan.form import QuadraticForm
from attribution.ablation.scan.spread import SpreadSearch
from attribution.engines import ray_cluster
from attribution.engines.device import Device, run_tasks
from attribution.engines.interface import Report
from attribution.engines.ray_cluster import RayCluster
from registry.errors import CreditlineError, UsageError


def killed_once(marker: Path, report: Report) -> str:
    """The first worker is killed in the middle; the second one finishes."""
    report(3)
    if not marker.exists():
        marker.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    report(4)
    return marker.name


def killed(_: str, report: Report) -> None:
    """Every worker is killed."""
    report(1)
    os.kill(os.getpid(), signal.SIGKILL)


def sleeping(seconds: float, _: Report) -> None:
    """A task that takes long."""
    time.sleep(seconds)


def refused(name: str, _: Report) -> None:
    """A task that refuses its values."""
    raise UsageError(f"not with {name}")


def reading(path: str, _: Report) -> bytes:
    """A task that reads a file."""
    return Path(path).read_bytes()


def error_of(cluster: RayCluster, function: object, task: object) -> str:
    """The kind and the message of the error that a task ends with."""
    try:
        list(run_tasks(function, [task], Device("cpu", 2, cluster)))  # type: ignore[arg-type]  # any of these functions
    except CreditlineError as error:
        return f"{type(error).__name__}: {error}"
    return "none"


def main(address: str, folder: Path) -> None:
    """Write what became of the tasks to stdout, as JSON."""
    cluster = RayCluster(address)
    told: Counter[int] = Counter()
    markers = [folder / name for name in ("a", "b", "c")]
    found = list(
        run_tasks(killed_once, markers, Device("cpu", 2, cluster), lambda index, steps: told.update({index: steps}))
    )
    ray_cluster.RETRIES = 1
    errors = {
        "killed": error_of(cluster, killed, ""),
        "refused": error_of(cluster, refused, "that"),
        "reading": error_of(cluster, reading, str(folder / "nowhere")),
    }
    versions = ray_cluster._versions
    ray_cluster._versions = lambda: {**versions(), "torch": "0.1"}
    errors["versions"] = error_of(cluster, reading, "")
    sys.stdout.write(json.dumps({"found": sorted(found), "told": sorted(told.items()), **errors}))


def scanned(device: Device | None, units: int) -> dict[str, object]:
    """The largest of many units, whose codes must be made; the steps told, and the answer."""
    columns = np.random.default_rng(1).normal(size=(50, 9))
    form, told = QuadraticForm.of_gram(columns @ columns.T), [0]
    search = SpreadSearch(Dealt(1, 50, 24, units, 2), form.mask, device, lambda done, _: told.append(done))
    found = search.largest(form, 20)
    return {"told": told[-1], "numbers": found.numbers.tolist(), "values": found.values.tolist()}


if __name__ == "__main__":
    if sys.argv[2] == "scan":
        sys.stdout.write(json.dumps(scanned(Device("cpu", 3, RayCluster(sys.argv[1])), int(sys.argv[3]))))
    else:
        main(sys.argv[1], Path(sys.argv[2]))
