"""Records of bases: found by id and name, sealed, described anew, and compared with their files."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from registry.bases.reading import read_base
from registry.bases.recording import Added, Stated, add_base
from registry.bases.records import all_bases, base_by_id, named_base
from registry.bases.verification import verify_base
from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.doctor import Severity, examine
from registry.errors import InputError, IntegrityError, NotFoundError, UsageError
from registry.event_log.events import changing
from registry.event_log.verify import verify
from registry.ids import canonical_json
from registry.outputs.base_claim import base_claim
from registry.storage.database import Registry
from registry.storage.tables import Encoding, Ensemble
from tests.registry.bases.conftest import OwnBase
from tests.support.works import NOW, register, write_pictures

Own = Callable[..., OwnBase]
UNET = "unet/diffusion_pytorch_model.safetensors"


def add(registry: Registry, folder: Path, default: str = "tiny", /, **stated: Any) -> Added:
    """Add a base as the command does; ``default``: the name that its folder gives it."""
    return add_base(registry, read_base(folder), Stated(**stated), NOW, name=default, source=None)


def events(registry: Registry) -> list[tuple[str, str]]:
    with registry.connection() as connection:
        return connection.execute("SELECT kind, subject FROM event ORDER BY sequence").fetchall()


def test_a_base_is_recorded_once(registry: Registry, tiny: Path) -> None:
    """The record has the facts of the reading; adding it again changes nothing and logs nothing."""
    first = add(registry, tiny / "sdxl", licence="MIT", source="a friend")
    assert (first.new, first.changed) == (True, ())
    assert first.base.facts == read_base(tiny / "sdxl").facts
    assert (first.base.licence, first.base.licence_training, first.base.source) == ("MIT", "permitted", "a friend")
    again = add(registry, tiny / "sdxl")
    assert (again.new, again.changed) == (False, ())
    assert again.base == first.base
    assert events(registry) == [("base model added", f"base {first.base.id}")]
    assert not verify(registry).faults


def test_a_base_is_found_by_id_digits_or_name(registry: Registry, tiny: Path) -> None:
    """The name counts before digits; what is not there, or is ambiguous, is said."""
    with registry.connection() as connection, pytest.raises(NotFoundError, match="no base model is registered"):
        named_base(connection)
    one = add(registry, tiny / "sd", "one").base
    two = add(registry, tiny / "v", one.id[:6]).base
    with registry.connection() as connection:
        assert (
            named_base(connection, one.id) == named_base(connection, one.id[:8]) == named_base(connection, "one") == one
        )
        assert named_base(connection, one.id[:6]) == two
        assert base_by_id(connection, two.id) == two
        assert {each.id for each in all_bases(connection)} == {one.id, two.id}
        for missing in ("three", "", "%", "g" * 70):
            with pytest.raises(NotFoundError, match="no base model"):
                named_base(connection, missing)


def test_digits_of_several_ids_are_ambiguous(registry: Registry, own: Own) -> None:
    """Seventeen bases share a first digit somewhere."""
    base = own()
    found = []
    for number in range(17):
        base.edit("scheduler/scheduler_config.json", steps_offset=number)
        found.append(add(registry, base.folder, f"base-{number}").base.id)
    digit = next(digit for digit in "0123456789abcdef" if sum(each.startswith(digit) for each in found) > 1)
    with registry.connection() as connection, pytest.raises(UsageError, match="the start of several ids"):
        named_base(connection, digit)


def test_details_are_described_anew(registry: Registry, own: Own, folder: Path) -> None:
    """What is given replaces, '' takes back, the rest stays; each change is an event and a row."""
    write_pictures(folder, ["a.png"])
    register(registry, folder)
    base = own()
    (base.folder / "README.md").write_text("---\nlicense: openrail\n---\n", encoding="utf-8")
    first = add(registry, base.folder)
    assert (first.base.licence, first.base.licence_training, first.base.trained_on) == ("openrail", "unclear", None)
    assert add(registry, base.folder, trained_on="works").changed == ("trained_on",)
    assert add(registry, base.folder, licence="Apache-2.0", name="mine").changed == ("name", "licence")
    last = add(registry, base.folder, trained_on="", source="here")
    assert last.changed == ("source", "trained_on")
    assert (last.base.name, last.base.licence, last.base.source, last.base.trained_on) == (
        "mine",
        "Apache-2.0",
        "here",
        None,
    )
    with registry.connection() as connection:
        rows = connection.execute(
            "SELECT before, after FROM event WHERE kind = 'base model described' ORDER BY sequence"
        )
        assert [canonical_json({"before": before, "after": after}) for before, after in rows.fetchall()][-1] == (
            '{"after":"{\\"source\\":\\"here\\",\\"trained_on\\":null}",'
            '"before":"{\\"source\\":null,\\"trained_on\\":\\"works\\"}"}'
        )
        assert connection.execute("SELECT count(*) FROM base_details").fetchone() == (4,)
    assert not verify(registry).faults


def test_what_cannot_be_recorded_is_refused(registry: Registry, tiny: Path) -> None:
    """An unknown data set, another base's name, control characters: nothing is recorded."""
    add(registry, tiny / "sd", "one")
    before = events(registry)
    with pytest.raises(NotFoundError, match="no data set 'nothing'; `creditline data-sets` lists them"):
        add(registry, tiny / "v", trained_on="nothing")
    with pytest.raises(
        UsageError, match="has the name 'one' already, and its files are others; choose a name with --name"
    ):
        add(registry, tiny / "v", "one")
    for name in ("licence", "source", "name"):
        with pytest.raises(InputError, match=f"the {name} has control characters"):
            add(registry, tiny / "v", **{name: "a\x07b"})
    with pytest.raises(InputError, match="at most 200 are taken"):
        add(registry, tiny / "v", name="x" * 201)
    assert events(registry) == before


