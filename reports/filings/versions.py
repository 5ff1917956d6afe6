"""Versions of filings: the earlier ones, their kept copies, and the next one.

A filing's facts are the registry's facts and the provider's answers. If they equal the facts of the
newest version, that version is written again, byte for byte; else there is a next version. The log
names the versions; ``filings/`` in the home has their copies. Each version's JSON has its answers,
so its facts can be read again without the file of answers.

The export names lost copies: an earlier version is left out; the newest is made again from the same
facts, in other bytes.
"""

from __future__ import annotations

import datetime
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import duckdb
from pydantic import ValidationError

from registry.basis.check import CheckedHead, checked_head
from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import InputError, NotFoundError
from registry.home import Home, write_bytes_atomically, writing
from registry.ids import sha256_of
from registry.storage.database import Registry
from reports.filings.answers import Answers, check_data_sets
from reports.filings.changes import changes
from reports.filings.content_facts import ContentFacts
from reports.filings.contradictions import contradictions
from reports.filings.form import VERSION, ChangesPart, EarlierPart, FilingDocument, Form
from reports.filings.training_content import read_content
from reports.issuing.issue import EVENT, VERSION_MARK, File, Issued, record_issue, signed, write_file
from reports.issuing.stamp import Stamp, stamp_of
from reports.rendering.html import rendered
from reports.signatures.signing import Signing, proofs_beside, write_proofs

LARGEST_KEPT = 2**26
"""Most bytes of a kept copy to read."""


@dataclass
class Kept:
    """A version named in the log."""

    number: int
    issued_at: datetime.datetime
    facts_sha256: str
    files: dict[str, str] = field(default_factory=dict)
    """SHA-256 by suffix."""


@dataclass(frozen=True)
class Filed:
    """The files of one run."""

    document: FilingDocument
    page: Path
    data: Path
    new: bool
    """Whether this version is new."""
    rebuilt: bool
    """Whether its lost copy was made again from the same facts: other stamp, other bytes."""
    answers_of: int | None
    """The version whose answers were reused, if no file was given."""
    lost: tuple[int, ...]
    """Earlier versions that it links to, not written: their copies are missing or altered."""

    @property
    def supersedes(self) -> int | None:
        """The version before this one."""
        return self.document.earlier[0].filing_version if self.document.earlier else None


def subject_of(ensemble_id: str, number: int) -> str:
    """The subject of a version's stamp: each version has its own answers."""
    return f"{ensemble_id}{VERSION_MARK}{number}"


def file_version(
    registry: Registry, form: Form, ensemble_id: str, answers: Answers | None, out: Path, now: datetime.datetime
) -> Filed:
    """Write the newest version of a filing, and the kept earlier ones that it links to.

    ``answers`` None: those of the newest version, if there is one. ``now`` has a zone.

    Raises:
        NotFoundError: no such ensemble, or it has no member.
        InputError: answers contradict the registry, a needed copy is lost, or a folder cannot be
            written.
    """
    # Checked first: the log must not name a version without files.
    with writing(out):
        out.mkdir(parents=True, exist_ok=True)
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    newest = versions[-1] if versions else None
    reused = newest.number if answers is None and newest else None
    if answers is None:
        answers = _kept_answers(registry.home, form, ensemble_id, newest) if newest else Answers()
    content, facts, head = _read(registry, form, ensemble_id, answers)
    if newest and newest.facts_sha256 == sha256_of(facts):
        number, issued_at, copies = newest.number, newest.issued_at, _copies(registry.home, form, ensemble_id, newest)
        if copies is not None:
            document = FilingDocument.model_validate_json(copies["json"])
            paths, lost = _give(form, ensemble_id, versions, registry.home, out)
            return Filed(document, *paths, new=False, rebuilt=False, answers_of=reused, lost=lost)
        rebuilt, earlier = True, versions[:-1]
    else:
        number, issued_at = (newest.number if newest else 0) + 1, now
        rebuilt, earlier = False, versions
    signing = Signing.of(registry)
    stamp = stamp_of(form.kind, subject_of(ensemble_id, number), facts, now, head, signing)
    changed = _changed(registry.home, form, ensemble_id, earlier, facts)
    document = _document(form, content, answers, facts, number, issued_at, earlier, changed, stamp)
    registry.check_writable()
    issued = [write_file(registry.home.filings, each) for each in signed(signing, _rendered(form, document))]
    record_issue(registry, issued, now)
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    paths, lost = _give(form, ensemble_id, versions, registry.home, out)
    return Filed(document, *paths, new=not rebuilt, rebuilt=rebuilt, answers_of=reused, lost=lost)


def facts_of(registry: Registry, form: Form, subject: str) -> dict[str, Any]:
    """The facts that one version of a filing would have now, under that version's own answers.

    A later version with other answers does not change an earlier one.

    Raises:
        NotFoundError: it was never filed, or the registry no longer has the ensemble.
        InputError: the version's kept copy, with its answers, is missing or altered.
    """
    ensemble_id, _, number = subject.partition(VERSION_MARK)
    with registry.connection() as connection:
        versions = versions_of(connection, form, ensemble_id)
    kept = next((each for each in versions if str(each.number) == number), None)
    if kept is None:
        raise NotFoundError(f"no {form.kind} {subject[:80]!r} was issued; `creditline export` writes one")
    answers = _kept_answers(registry.home, form, ensemble_id, kept)
    return _read(registry, form, ensemble_id, answers)[1]


