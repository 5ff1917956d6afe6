"""The same results from a Ray cluster, whatever is killed. The clusters are real: two machines on
this one, and one that a command starts for itself.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from attribution.engines.device import choose_device
from attribution.engines.ray_cluster import RayCluster
from registry.errors import MissingPartError, UsageError
from tests.attribution.conftest import write_works
from tests.support.ray_nodes import Node, RayNodes, ray_nodes
from tests.support.ray_tasks import scanned
from tests.support.running import Creditline

MAIN = "from cli.main import main; main()"
RECIPE = ("--size", 8, "--widths", 8, "--batch-size", 4, "--steps", 300)
PATIENCE = 600.0
_ALONE = """
import signal, time
from attribution.engines.device import Device, run_tasks
from attribution.engines.ray_cluster import RayCluster
from tests.support.ray_tasks import sleeping

class Stop(BaseException):
    pass

def stop(*_):
    raise Stop

signal.signal(signal.SIGINT, stop)
cluster = RayCluster(cpus=1)
print(cluster.resources()["CPU"], flush=True)
try:
    list(run_tasks(sleeping, [3600.0], Device("cpu", 1, cluster)))
except Stop:
    print("stopped", flush=True)
time.sleep(3600)
"""


@pytest.fixture(scope="module")
def cluster() -> Iterator[RayNodes]:
    """Two nodes with one CPU each; a test may kill the second one."""
    with ray_nodes(2) as nodes:
        yield nodes


@pytest.fixture
def planned(tmp_path: Path) -> Creditline:
    """Six works for five members."""
    creditline = Creditline(tmp_path / "home")
    creditline("init")
    write_works(tmp_path / "art", 6)
    assert creditline("register", tmp_path / "art", "--owners", tmp_path / "art" / "owners.csv").status == 0
    assert creditline("encode", "--within", "none", "--members", 5, "--weight", 2).status == 0
    return creditline


def wait_for(what: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def in_training(node: Node) -> list[psutil.Process]:
    """The workers of a node that have mapped a training set: they take their steps."""
    return [each for each in node.workers() if any(place.path.endswith("pixels.npy") for place in each.memory_maps())]


def test_options_that_contradict_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is named, and so is the extra that Ray needs."""
    with pytest.raises(UsageError, match="--address is that of a Ray cluster: add --engine ray"):
        choose_device("cpu", 1, "local", "127.0.0.1:6379")
    with pytest.raises(UsageError, match="got the engine 'slurm', expected one of local, ray"):
        choose_device("cpu", 1, "slurm")
    monkeypatch.setattr("attribution.engines.ray_cluster.find_spec", lambda _: None)
    with pytest.raises(MissingPartError, match=r"creditline\[ray\]"):
        RayCluster().resources()


@pytest.mark.slow
@pytest.mark.reopens
def test_tasks_of_killed_workers_count_once(cluster: RayNodes, tmp_path: Path) -> None:
    """A killed worker's task runs again and has one answer; steps are not told twice. Errors arrive
    as they are, and a task that loses every worker ends the run.
    """
    command = [sys.executable, "-m", "tests.support.ray_tasks", cluster.address, str(tmp_path)]
    done = subprocess.run(command, env=cluster.environment, capture_output=True, text=True, timeout=PATIENCE)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["found"] == [[0, "a"], [1, "b"], [2, "c"]]
    assert found["told"] == [[0, 7], [1, 7], [2, 7]]
    assert found["killed"].startswith("WorkerDiedError: a task lost its worker 2 times")
    assert found["refused"] == "UsageError: not with that"
    assert found["reading"].startswith("InputError: a machine of the Ray cluster lacks")
    assert "torch" in found["versions"]
    assert "instead of 0.1" in found["versions"]