def test_a_folder_whose_path_is_no_text_is_refused(registry: Registry, own: Own, tmp_path: Path) -> None:
    """Control characters, and bytes that are not UTF-8."""
    for name in (b"a\nb", b"a\xffb"):
        base = own("sd", tmp_path / os.fsdecode(name))
        with pytest.raises(InputError, match=r"the (name|path) of the folder (has control characters|is not UTF-8)"):
            add(registry, base.folder, base.folder.name)
    assert not events(registry)


def test_a_base_that_moved_is_the_same_base(registry: Registry, own: Own, tmp_path: Path) -> None:
    """From its new folder it is found by its id; the move is an event."""
    base = own()
    first = add(registry, base.folder, licence="MIT")
    moved = tmp_path / "elsewhere"
    base.folder.rename(moved)
    with pytest.raises(IntegrityError, match=r"is not in .*if it was moved, run `creditline base add NEW-FOLDER`"):
        verify_base(registry.home, first.base)
    (finding,) = examine(registry).findings
    assert (finding.check, finding.severity) == ("bases", Severity.WARNING)
    again = add(registry, moved, "other name")
    assert (again.new, again.changed) == (False, ("folder",))
    assert (again.base.id, again.base.name, again.base.licence) == (first.base.id, "tiny", "MIT")
    verify_base(registry.home, again.base, every=True)
    assert not examine(registry).findings


def test_a_changed_file_is_named(registry: Registry, own: Own) -> None:
    """Each file, also with its size and times as they were; doctor finds it as well."""
    base = own()
    record = add(registry, base.folder).base
    for file in record.facts.files():
        path = base.folder / file.path
        data, times = path.read_bytes(), path.stat()
        path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
        for every in (False, True):
            with pytest.raises(IntegrityError, match=f"{file.path} was changed"):
                verify_base(registry.home, record, every=every)
        path.write_bytes(data)
        verify_base(registry.home, record)
    path = base.folder / UNET
    path.write_bytes(path.read_bytes() + b"\0")
    (finding,) = examine(registry).findings
    assert (finding.check, finding.severity) == ("bases", Severity.ERROR)
    assert f"{UNET} has" in finding.what
    assert "it was changed" in finding.what
    assert not examine(registry, quick=True).findings
    path.unlink()
    with pytest.raises(IntegrityError, match=f"lacks the file {UNET}"):
        verify_base(registry.home, record)
    (base.folder / "unet" / "adapter_config.json").write_text("{}", encoding="utf-8")
    with pytest.raises(
        IntegrityError, match=r"is not as registered: unet/adapter_config\.json .* would load an adapter"
    ):
        verify_base(registry.home, record)


def test_an_untouched_file_is_hashed_once(registry: Registry, own: Own) -> None:
    """Adding hashes it; a check does not, unless it hashes every file or the file was touched."""
    base = own()
    record = add(registry, base.folder).base
    read: list[int] = []

    def note(done: int, total: int) -> None:
        assert done <= total == record.facts.size
        read.append(done)

    verify_base(registry.home, record, on_progress=note)
    assert not read
    verify_base(registry.home, record, every=True, on_progress=note)
    assert read[-1] == record.facts.size
    read.clear()
    os.utime(base.folder / UNET)
    verify_base(registry.home, record, on_progress=note)
    assert read[-1] == (base.folder / UNET).stat().st_size
    read.clear()
    for spoiled in (b"", b"[]", b"{", b'{"folder": 1}', b"[" * 10_000):
        registry.home.base_times(record.id).write_bytes(spoiled)
        verify_base(registry.home, record, on_progress=note)
        assert read[-1] == record.facts.size


