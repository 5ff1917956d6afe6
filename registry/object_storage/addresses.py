"""Addresses of object storage, and the file system of each kind.

    s3://bucket/works              a folder or a file, with s3fs
    gs://bucket/owners.csv         the same with gcsfs
    https://host/list.parquet      one file, with aiohttp; redirects stay on https

>>> Address.parse("s3://bucket/art/owners.csv").name
'owners.csv'
>>> Address.parse("https://host/list.csv?signature=secret").shown
'https://host/list.csv?…'
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from registry.errors import InputError, MissingPartError, UsageError

SCHEMES = ("s3", "gs", "https")
WEB = ("https",)
"""Schemes that name one file each, with a query; folders are not listed there."""
NEEDED = {"s3": "s3fs", "gs": "gcsfs", "https": "aiohttp"}
"""The package that a scheme needs, beside fsspec."""
LONGEST = 4096
SILENCE = 60.0
"""Seconds without a byte after which a web server is given up."""
_FORM = re.compile(r"[a-z][a-z0-9+.-]+:[:/]", re.IGNORECASE)
_PASSWORD = re.compile(r"^(?!arn:)[^:\[]*:(?![0-9]*$)")
"""In place of a host or bucket: behind the colon is no port, so that a user and the beginning of a
password with a slash stand there."""
_SECRETS = re.compile(r"(?P<query>\?\S+)|(?P<user>(?<=//)(?:[^/\s@]+|[^/\s@:]+:[^\s@]+)@)")


@dataclass(frozen=True)
class Address:
    """An address whose form is checked; ``str()`` of it is never shown, since its query may be a
    secret.
    """

    text: str
    scheme: str
    path: str
    """After the scheme, without the query and without a slash at its end."""
    has_query: bool

    @classmethod
    def parse(cls, text: str) -> Address:
        """Check the form of an address.

        Raises:
            UsageError: its scheme is not read, it holds a user or a password, or it is malformed.
        """
        scheme, separator, rest = text.partition("://")
        scheme = scheme.lower()
        if not separator or scheme not in SCHEMES:
            raise UsageError(
                f"got the address {without_secrets(text)[:200]!r}, expected one that begins with "
                f"{', '.join(f'{each}://' for each in SCHEMES)}; mount or download others"
            )
        web = scheme in WEB
        path, query, _ = rest.partition("?") if web else (rest, "", "")
        path = path.rstrip("/")
        host = path.partition("/")[0]
        fault = (
            "it is too long"
            if len(text) > LONGEST
            else "it has characters that cannot be printed, or spaces"
            if not text.isprintable() or (web and " " in text)
            else "it holds a user or a password: leave credentials to the environment"
            if "@" in host or ("@" in path and _PASSWORD.search(host))
            else "it names no bucket or host"
            if not host
            else "it has a fragment (#)"
            if web and "#" in rest
            else None
        )
        if fault is not None:
            raise UsageError(f"got the address {without_secrets(text)[:200]!r}: {fault}")
        return cls(f"{scheme}://{rest if web else path}", scheme, path, bool(query))

    @property
    def shown(self) -> str:
        """For people and for the log: without the query."""
        return f"{self.scheme}://{self.path}" + "?…" * self.has_query

    @property
    def on_web(self) -> bool:
        """Whether it names one file of a web server."""
        return self.scheme in WEB

    @property
    def name(self) -> str:
        """The last part of the path: of a file, its name."""
        return self.path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """24 hex digits of a hash: the place of its copy."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:24]

    def file_system(self) -> Any:  # noqa: ANN401 - fsspec has no types
        """The fsspec file system, with the credentials of the environment.

        Raises:
            MissingPartError: the extra is not installed.
        """
        missing = [name for name in ("fsspec", NEEDED.get(self.scheme, "fsspec")) if find_spec(name) is None]
        if missing:
            raise MissingPartError(
                f"{self.scheme}:// needs {missing[0]}, which is not installed: pip install 'creditline[storage]'"
            )
        import fsspec

        options: dict[str, Any] = {"skip_instance_cache": True, "use_listings_cache": False}
        if self.on_web:
            # The address goes out as it was given, and what comes back is counted as it is sent.
            options |= {
                "encoded": True,
                "headers": {"Accept-Encoding": "identity"},
                "client_kwargs": {"trace_configs": [_watched()], "timeout": _patience()},
            }
        return fsspec.filesystem(self.scheme, **options)


def is_address(text: str) -> bool:
    """Whether a source is named by an address: ``scheme:/`` or ``scheme::``, the scheme being of
    two letters or more.

    >>> [is_address(text) for text in ("s3://b/k", "zip::s3://b/k", "art/owners.csv", "C:/art")]
    [True, True, False, False]
    """
    return _FORM.match(text) is not None


def without_secrets(text: str) -> str:
    """A text without the queries and the users of the addresses in it, in one printable line.

    >>> without_secrets("no answer from https://ada:secret@host/x?key=1, tried twice")
    'no answer from https://…@host/x?…, tried twice'
    """
    found = _SECRETS.sub(lambda match: "…@" if match["user"] else "?…" + "," * match[0].endswith(","), text)
    return " ".join("".join(each if each.isprintable() else " " for each in found).split())


def _patience() -> Any:  # noqa: ANN401 - aiohttp may not be installed
    """Of silence, and not of a whole file: aiohttp ends every request after five minutes."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=SILENCE, sock_read=SILENCE)


def _watched() -> Any:  # noqa: ANN401 - aiohttp may not be installed
    """Refuses redirects to another protocol, and answers that are no file and no error either."""
    import aiohttp
    from yarl import URL

    async def check_target(_session: object, _context: object, told: Any) -> None:  # noqa: ANN401 - aiohttp's own
        target = told.response.headers.get("Location") or told.response.headers.get("URI") or ""
        try:
            # Read as aiohttp will read it: to it, a tab in "ht\ttp://" is nothing.
            scheme = URL(target, encoded=True).scheme
        except ValueError as error:
            raise InputError("it redirects to a malformed address") from error
        if scheme and scheme not in WEB:
            raise InputError(f"it redirects to {scheme}://, expected https://")

    async def check_status(_session: object, _context: object, told: Any) -> None:  # noqa: ANN401 - aiohttp's own
        if told.response.status != 200 and told.response.status < 400:
            raise InputError(f"the server answers with status {told.response.status}, which comes with no file")

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(check_target)
    trace.on_request_end.append(check_status)
    return trace