@pytest.mark.slow
@pytest.mark.reopens
def test_a_search_of_all_units_outlives_a_worker_and_a_machine(cluster: RayNodes) -> None:
    """Blocks of units that were lost are searched again: the units and values of one process. The
    process that gathers the progress starts anew.
    """
    units = 40_000_000
    lost = cluster.start(f"--address={cluster.address}")
    command = [sys.executable, "-m", "tests.support.ray_tasks", cluster.address, "scan", str(units)]
    with subprocess.Popen(
        command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        head = cluster.nodes[0]
        wait_for(lambda: (head.workers() and lost.workers()) or run.poll() is not None)
        assert run.poll() is None, run.stderr.read() if run.stderr else ""
        head.workers("_Progress")[0].kill()
        head.workers()[0].kill()
        lost.kill()
        out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, err
    found, expected = json.loads(out), scanned(None, units)
    assert 0 < found.pop("told") <= expected.pop("told") == units
    assert found == expected


@pytest.mark.slow
@pytest.mark.reopens
def test_a_killed_worker_and_a_killed_machine_change_no_result(
    cluster: RayNodes, planned: Creditline, tmp_path: Path
) -> None:
    """Members, samples and audits are those of local processes, bit for bit."""
    local = Creditline(tmp_path / "local").take(planned)
    on_ray = ("--engine", "ray", "--address", cluster.address)
    command = [sys.executable, "-c", MAIN, "train", *map(str, RECIPE), *on_ray, "--home", str(planned.home), "--json"]
    with subprocess.Popen(
        command, env=cluster.environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as run:
        head, other = cluster.nodes[:2]
        wait_for(lambda: (in_training(head) and in_training(other)) or run.poll() is not None)
        assert run.poll() is None, run.stderr.read() if run.stderr else ""
        in_training(head)[0].kill()
        other.kill()
        out, err = run.communicate(timeout=PATIENCE)
    assert run.returncode == 0, err
    trained = {each["index"]: each["weights_sha256"] for each in json.loads(out)["members"]}
    expected = local("train", *RECIPE, "--workers", 1, "--json").document["members"]
    assert trained == {each["index"]: each["weights_sha256"] for each in expected}
    assert len(trained) == 5
    shown, largest = [], []
    for home, engine in ((planned, on_ray), (local, ("--workers", 1))):
        steps = [("sample", "--count", 2, "--seed", 1, "--steps", 4), ("audit", "--all")]
        for step in steps:
            words = [sys.executable, "-c", MAIN, *map(str, (*step, *engine, "--home", home.home, "--json"))]
            done = subprocess.run(words, env=cluster.environment, capture_output=True, text=True, timeout=PATIENCE)
            assert done.returncode == 0, done.stderr
        samples = [(each["id"], each["image_sha256"]) for each in home("samples", "--json").document["samples"]]
        audits = [
            home.home / "audits" / name for name in sorted(path.name for path in (home.home / "audits").iterdir())
        ]
        shown.append((samples, [(path.name, path.read_bytes()) for path in audits]))
        # So few units leave no search of all codes: each block is a task.
        asked: tuple[object, ...] = ("landscape", samples[0][0], "--largest", 3, *engine, "--home", home.home, "--json")
        done = subprocess.run(
            [sys.executable, "-c", MAIN, *map(str, asked)],
            env=cluster.environment,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        assert done.returncode == 0, done.stderr
        largest.append(json.loads(done.stdout))
        assert home("doctor").status == 0
    assert shown[0] == shown[1]
    assert len(largest[0]["units"]) == 3
    assert largest[0] == largest[1]


@pytest.mark.slow
@pytest.mark.reopens
def test_a_cluster_of_one_command_listens_here_alone_and_ends_with_it() -> None:
    """Its ports are on the loopback interface. Ctrl-C reaches the command and ends its tasks. After
    kill -9 nothing of it computes or takes work; the two helpers that Ray keeps beside it end by
    themselves, up to minutes later.
    """
    folder = tempfile.mkdtemp(dir="/tmp")
    environment = {**os.environ, "TMPDIR": folder}
    with subprocess.Popen(
        [sys.executable, "-c", _ALONE], stdout=subprocess.PIPE, text=True, env=environment
    ) as command:
        assert command.stdout is not None
        assert command.stdout.readline().strip() == "1.0"
        family = psutil.Process(command.pid).children(recursive=True)
        ports = [
            place.laddr.ip
            for each in [psutil.Process(command.pid), *family]
            for place in each.net_connections("inet")
            if place.status == psutil.CONN_LISTEN
        ]
        assert ports
        assert {ip.removeprefix("::ffff:") for ip in ports} == {"127.0.0.1"}
        node = Node(command)
        wait_for(node.workers)
        command.send_signal(signal.SIGINT)
        assert command.stdout.readline().strip() == "stopped"
        wait_for(lambda: not node.workers())
        family = psutil.Process(command.pid).children(recursive=True)
        names = {each.pid: each.name() for each in family}
        command.kill()
    _, left = psutil.wait_procs(family, timeout=20)
    for each in left:
        each.kill()
    psutil.wait_procs(left)
    shutil.rmtree(folder)
    assert {names[each.pid] for each in left} <= {"ray::DashboardAgent", "ray::RuntimeEnvAgent"}