def versions_of(connection: duckdb.DuckDBPyConnection, form: Form, ensemble_id: str) -> list[Kept]:
    """The versions in the log, in order."""
    rows = connection.execute(
        "SELECT recorded_at, after FROM event WHERE kind = ? AND contains(after, ?) ORDER BY sequence",
        [EVENT, f"{form.stem}-{ensemble_id}-v"],
    ).fetchall()
    pattern = re.compile(re.escape(f"{form.stem}-{ensemble_id}-v") + r"(\d{1,9})\.(html|json)").fullmatch
    found: dict[int, Kept] = {}
    for recorded_at, after in rows:
        for each in (Issued(**document) for document in json.loads(after)["documents"]):
            match = pattern(each.name)
            if match and (each.kind, each.subject) == (form.kind, subject_of(ensemble_id, int(match[1]))):
                kept = found.setdefault(int(match[1]), Kept(int(match[1]), recorded_at, each.facts_sha256))
                kept.files[match[2]] = each.sha256
    return [found[number] for number in sorted(found)]


def _read(
    registry: Registry, form: Form, ensemble_id: str, answers: Answers
) -> tuple[ContentFacts, dict[str, Any], CheckedHead]:
    crawled = [name for name, each in answers.data_sets.items() if each.source == "crawled"]
    small = bool(answers.content.small_or_medium)
    with registry.connection() as connection:
        names = [str(name) for (name,) in connection.execute("SELECT name FROM data_set").fetchall()]
        check_data_sets(answers, names)
        basis = Basis(ensembles=[ensemble_id], whole_encodings=True, events=(*RIGHTS_EVENTS, EVENT))
        head = checked_head(connection, registry.home, basis)
        content = read_content(connection, ensemble_id, crawled=crawled, small_provider=small)
    given = answers.model_dump(mode="json", include=set(form.tables), exclude_none=True)
    facts = {"form": VERSION, "content": content.model_dump(mode="json"), "answers": given}
    return content, facts, head


def _document(
    form: Form,
    content: ContentFacts,
    answers: Answers,
    facts: dict[str, Any],
    number: int,
    issued_at: datetime.datetime,
    earlier: Sequence[Kept],
    changed: ChangesPart | None,
    stamp: Stamp,
) -> FilingDocument:
    sheet = form.fill(content, answers)
    return FilingDocument(
        creditline=form.creditline,
        title=form.title,
        ensemble=content.ensemble,
        filing_version=number,
        last_update=issued_at.astimezone(datetime.UTC),
        earlier=[
            EarlierPart(
                filing_version=each.number,
                issued_at=each.issued_at.astimezone(datetime.UTC),
                html=form.name(content.ensemble, each.number, "html"),
                sha256=each.files.get("html", ""),
            )
            for each in reversed(earlier)
        ],
        changes=changed,
        contradictions=contradictions(content, answers, form.tables),
        sections=sheet.sections,
        to_be_provided=sheet.missing,
        content=content,
        answers=facts["answers"],
        stamp=stamp,
    )


def _changed(
    home: Home, form: Form, ensemble_id: str, earlier: Sequence[Kept], facts: Mapping[str, Any]
) -> ChangesPart | None:
    """Differences from the version before; None: no such version, or its copy is lost."""
    copies = _copies(home, form, ensemble_id, earlier[-1]) if earlier else None
    if copies is None:
        return None
    before = json.loads(copies["json"])
    return changes(*({name: said.get(name) or {} for name in ("answers", "content")} for said in (before, facts)))


def _rendered(form: Form, document: FilingDocument) -> list[File]:
    name = form.name(document.ensemble, document.filing_version, "{}")
    page = rendered("filing.html.j2", filing=document, form=form, stamp=document.stamp, data=name.format("json"))
    return [
        File(name.format("html"), page.encode("utf-8", "replace"), document.stamp),
        File(name.format("json"), (document.model_dump_json(indent=2) + "\n").encode(), document.stamp),
    ]


def _copies(home: Home, form: Form, ensemble_id: str, kept: Kept) -> dict[str, bytes] | None:
    """The files of a version by suffix; None unless each exists and has the log's hash."""
    found: dict[str, bytes] = {}
    for suffix in ("html", "json"):
        try:
            with (home.filings / form.name(ensemble_id, kept.number, suffix)).open("rb") as file:
                found[suffix] = file.read(LARGEST_KEPT)
        except OSError:
            return None
        if hashlib.sha256(found[suffix]).hexdigest() != kept.files.get(suffix):
            return None
    return found


def _kept_answers(home: Home, form: Form, ensemble_id: str, kept: Kept) -> Answers:
    copies = _copies(home, form, ensemble_id, kept)
    try:
        if copies is not None:
            return Answers.model_validate_json(json.dumps(json.loads(copies["json"])["answers"]))
    except (ValidationError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise InputError(
            f"the answers of version {kept.number} are not in a form that is read here; give them with --answers FILE"
        ) from error
    raise InputError(
        f"the copy of version {kept.number} in {home.filings} is missing or altered, so its answers are not known; "
        "restore it, or give the answers with --answers FILE"
    )


def _give(
    form: Form, ensemble_id: str, versions: Sequence[Kept], home: Home, out: Path
) -> tuple[tuple[Path, Path], tuple[int, ...]]:
    """Copy every whole version into the folder.

    Returns the newest one's page and data, and the numbers of the versions with lost copies.
    """
    lost = []
    for kept in versions:
        copies = _copies(home, form, ensemble_id, kept)
        if copies is None:
            lost.append(kept.number)
            continue
        for suffix, data in copies.items():
            name = form.name(ensemble_id, kept.number, suffix)
            write_bytes_atomically(out / name, data)
            write_proofs(out / name, proofs_beside(home.filings / name))
    newest = versions[-1].number
    return (out / form.name(ensemble_id, newest, "html"), out / form.name(ensemble_id, newest, "json")), tuple(lost)
