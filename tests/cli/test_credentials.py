"""``creditline sign``, ``credentials`` and ``test-certificate`` as people meet them."""

from __future__ import annotations

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("c2pa", reason="needs the extra c2pa")

from registry.storage.tables import Sample
from tests.cli.test_imports import HEAVY, loaded_by
from tests.support.running import Creditline, Outcome
from tests.support.world import World, make_world


@pytest.fixture
def world(creditline: Creditline) -> World:
    """A registry with works and an ensemble, in the home of the command line."""
    return make_world(creditline.home)


@pytest.fixture
def sample(world: World) -> Sample:
    """A sample whose newest audit finds its first candidate."""
    made = world.add_sample(0)
    world.add_audit((0, 30, 90), sample=made)
    return made


@pytest.fixture
def chain(creditline: Creditline, tmp_path: Path) -> tuple[object, ...]:
    """The options that name a signer."""
    assert creditline("test-certificate", tmp_path / "test").status == 0
    return "--certificate", tmp_path / "test" / "test-chain.pem", "--key", tmp_path / "test" / "test-key.pem"


def one_line(outcome: Outcome, status: int) -> str:
    """The error of a run: one line, and nothing on stdout."""
    assert outcome.status == status, outcome.err
    assert outcome.out == ""
    assert len(outcome.err.strip().splitlines()) == 1
    return outcome.err


def test_sign_and_check(creditline: Creditline, sample: Sample, chain: tuple[object, ...], tmp_path: Path) -> None:
    """The path on stdout; valid under the root, untrusted without, tampered once altered, none for
    the sample itself.
    """
    root = tmp_path / "test" / "test-root.pem"
    signed = creditline("sign", sample.id[:6], *chain)
    assert signed.status == 0, signed.err
    path = Path(signed.out.strip())
    assert path == creditline.home / "reports" / "signed" / f"{sample.id}.png"
    assert "TEST certificate that nobody trusts" in signed.err
    assert "without a time stamp, the signature is valid until the certificate expires" in signed.err
    valid = creditline("credentials", path, "--trust", root)
    assert (valid.status, valid.err) == (0, "")
    for words in ("state         valid", "trainedAlgorithmicMedia", "Red apple", "Kestrel Studio", "attributable  yes"):
        assert words in valid.out
    untrusted = creditline("credentials", path)
    assert untrusted.status == 1
    assert "untrusted: nothing was altered" in untrusted.err
    data = bytearray(path.read_bytes())
    data[-20] ^= 1
    altered = tmp_path / "altered.png"
    altered.write_bytes(data)
    tampered = creditline("credentials", altered, "--trust", root)
    assert tampered.status == 1
    assert "state         tampered" in tampered.out
    none = creditline("credentials", creditline.home / "samples" / f"{sample.id}.png", "--trust", root)
    assert (none.status, none.out) == (1, "state         none\n")


def test_json(creditline: Creditline, sample: Sample, chain: tuple[object, ...], tmp_path: Path) -> None:
    """One versioned document each, with the assertion in it and no part of the key."""
    signed = creditline("sign", sample.id, *chain, "--out", tmp_path / "out.png", "--sidecar", "--json")
    assert signed.document["creditline"] == "sign"
    assert signed.document["sidecar"] == str(tmp_path / "out.c2pa")
    assert set(signed.document["sha256"]) == {"out.png", "out.c2pa"}
    assert "PRIVATE" not in signed.out + signed.err
    checked = creditline("credentials", tmp_path / "out.png", "--json")
    assert checked.status == 1
    assert (checked.document["creditline"], checked.document["state"]) == ("credentials", "untrusted")
    assert checked.document["manifest"] == str(tmp_path / "out.c2pa")
    assert checked.document["assertion"] == signed.document["assertion"]
    assert checked.document["ingredients"] == 0


def test_the_log_knows_it(creditline: Creditline, sample: Sample, chain: tuple[object, ...], tmp_path: Path) -> None:
    """One event with the file's hash, and nothing of the signer's files."""
    signed = creditline("sign", sample.id, *chain, "--out", tmp_path / "out.png", "--json").document
    events = creditline("log", "--json").out
    assert signed["sha256"]["out.png"] in events
    assert "test-key" not in events
    assert "BEGIN" not in events


