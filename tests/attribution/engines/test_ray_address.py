"""An address where no Ray cluster answers is told at once, in one line."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from attribution.engines.ray_address import check_answer, host_and_port
from registry.errors import InputError, UsageError


@contextmanager
def server(answer: bytes) -> Iterator[str]:
    """The address of a server that gives every connection these bytes, and waits."""
    with socket.create_server(("127.0.0.1", 0)) as place:

        def serve() -> None:
            with suppress(OSError):
                connection, _ = place.accept()
                with connection:
                    connection.sendall(answer)
                    connection.settimeout(30)
                    while connection.recv(1024):
                        pass

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"127.0.0.1:{place.getsockname()[1]}"
        place.shutdown(socket.SHUT_RDWR)
        thread.join()


@pytest.fixture
def silent() -> Iterator[str]:
    """An address that belongs to nobody else, and where nobody listens."""
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{place.getsockname()[1]}"


def test_nobody_listens(silent: str) -> None:
    """The system's own reason is told."""
    started = time.monotonic()
    with pytest.raises(InputError, match=rf"no Ray cluster at {silent}: Connection refused"):
        check_answer(silent)
    assert time.monotonic() - started < 2.0


@pytest.mark.parametrize("answer", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\x00\x00\x12\x07" + bytes(20)])
def test_another_kind_of_server_listens(answer: bytes) -> None:
    """Its first bytes are not the settings of HTTP/2."""
    with server(answer) as address, pytest.raises(InputError, match="a server of another kind listens there"):
        check_answer(address)


def test_a_server_that_says_nothing() -> None:
    """The wait for its first bytes is bounded."""
    with server(b"") as address, pytest.raises(InputError, match=f"no Ray cluster at {address}: no answer"):
        check_answer(address, patience=0.2)


def test_a_head_under_tls_is_only_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says nothing before a handshake, which Ray itself does."""
    monkeypatch.setenv("RAY_USE_TLS", "1")
    with server(b"") as address:
        check_answer(address, patience=0.2)


def test_a_head_opens_with_settings() -> None:
    """As gRPC servers do, of any length."""
    with server(bytes((0, 0, 6, 4, 0, 0, 0, 0, 0)) + bytes(6)) as address:
        check_answer(address)


def test_parts_of_an_address() -> None:
    """Names and IPv4 as they are, IPv6 in brackets."""
    assert host_and_port("head-1.cluster:6379") == ("head-1.cluster", 6379)
    assert host_and_port("[fe80::1%eth0]:6379") == ("fe80::1%eth0", 6379)


@pytest.mark.parametrize(
    "address",
    [
        "",
        "auto",
        "local",
        "head",
        ":6379",
        "head:",
        "head:0",
        "head:65536",
        "::1:6379",
        "ray://head:10001",
        "a b:1",
        "a:1\n",
    ],
)
def test_a_malformed_address_is_named(address: str) -> None:
    """Before anything is asked for."""
    with pytest.raises(UsageError, match="expected HOST:PORT of the head of a Ray cluster"):
        check_answer(address)
