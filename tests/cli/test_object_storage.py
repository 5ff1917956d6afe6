"""Works, owners and lists on a real S3 server of this machine, through the command line."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest

from registry.object_storage import addresses
from tests.support.object_storage import SECRET, s3_server
from tests.support.running import Creditline
from tests.support.works import write_csv, write_pictures

OWNERS = [
    {"path": "sun.png", "rightsholder": "Ada Example", "licence": "CC-BY-4.0"},
    {"path": "deep/moon.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0"},
    {"path": "star.png", "rightsholder": "Zoe Example", "licence": "CC0-1.0"},
]


@pytest.fixture(scope="module")
def server() -> Iterator[dict[str, str]]:
    for name in ("s3fs", "moto", "flask_cors"):
        pytest.importorskip(name, reason=f"{name} is not installed: pip install 'creditline[dev]'")
    with s3_server() as environment:
        yield environment


@pytest.fixture
def bucket(server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A bucket with three pictures, the table of their owners, an archive and a list."""
    for name, value in server.items():
        monkeypatch.setenv(name, value)
    storage = fsspec.filesystem("s3", skip_instance_cache=True, use_listings_cache=False)
    works = write_pictures(tmp_path / "works", [*(row["path"] for row in OWNERS), "other.png"])
    storage.mkdir("works")
    for row in OWNERS:
        storage.pipe(f"works/art/{row['path']}", (works / row["path"]).read_bytes())
    storage.pipe("works/owners.csv", write_csv(tmp_path / "owners.csv", OWNERS).read_bytes())
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(works / "other.png", "other.png")
    storage.pipe("works/art.zip", packed.getvalue())
    storage.pipe("works/list.csv", b"url,rightsholder\nhttps://example.org/1.png,Ada Example\n")
    yield storage
    storage.rm("works", recursive=True)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """A storage of this process, without a server."""
    monkeypatch.setattr(addresses, "SCHEMES", ("memory",))
    storage = fsspec.filesystem("memory")
    yield storage
    storage.store.clear()
    storage.pseudo_dirs[:] = [""]


def test_works_in_a_storage_of_this_process(creditline: Creditline, memory: Any, tmp_path: Path) -> None:  # noqa: ANN401 - fsspec has no types
    """Copied, registered, and recorded; file:// names a file."""
    works = write_pictures(tmp_path / "works", [row["path"] for row in OWNERS])
    owners = write_csv(tmp_path / "owners.csv", OWNERS)
    memory.pipe({f"/art/{row['path']}": (works / row["path"]).read_bytes() for row in OWNERS})
    memory.pipe("/owners.csv", owners.read_bytes())
    creditline("init")
    assert creditline("register", f"file://{works}", "--owners", f"file://{owners}", "--dry-run").status == 0
    found = creditline("register", "memory://art", "--owners", "memory://owners.csv")
    assert found.status == 0, found.err
    assert "data set art: 3 of 3 files are registered works" in found.out
    assert "source copied" in creditline("log").out
    assert creditline("doctor").status == 0


@pytest.mark.parametrize("source", ["file://[a/works", "file://elsewhere/works", "file:///works?a=1"])
def test_a_malformed_address_of_a_file_is_one_line(creditline: Creditline, source: str) -> None:
    """It names no file of this machine."""
    creditline("init")
    found = creditline("register", source)
    assert found.status == 2
    assert "expected file:///PATH" in found.err


@pytest.mark.slow
def test_members_are_collected_from_a_storage(filled: Creditline, memory: Any, tmp_path: Path) -> None:  # noqa: ANN401 - as above
    """What jobs left on their own disks and was copied there; an altered one is refused."""
    recipe = ("--size", 8, "--widths", 8, "--batch-size", 2, "--steps", 6)
    assert filled("encode", "--within", "none", "--members", 3, "--weight", 1).status == 0
    ensemble = filled("train", *recipe, "--plan-only", "--json").document["ensemble"]
    for index in range(3):
        out = tmp_path / f"run-{index}"
        job = filled("train", "--ensemble", ensemble, "--member", index, "--no-register", "--out", out)
        assert job.status == 0, job.err
        memory.put(str(out), f"/run-{index}", recursive=True)
    weights = next(each for each in memory.find("/run-2") if each.endswith(".safetensors"))
    whole = memory.cat(weights)
    memory.pipe(weights, whole[:-1] + b"x")
    runs = [f"memory://run-{index}" for index in range(3)]
    found = filled("members", "collect", *runs, "--json")
    assert found.status == 1
    assert [each["state"] for each in found.document["members"]] == ["registered", "registered", "refused"]
    memory.pipe(weights, whole)
    assert filled("members", "collect", *runs).status == 0
    assert filled("doctor").status == 0


@pytest.mark.slow
def test_works_on_object_storage_are_registered_and_trained_on(creditline: Creditline, bucket: Any) -> None:  # noqa: ANN401 - fsspec has no types
    """The log has address and hash; what changed there is registered here; no secret is stored."""
    creditline("init")
    command = ("register", "s3://works/art", "--owners", "s3://works/owners.csv")
    found = creditline(*command)
    assert found.status == 0, found.err
    assert "data set art: 3 of 3 files are registered works" in found.out
    assert "s3://works/art: 3 files, 3 copied now" in found.err
    logged = creditline("log", "--json").document["events"]
    copied = {each["subject"]: each["after"] for each in logged if each["kind"] == "source copied"}
    assert set(copied) == {"address s3://works/art", "address s3://works/owners.csv"}
    assert copied["address s3://works/art"]["files"] == 3
    again = creditline(*command)
    assert "3 files, 0 copied now" in again.err
    bucket.pipe("works/art/star.png", bucket.cat("works/art/sun.png"))
    changed = creditline(*command)
    assert "3 files, 1 copied now" in changed.err
    assert "star.png" in changed.err
    bucket.rm("works/art/star.png")
    assert "missing: star.png" in creditline(*command).err
    for source in ("s3://works/art.zip", "s3://works/list.csv"):
        assert creditline("register", source, "--rightsholder", "Ada Example").status == 0
    bucket.pipe(
        "works/art/star.png",
        write_pictures(creditline.home / "more", ["x.png", "star.png"]).joinpath("x.png").read_bytes(),
    )
    assert creditline(*command).status == 0
    assert creditline("encode", "--within", "none", "--members", 3, "--weight", 1).status == 0
    trained = creditline("train", "--size", 8, "--widths", 8, "--batch-size", 2, "--steps", 6, "--workers", 1)
    assert trained.status == 0, trained.err
    assert creditline("doctor").status == 0
    assert not [path for path in creditline.home.rglob("*") if path.is_file() and SECRET.encode() in path.read_bytes()]


@pytest.mark.slow
def test_what_cannot_be_read_is_one_line(creditline: Creditline, bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ANN401, ARG001 - as above; filled
    """A key, a bucket and a server that are not there; a preview records nothing."""
    creditline("init")
    preview = creditline("register", "s3://works/list.csv", "--dry-run")
    assert preview.status == 0, preview.err
    assert "source copied" not in creditline("log").out
    for source, message in (
        ("s3://works/nothing", "cannot read s3://works/nothing: No such file or directory"),
        ("s3://no-such-bucket/a", "cannot read s3://no-such-bucket/a: "),
        ("s3://works/art", "expected one of --owners FILE"),
    ):
        found = creditline("register", source)
        assert found.status == 2
        assert message in found.err
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    found = creditline("register", "s3://works/list.csv", "--allow-unowned")
    assert found.status == 2
    assert len(found.err.strip().splitlines()) == 1
    assert SECRET not in found.err
