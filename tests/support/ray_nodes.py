"""A real Ray cluster of several machines on this one, each with processes of its own."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import psutil

_RAY = """
from ray._private import services
services.resolve_ip_for_localhost = lambda host: host
from ray.scripts.scripts import main
main()
"""
"""The command ``ray``, which would take the machine's own address for 127.0.0.1, and then listen on
all its interfaces."""
ATTEMPTS = 4
"""Ray gives a start 30 seconds, and its helpers 15: too few on a machine at its limit."""
MEMORY = 80 * 2**20
"""Bytes of a node's store of objects: about the least that Ray takes."""


@dataclass
class Node:
    """A machine of the cluster, by the process that started it: ``ray start --block``."""

    process: subprocess.Popen[Any]

    def workers(self, task: str = "_run") -> list[psutil.Process]:
        """The worker processes that run a task of this name now."""
        return [each for each in _family(self.process.pid) if _title(each).startswith(f"ray::{task}")]

    def kill(self) -> None:
        """Kill every process of the machine at once, as a power cut would."""
        lost = _family(self.process.pid)
        with suppress(psutil.NoSuchProcess):
            lost.append(psutil.Process(self.process.pid))
        for each in lost:
            with suppress(psutil.Error):
                each.send_signal(signal.SIGSTOP)
        for each in lost:
            with suppress(psutil.Error):
                each.kill()
        self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()
        psutil.wait_procs(lost, timeout=30)


@dataclass
class RayNodes:
    """A cluster of nodes with one CPU each."""

    address: str
    environment: dict[str, str]
    nodes: list[Node] = field(default_factory=list)

    def start(self, *options: str) -> Node:
        """Start one more node, and wait until it is part of the cluster."""
        told = ""
        for _ in range(ATTEMPTS):
            node, told = self._started(options)
            if node is not None:
                self.nodes.append(node)
                return node
        raise RuntimeError(f"no node after {ATTEMPTS} attempts: {told}")

    def _started(self, options: Sequence[str]) -> tuple[Node | None, str]:
        """A node, or None if Ray gave up; and what it wrote."""
        common = ["--num-cpus=1", "--num-gpus=0", f"--object-store-memory={MEMORY}", "--disable-usage-stats", "--block"]
        process = subprocess.Popen(
            [sys.executable, "-c", _RAY, "start", *options, *common, "--node-ip-address=127.0.0.1"],
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        node, told = Node(process), ""
        try:
            assert process.stdout is not None
            for line in process.stdout:
                told += line.decode()
                if "Ray runtime started" in told:
                    return node, told
        except BaseException:
            node.kill()
            raise
        node.kill()
        return None, told


@contextmanager
def ray_nodes(count: int = 2) -> Iterator[RayNodes]:
    """A running cluster; every process of it is gone at the end."""
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")
    address = f"127.0.0.1:{_free_port()}"
    environment = {
        **os.environ,
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "OMP_NUM_THREADS": "1",
    }
    cluster = RayNodes(address, environment)
    try:
        cluster.start(
            "--head", f"--port={address.rpartition(':')[2]}", "--include-dashboard=false", f"--temp-dir={folder}"
        )
        for _ in range(count - 1):
            cluster.start(f"--address={address}")
        yield cluster
    finally:
        for node in cluster.nodes:
            if node.process.poll() is None:
                node.kill()
        shutil.rmtree(folder, ignore_errors=True)
    assert not processes_of(folder), "processes of the cluster are left"


def processes_of(word: str) -> list[str]:
    """The command lines of running processes that have a word in them."""
    lines = [" ".join(each.info["cmdline"] or ()) for each in psutil.process_iter(["cmdline"])]
    return [line for line in lines if word in line]


def _family(pid: int) -> list[psutil.Process]:
    with suppress(psutil.Error):
        return list(psutil.Process(pid).children(recursive=True))
    return []


def _title(process: psutil.Process) -> str:
    with suppress(psutil.Error):
        return " ".join(process.cmdline())
    return ""


def _free_port() -> int:
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return int(place.getsockname()[1])
