"""Whether a Ray cluster answers at an address. Ray itself waits for minutes and prints a lot."""

from __future__ import annotations

import os
import re
import socket

from registry.errors import InputError, UsageError

PATIENCE = 5.0
"""Seconds for a connection, and for the first bytes of an answer."""
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9_.-]+|\[[0-9A-Fa-f:.]+(%[A-Za-z0-9_.-]+)?\]):(?P<port>[0-9]{1,5})")
# The first bytes of an HTTP/2 client (RFC 9113, section 3.4): the preface, and empty settings.
_OPENING = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes((0, 0, 0, 4, 0, 0, 0, 0, 0))
_HEADER = 9
_TYPE, _SETTINGS = 3, 4
"""The place of a frame's type in its header, and the type that a server sends first."""


def host_and_port(address: str) -> tuple[str, int]:
    """The parts of HOST:PORT; an IPv6 address stands in brackets.

    Raises:
        UsageError: it has another form.
    """
    found = _ADDRESS.fullmatch(address)
    if found is None or not 1 <= int(found["port"]) <= 65535:
        raise UsageError(
            f"got --address {address!r}, expected HOST:PORT of the head of a Ray cluster, such as 10.0.0.5:6379"
        )
    return found["host"].strip("[]"), int(found["port"])


def check_answer(address: str, patience: float = PATIENCE) -> None:
    """Check that a program listens at HOST:PORT and speaks the protocol of a cluster's head.

    The head is a gRPC server: it opens every connection with the settings of HTTP/2. With
    ``RAY_USE_TLS`` it speaks only under TLS, and the connection alone is checked.

    Raises:
        UsageError: the address is malformed.
        InputError: nothing answers there, or another kind of server does.
    """
    place = host_and_port(address)
    try:
        with socket.create_connection(place, patience) as connection:
            if os.environ.get("RAY_USE_TLS", "0").lower() in ("1", "true"):
                return
            connection.settimeout(patience)
            connection.sendall(_OPENING)
            answer = connection.recv(_HEADER, socket.MSG_WAITALL)
    except (OSError, UnicodeError) as error:
        why = "no answer" if isinstance(error, TimeoutError) else str(getattr(error, "strerror", None) or error)
        raise InputError(f"no Ray cluster at {address}: {why}; see `ray status` on its head") from error
    if len(answer) < _HEADER or answer[_TYPE] != _SETTINGS:
        raise InputError(
            f"no Ray cluster at {address}: a server of another kind listens there; see `ray status` on its head"
        )
