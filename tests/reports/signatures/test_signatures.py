"""Signatures: whoever holds a page checks it by the commands of docs/signatures.md."""

from __future__ import annotations

import os
import re
import shutil
import stat
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from registry.errors import InputError, UsageError
from registry.event_log.events import read_head
from reports.checking.document_check import check_document
from reports.checking.signature_check import State
from reports.data_sets.document import DATA_SET
from reports.signatures.keys import PASSPHRASE, create_key, key_named, keys_of, signer_of
from reports.signatures.timestamps import AUTHORITY
from tests.support.world import NOON, World, make_world

PAGE = Path(__file__).parents[3] / "docs" / "signatures.md"
COMMANDS = re.findall(r"```sh\n(openssl .*?)\n```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
VERIFY, ID, TIME = COMMANDS

pytestmark = pytest.mark.skipif(shutil.which("openssl") is None, reason="no openssl here")


@pytest.fixture
def world(tmp_path: Path) -> World:
    """A world with works, without audits."""
    return make_world(tmp_path / "home")


def issue(world: World, out: Path) -> Path:
    """A report of the data set, as ``page.html`` with what lies beside it."""
    page = DATA_SET.write(world.registry, "shapes", out, NOON).page
    for suffix in ("", ".sig", ".tsr"):
        beside = page.with_name(page.name + suffix)
        if beside.exists():
            shutil.copy(beside, out / f"page.html{suffix}")
    return page


def run(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, shell=True, capture_output=True, text=True, check=False)  # noqa: S602 - the page's


def verdict(world: World, page: Path) -> State:
    return check_document(world.registry, page).signature.state


def test_a_page_is_checked_by_the_stated_commands_alone(world: World, tmp_path: Path) -> None:
    """The signature holds, and not over other bytes; the key's id is what the command prints."""
    key = create_key(world.registry, NOON)
    page = issue(world, tmp_path / "out")
    (tmp_path / "out" / "key.pem").write_bytes(key.pem())
    assert run(VERIFY, tmp_path / "out").stdout.strip() == "Signature Verified Successfully"
    assert run(ID, tmp_path / "out").stdout.startswith(key.id)
    assert f"signed by key {key.id}" in page.read_text(encoding="utf-8")
    assert verdict(world, page) == "known key"
    altered = (tmp_path / "out" / "page.html").read_bytes().replace(b"Kestrel", b"Kestrol")
    (tmp_path / "out" / "page.html").write_bytes(altered)
    assert run(VERIFY, tmp_path / "out").returncode
    page.write_bytes(altered)
    assert verdict(world, page) == "bad signature"


def test_the_private_half_is_its_owners_alone(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Mode 0600; another mode, a wrong passphrase and another key's file are refused."""
    monkeypatch.setenv(PASSPHRASE, "a passphrase")
    key = create_key(world.registry, NOON, "a passphrase")
    assert stat.S_IMODE(key.private.stat().st_mode) == 0o600
    assert b"ENCRYPTED" in key.private.read_bytes()
    assert signer_of(world.registry) is not None
    monkeypatch.setenv(PASSPHRASE, "another")
    with pytest.raises(InputError, match="does not open"):
        signer_of(world.registry)
    monkeypatch.delenv(PASSPHRASE)
    with pytest.raises(InputError, match="does not open"):
        signer_of(world.registry)
    key.private.chmod(0o644)
    with pytest.raises(InputError, match="chmod 600"):
        signer_of(world.registry)


def test_the_public_half_is_published_with_the_end_of_the_log(world: World) -> None:
    """In the log and in the file beside it."""
    key = create_key(world.registry, NOON)
    assert read_head(world.home.log_head) is not None
    assert key.id in world.home.log_head.read_text()
    assert [each.id for each in keys_of(world.registry)] == [key.id]


@pytest.mark.slow
def test_keys_may_change_and_may_be_lost(world: World, tmp_path: Path) -> None:
    """A former key's signatures hold; without the newest key's private half nothing is signed."""
    unsigned = issue(world, tmp_path / "before")
    assert verdict(world, unsigned) == "not signed"
    assert "; not signed" in unsigned.read_text(encoding="utf-8")
    first = create_key(world.registry, NOON)
    early = issue(world, tmp_path / "early")
    second = create_key(world.registry, NOON)
    late = issue(world, tmp_path / "late")
    assert key_named(world.registry, None).id == second.id
    assert key_named(world.registry, first.id[:8]).id == first.id
    assert verdict(world, early) == verdict(world, late) == "known key"
    second.private.unlink()
    assert verdict(world, issue(world, tmp_path / "early")) == "not signed"
    assert not (tmp_path / "early" / "data-set-1.html.sig").exists()


def test_a_key_of_another_registry_is_unknown(world: World, tmp_path: Path) -> None:
    """The signature may be good, but nothing here says so."""
    other = make_world(tmp_path / "other")
    create_key(other.registry, NOON)
    assert verdict(world, issue(other, tmp_path / "out")) == "unknown key"


class Authority(BaseHTTPRequestHandler):
    """A time stamp authority: `openssl ts -reply` behind HTTP."""

    folder: Path
    answer: bytes | None = None
    """In place of a real answer."""

    def do_POST(self) -> None:
        query = self.rfile.read(int(self.headers["Content-Length"]))
        (self.folder / "query.tsq").write_bytes(query)
        reply = self.answer
        if reply is None:
            command = "openssl ts -reply -config tsa.cnf -section tsa -queryfile query.tsq -out reply.tsr"
            assert run(command, self.folder).returncode == 0
            reply = (self.folder / "reply.tsr").read_bytes()
        self.send_response(200)
        self.send_header("Content-Type", "application/timestamp-reply")
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_: object) -> None:
        """Nothing: the test prints what matters."""


@pytest.fixture
def authority(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Authority]]:
    """An authority on this machine, named by the environment."""
    folder = tmp_path / "tsa"
    folder.mkdir()
    (folder / "tsa.cnf").write_text(
        "[req]\ndistinguished_name = name\nprompt = no\nx509_extensions = stamps\n[name]\nCN = Example Time\n"
        "[stamps]\nextendedKeyUsage = critical,timeStamping\n"
        "[tsa]\nserial = serial\nsigner_cert = tsa.pem\nsigner_key = tsa.key\nsigner_digest = sha256\n"
        "default_policy = 1.2.3.4\ndigests = sha256\ncrypto_device = builtin\ness_cert_id_alg = sha256\n"
    )
    (folder / "serial").write_text("01\n")
    made = run("openssl req -x509 -newkey rsa:2048 -nodes -keyout tsa.key -out tsa.pem -days 2 -config tsa.cnf", folder)
    assert made.returncode == 0, made.stderr
    handler = type("Here", (Authority,), {"folder": folder})
    server = HTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv(AUTHORITY, f"http://127.0.0.1:{server.server_port}")
    yield handler
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_time_stamp_is_checked_by_the_stated_command(
    world: World, tmp_path: Path, authority: type[Authority]
) -> None:
    """By the authority's certificate, against the signature and no other file."""
    create_key(world.registry, NOON)
    issue(world, tmp_path / "out")
    shutil.copy(authority.folder / "tsa.pem", tmp_path / "out" / "authority.pem")
    found = run(TIME, tmp_path / "out")
    assert "Verification: OK" in found.stdout + found.stderr
    (tmp_path / "out" / "page.html.sig").write_bytes(os.urandom(64))
    assert "Verification: OK" not in run(TIME, tmp_path / "out").stdout


@pytest.mark.parametrize("kind", ["no answer", "garbage", "another request's"])
def test_without_a_right_answer_nothing_is_issued(
    world: World, tmp_path: Path, authority: type[Authority], monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """A clear error, no file and no event."""
    create_key(world.registry, NOON)
    issue(world, tmp_path / "first")
    if kind == "no answer":
        monkeypatch.setenv(AUTHORITY, "http://127.0.0.1:9")
    authority.answer = b"x" if kind == "garbage" else (authority.folder / "reply.tsr").read_bytes()
    before = read_head(world.home.log_head)
    with pytest.raises(InputError, match="time stamp"):
        issue(world, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []
    assert read_head(world.home.log_head) == before


def test_an_authority_without_a_key_is_refused(world: World, tmp_path: Path, authority: type[Authority]) -> None:
    """There is no signature that it could stamp."""
    assert authority.answer is None
    with pytest.raises(UsageError, match="no key signs"):
        issue(world, tmp_path / "out")
