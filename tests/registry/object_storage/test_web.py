"""Files of a web server: bounded, without a way to another protocol, and without secrets told."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.home import Home
from registry.object_storage import addresses, copies
from registry.object_storage.addresses import Address
from registry.object_storage.copies import Copy, copy_of
from tests.support.object_storage import web_server


@pytest.fixture(autouse=True)
def client() -> None:
    """What reads from the web is an extra."""
    pytest.importorskip("aiohttp", reason="aiohttp is not installed: pip install 'creditline[storage]'")


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A server without TLS, which only a test is given."""
    monkeypatch.setattr(addresses, "SCHEMES", ("http",))
    monkeypatch.setattr(addresses, "WEB", ("http",))
    with web_server() as beginning:
        yield beginning


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def copied(home: Home, text: str) -> Copy:
    return copy_of(home, Address.parse(text))


def test_a_file_is_copied_once_as_long_as_its_tag_stays(web: str, home: Home) -> None:
    """Redirects on the same protocol are followed."""
    for text in (f"{web}/list.csv", f"{web}/to/list.csv?{web}/list.csv", f"{web}/to/list.csv?/list.csv"):
        assert copied(home, text).path.read_bytes() == b"url\nhttps://example.org/1\n"
        assert copied(home, text).copied == 0


@pytest.mark.parametrize("target", ["ftp://127.0.0.1/list.csv", "file:///etc/passwd", "https://127.0.0.1/list.csv"])
def test_redirects_to_another_protocol_are_not_followed(web: str, home: Home, target: str) -> None:
    """Here that is every one but http, as outside of tests every one but https."""
    with pytest.raises(InputError, match=f"it redirects to {target.partition(':')[0]}://, expected https://"):
        copied(home, f"{web}/to/list.csv?{target}")


@pytest.mark.parametrize("scheme", ["https", "ht\ttps", " \thttps", "HTTPS", "https\t"])
def test_signs_that_are_nothing_do_not_hide_a_protocol(web: str, home: Home, scheme: str) -> None:
    """What reads an address passes over tabs; so must whoever looks where it leads."""
    with pytest.raises(InputError, match="it redirects to https://, expected https://"):
        copied(home, f"{web}/to/list.csv?{scheme.replace(chr(9), '%09').replace(' ', '%20')}://127.0.0.1/list.csv")


def test_a_malformed_target_is_refused(web: str, home: Home) -> None:
    """In one line."""
    with pytest.raises(InputError, match="it redirects to a malformed address"):
        copied(home, f"{web}/to/list.csv?https://[1/list.csv")


def test_a_circle_of_redirects_ends(web: str, home: Home) -> None:
    """After as many as aiohttp follows."""
    with pytest.raises(InputError, match=r"cannot read http://127.0.0.1:\d+/circle.csv: it redirects too often"):
        copied(home, f"{web}/circle.csv")


@pytest.mark.parametrize(("name", "status"), [("empty", 204), ("nowhere", 302)])
def test_answers_that_are_no_file(web: str, home: Home, name: str, status: int) -> None:
    """A redirect without a target has a body of its own, which is not the file."""
    with pytest.raises(InputError, match=f"status {status}, which comes with no file"):
        copied(home, f"{web}/{name}.csv")


def test_what_a_server_refuses_is_told_by_its_status(web: str, home: Home) -> None:
    """Without the signature, right or wrong; and nothing of it is stored."""
    assert copied(home, f"{web}/signed.csv?key=right").size == 0
    with pytest.raises(InputError, match="the server answers with status 403") as refused:
        copied(home, f"{web}/signed.csv?key=wrong")
    with pytest.raises(InputError, match="the server answers with status 404"):
        copied(home, f"{web}/nothing.csv")
    assert "wrong" not in "".join(traceback.format_exception(refused.value)).replace(
        'copied(home, f"{web}/signed.csv?key=wrong")', ""
    )
    assert not [path for path in home.root.rglob("*") if path.is_file() and b"key=" in path.read_bytes()]


def test_the_signature_of_a_redirect_is_not_shown(web: str, home: Home) -> None:
    """A server can sign where it leads to, and --debug shows causes."""
    with pytest.raises(InputError, match="the server answers with status 403") as refused:
        copied(home, f"{web}/leading.csv")
    assert "of-the-server" not in "".join(traceback.format_exception(refused.value))


def test_streams_of_other_sizes_than_promised(web: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """Too short, or without an end in sight."""
    monkeypatch.setattr(copies, "LARGEST_UNSTATED", 1000)
    told: list[int] = []
    for name in ("short.csv", "endless.csv"):
        with pytest.raises(InputError, match=name):
            copy_of(home, Address.parse(f"{web}/{name}"), lambda done, _: told.append(done))
    assert sum(told) <= 1000
    assert not list(home.fetched.rglob("*.csv"))


def test_a_slow_server_has_time_as_long_as_it_sends(web: str, home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """A large file takes longer than aiohttp would wait, five minutes; silence is told as such."""
    client = pytest.importorskip("aiohttp")
    monkeypatch.setattr(client.client, "DEFAULT_TIMEOUT", client.ClientTimeout(total=0.3))
    assert copied(home, f"{web}/slow.csv?0.1").size == 6
    monkeypatch.setattr(addresses, "SILENCE", 0.2)
    with pytest.raises(InputError, match=r"slow.csv\?…: the server was silent for too long"):
        copied(home, f"{web}/slow.csv?1")


def test_nobody_answers(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """At once, in one line."""
    monkeypatch.setattr(addresses, "SCHEMES", ("http",))
    monkeypatch.setattr(addresses, "WEB", ("http",))
    with pytest.raises(InputError, match=r"cannot read http://127\.0\.0\.1:1/list\.csv: Connect call failed"):
        copied(home, "http://127.0.0.1:1/list.csv")