def test_refusals(creditline: Creditline, world: World, chain: tuple[object, ...], tmp_path: Path) -> None:
    """One line each that names the file or the sample, exit 2; and no file."""
    sample = world.add_sample(0)
    key = tmp_path / "test" / "test-key.pem"
    own = creditline.home / "samples" / f"{sample.id}.png"
    out = ("--out", tmp_path / "out.png")
    assert "run `creditline audit" in one_line(creditline("sign", sample.id, *chain, *out), 2)
    assert "no sample 'zzzz'" in one_line(creditline("sign", "zzzz", *chain, *out), 2)
    assert "registry's own places" in one_line(creditline("sign", sample.id, *chain, "--out", own), 2)
    swapped = ("--certificate", key, "--key", key)
    assert str(key) in one_line(creditline("sign", sample.id, *swapped, *out), 2)
    assert "No such file" in one_line(creditline("credentials", tmp_path / "no.png"), 2)
    assert str(key) in one_line(creditline("credentials", own, "--trust", key), 2)
    assert "format that can have" in one_line(creditline("credentials", key), 2)
    assert "is there already" in one_line(creditline("test-certificate", tmp_path / "test"), 2)
    assert not (tmp_path / "out.png").exists()
    assert creditline("sign", sample.id, *chain, *out, "--no-audit").status == 0
    assert "signed without an audit" in creditline("credentials", tmp_path / "out.png").out


def test_a_key_that_others_may_read_is_told(
    creditline: Creditline, sample: Sample, chain: tuple[object, ...], tmp_path: Path
) -> None:
    """The helper's key is its owner's alone; one that is not is pointed out."""
    key = tmp_path / "test" / "test-key.pem"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    key.chmod(0o644)
    signed = creditline("sign", sample.id, *chain, "--out", tmp_path / "out.png")
    assert signed.status == 0
    assert "other users may read the key file" in signed.err


def test_test_certificates_say_that_they_are(creditline: Creditline, tmp_path: Path) -> None:
    """In words for people and as a field for machines."""
    made = creditline("test-certificate", tmp_path / "a", "--algorithm", "ed25519", "--json")
    assert made.document["test"] is True
    assert "nobody trusts it" in made.err
    assert Path(made.document["key"]).is_file()


WITHOUT = """
import sys
sys.modules[sys.argv.pop(1)] = None
from cli.main import main
main()
"""


@pytest.mark.slow
@pytest.mark.parametrize("missing", ["c2pa", "cryptography"])
def test_without_the_extra(
    world: World, sample: Sample, chain: tuple[object, ...], tmp_path: Path, missing: str
) -> None:
    """Exit 4 and a line that says what to install. In processes of their own: nothing of it is
    imported there yet.
    """
    for command in (
        ("sign", sample.id, *chain, "--out", tmp_path / "out.png", "--home", world.home.root),
        ("credentials", tmp_path / "out.png", "--trust", tmp_path / "test" / "test-root.pem"),
    ):
        arguments = [sys.executable, "-c", WITHOUT, missing, *map(str, command)]
        done = subprocess.run(arguments, capture_output=True, text=True)
        assert done.returncode == 4, done.stderr
        (line,) = done.stderr.splitlines()
        assert "pip install 'creditline[c2pa]'" in line


def test_hostile_texts_reach_no_terminal(creditline: Creditline, chain: tuple[object, ...], tmp_path: Path) -> None:
    """Control characters and turned writing in a title: not in the file, and not on the screen."""
    world = make_world(tmp_path / "other", first_title="\x1b[31m\u202e<b>\0" + "long " * 20_000)
    sample = world.add_sample(0)
    world.add_audit((0, 30), sample=sample)
    out = tmp_path / "out.png"
    assert creditline("sign", sample.id, *chain, "--out", out, "--home", world.home.root).status == 0
    shown = creditline("credentials", out).out
    assert "<b>" in shown
    assert not set(shown) & set("\x1b\u202e\0")
    assert max(map(len, shown.splitlines())) < 2_500
    assert len(json.dumps(creditline("credentials", out, "--json").document)) < 30_000


@pytest.mark.slow
def test_checking_loads_no_models(
    sample: Sample, chain: tuple[object, ...], creditline: Creditline, tmp_path: Path
) -> None:
    """The help loads nothing heavy; signing and checking neither torch nor the pages."""
    assert not loaded_by("credentials", "--help") & {"c2pa", "cryptography", *HEAVY}
    names = [str(each) for each in chain]
    out = str(tmp_path / "out.png")
    home = ("--home", str(creditline.home))
    assert not loaded_by("sign", sample.id, *names, "--out", out, *home) & {"torch", "diffusers", "jinja2"}
    trust = ("--trust", str(tmp_path / "test" / "test-root.pem"))
    assert not loaded_by("credentials", out, *trust) & {"torch", "diffusers", "jinja2"}