def test_rows_that_contradict_each_other_are_refused(registry: Registry, tiny: Path) -> None:
    """A hash or a file that was edited in the database; the doctor names the base."""
    base = add(registry, tiny / "sd").base
    for statement, said in (
        (
            "UPDATE base_component SET sha256 = 'other' WHERE name = 'unet'",
            "the files of unet are not those of its hash",
        ),
        ("UPDATE base_component SET files = '[]' WHERE name = 'vae'", "the files of vae are not those of its hash"),
        ("UPDATE base_component SET files = '[1]' WHERE name = 'vae'", "the files of vae cannot be read"),
        ("DELETE FROM base_component WHERE name = 'vae'", "its components are those of another base"),
        ("DELETE FROM base_details", "its details are missing"),
        ("UPDATE base_model SET schedule = '{}'", "its row cannot be read"),
    ):
        with registry.connection() as connection:
            connection.execute(statement)
            with pytest.raises(IntegrityError, match=said):
                base_by_id(connection, base.id)
            connection.rollback()
            connection.begin()
    with registry.connection() as connection:
        connection.execute("UPDATE base_component SET files = '[]' WHERE name = 'vae'")
    found = {finding.check: finding for finding in examine(registry).findings}
    assert found["bases"].where == f"base {base.id}"
    assert "base_component" in found["log"].what


@pytest.mark.slow
def test_a_document_rests_on_the_base_of_its_ensemble(registry: Registry, tiny: Path, folder: Path) -> None:
    """An ensemble leads to the base that its recipe names, its terms, and its training data."""
    write_pictures(folder, ["a.png"])
    register(registry, folder)
    base = add(registry, tiny / "sd", licence="MIT", trained_on="works").base
    with changing(registry, NOW) as change:
        change.insert(
            Encoding(id="e", unit_kind="asset", n=4, h=2, seed=0, unit_count=0, left_out={}, created_at=NOW),
            Ensemble(id="f", encoding_id="e", settings={"network": {"kind": "x", "base": base.id}}, created_at=NOW),
        )
        change.seal("encoding", "e")
        change.seal("ensemble", "f")
        change.record("things added", "rows")
    basis = Basis(ensembles=["f"])
    for statement, said in (
        ("UPDATE base_model SET prediction = 'v_prediction'", "base_model, id"),
        ("UPDATE base_component SET class_name = 'Other' WHERE name = 'vae'", "base_component, base_id"),
        ("UPDATE base_details SET data_set_id = NULL", "base_details, base_id"),
        ("DELETE FROM base_model", "base_model, id"),
        ("DELETE FROM base_details", "base_details, base_id"),
        ("UPDATE licence SET training = 'prohibited' WHERE reference = 'MIT'", "licence"),
        ("UPDATE data_set SET kind = 'list'", "data_set"),
    ):
        with registry.connection() as connection:
            checked_head(connection, registry.home, basis)
            connection.execute(statement)
            with pytest.raises(IntegrityError, match=f"^{said}"):
                checked_head(connection, registry.home, basis)
            checked_head(connection, registry.home, Basis(events=["things added"]))
            connection.rollback()
            connection.begin()


def test_the_words_about_a_base_follow_its_record(registry: Registry, own: Own, folder: Path) -> None:
    """What is not known is said; what is recorded names the data set."""
    write_pictures(folder, ["a.png"])
    register(registry, folder)
    base = own()
    record = add(registry, base.folder).base
    with changing(registry, NOW) as change:
        change.insert(
            Encoding(id="e", unit_kind="asset", n=4, h=2, seed=0, unit_count=0, left_out={}, created_at=NOW),
            Ensemble(id="f", encoding_id="e", settings={"network": {"base": record.id}}, created_at=NOW),
        )
        change.record("things added", "rows")
    for card, trained_on, said in (
        ("", None, "The training data of the base is unknown."),
        (
            "---\ndatasets: [a/set, b]\n---",
            None,
            "states that it was trained on “a/set, b”. Nobody here has verified this.",
        ),
        ("---\ndatasets: [a/set, b]\n---", "works", "trained on the data set “works”"),
    ):
        (base.folder / "README.md").write_text(card, encoding="utf-8")
        add(registry, base.folder, trained_on=trained_on)
        with registry.connection() as connection:
            claim = base_claim(connection, "f")
        assert claim is not None
        assert (claim.id, claim.name) == (record.id, "tiny")
        assert said in claim.unknown


def test_a_copied_home_finds_the_base_where_it_lies(registry: Registry, tiny: Path, tmp_path: Path) -> None:
    """The base is not part of the home."""
    base = add(registry, tiny / "sd").base
    copy = Registry(type(registry.home)(Path(shutil.copytree(registry.home.root, tmp_path / "copy"))))
    with copy.connection() as connection:
        assert named_base(connection) == base
    verify_base(copy.home, base, every=True)
