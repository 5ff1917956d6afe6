"""A certificate of withdrawal as a page for people: read from the registry that made it.

The certificate itself names works by their hashes, and anyone can check it. The page says which
works these are and whose, and is stamped like every document.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import duckdb
from pydantic import Field

from registry.basis.check import checked_head
from registry.basis.rows import Basis
from registry.basis.sealed_events import HELP
from registry.encodings.supports import members_of, supports_of_works
from registry.errors import IntegrityError, NotFoundError
from registry.ids import canonical_json
from registry.outputs.base_claim import base_claim
from registry.storage.database import Registry
from registry.storage.results import records
from registry.withdrawals.certificate import PROVED, STATED, STATEMENT
from registry.withdrawals.issue_certificate import EVENT, limits_of
from reports.facts import BasePart, Facts, optional_field
from reports.issuing.document import Document, Reading
from reports.rendering.wording import clipped, count, members_listed, other_members, quoted

VERSION: Literal[1] = 1


class CertifiedWorkPart(Facts):
    """A withdrawn work."""

    asset_id: int
    title: str
    sha256: str
    data_set: str
    path: str | None
    rightsholders: list[str]
    withdrawn_at: datetime.datetime
    reason: str


class CertifiedMemberPart(Facts):
    """A member in service that did not see the works."""

    id: str
    index: int
    generation: int
    manifest_sha256: str
    weights_sha256: str


class CertifiedSupportPart(Facts):
    """Where codes nest: the members that works of one group can be in."""

    group: str | None = Field(description="The rightsholder, or the value of the column; null: works without a group.")
    members: list[int]
    in_service: list[int] = Field(description="Of these, members in service when the certificate was made.")


class CertificateFacts(Facts):
    """What a certificate of withdrawal says, with names."""

    certificate_sha256: str = Field(description="The certificate's own document_sha256.")
    made_at: datetime.datetime
    event: int = Field(description="Of the log, which has the certificate's hash.")
    ensemble_id: str
    verdict: str
    works: list[CertifiedWorkPart]
    in_service: list[CertifiedMemberPart] = Field(description="When the certificate was made.")
    members_in_all: int
    assigned: list[int] = Field(description="Indices of the members whose codes have one of the works.")
    supports: list[CertifiedSupportPart] = Field(description="Where codes nest, of the works; empty: plain codes.")
    statement: str
    base: BasePart | None = optional_field("The base model that the members are adapters on.")
    shown: list[str] = Field(description="What a check of the certificate shows.")
    stated: list[str] = Field(description="What the maker states without proof.")
    limits: list[str] = Field(description="What it does not prove.")


def _read(registry: Registry, subject: str, _scratch: Path, stem: str | None = None) -> Reading[CertificateFacts]:
    with registry.connection() as connection:
        row = connection.execute(
            "SELECT sequence, recorded_at, subject, after FROM event WHERE kind = ? AND contains(after, ?) "
            "ORDER BY sequence DESC LIMIT 1",
            [EVENT, canonical_json({"document_sha256": subject})[1:-1]],
        ).fetchone()
        if row is None:
            raise NotFoundError(
                f"the log has no certificate with the hash {clipped(subject, 80)!r}; `creditline certificate` makes one"
            )
        sequence, made_at, about, after = row
        works, members = _named(int(sequence), str(after))
        ensemble_id = str(about).removeprefix("ensemble ")
        basis = Basis(works=_assets(connection, works), ensembles=[ensemble_id], events=[EVENT])
        head = checked_head(connection, registry.home, basis)
        listed, base = _works(connection, works), base_claim(connection, ensemble_id)
        trained = "trained" if base is None else "fine-tuned"
        in_service = _members(connection, members)
        encoding = _encoding(connection, ensemble_id, [work.asset_id for work in listed], in_service)
        facts = CertificateFacts(
            certificate_sha256=subject,
            made_at=made_at.astimezone(datetime.UTC),
            event=sequence,
            ensemble_id=ensemble_id,
            verdict=f"No model in service was {trained} on {'this work' if len(listed) == 1 else count(len(listed), 'work')}",
            works=listed,
            in_service=in_service,
            members_in_all=encoding.n,
            assigned=encoding.assigned,
            supports=encoding.supports,
            statement=STATEMENT,
            shown=list(PROVED),
            stated=list(STATED),
            limits=list(limits_of(base)),
            base=BasePart.of(base),
        )
        if lost := sorted(set(works) - {work.sha256 for work in listed}):
            raise IntegrityError(
                f"event {sequence:,} certifies the withdrawn work {lost[0]}, which is not on record; {HELP}"
            )
    return Reading(subject, facts, head, stem or f"certificate-{subject[:12]}")


def _named(sequence: int, after: str) -> tuple[list[str], list[str]]:
    try:
        facts = json.loads(after)
        return [str(each) for each in facts["works"]], [str(each) for each in facts["in_service"]]
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise IntegrityError(f"event {sequence:,} of the log does not name works and members; certify again") from error


def _assets(connection: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> list[int]:
    """Ids of all works with these hashes, withdrawn or not: forged rows may hide a withdrawal."""
    rows = connection.execute("SELECT id FROM asset WHERE list_contains(?, sha256)", [list(hashes)]).fetchall()
    return [int(number) for (number,) in rows]


def _works(connection: duckdb.DuckDBPyConnection, hashes: Sequence[str]) -> list[CertifiedWorkPart]:
    found = records(
        connection.execute(
            "SELECT asset.id AS asset_id, work.title, asset.sha256, data_set.name AS data_set, asset.path, "
            "(SELECT list(rightsholder ORDER BY position, rightsholder_id) FROM work_rightsholder "
            " WHERE work_rightsholder.asset_id = asset.id) AS rightsholders, first.recorded_at, first.reason "
            "FROM asset JOIN data_set ON data_set.id = data_set_id JOIN work ON work.asset_id = asset.id "
            "JOIN (SELECT asset_id, min(recorded_at) AS recorded_at, arg_min(reason, withdrawal_id) AS reason "
            "FROM withdrawn_work GROUP BY asset_id) AS first ON first.asset_id = asset.id "
            "WHERE list_contains(?, asset.sha256) ORDER BY asset.id",
            [list(hashes)],
        )
    )
    return [
        CertifiedWorkPart(
            asset_id=row["asset_id"],
            title=clipped(row["title"] or str(row["path"] or f"work {row['asset_id']}").rsplit("/", 1)[-1]),
            sha256=row["sha256"],
            data_set=clipped(row["data_set"]),
            path=None if row["path"] is None else clipped(row["path"]),
            rightsholders=[clipped(str(name)) for name in row["rightsholders"] or ()],
            withdrawn_at=row["recorded_at"].astimezone(datetime.UTC),
            reason=clipped(row["reason"]),
        )
        for row in found
    ]


def _members(connection: duckdb.DuckDBPyConnection, ids: Sequence[str]) -> list[CertifiedMemberPart]:
    rows = records(
        connection.execute(
            "SELECT id, index, generation, manifest_sha256, weights_sha256 FROM member WHERE list_contains(?, id) "
            "ORDER BY index",
            [list(ids)],
        )
    )
    return [CertifiedMemberPart(**row) for row in rows]


class _Encoded(NamedTuple):
    n: int
    assigned: list[int]
    supports: list[CertifiedSupportPart]


def _encoding(
    connection: duckdb.DuckDBPyConnection,
    ensemble_id: str,
    works: Sequence[int],
    in_service: Sequence[CertifiedMemberPart],
) -> _Encoded:
    """What the ensemble's encoding says of the works."""
    row = connection.execute(
        "SELECT encoding.id, n, (SELECT bit_or(code) FROM encoded_work WHERE encoding_id = encoding.id "
        "AND list_contains(?, asset_id)) FROM ensemble JOIN encoding ON encoding.id = encoding_id WHERE ensemble.id = ?",
        [list(works), ensemble_id],
    ).fetchone()
    if row is None:
        raise IntegrityError(f"ensemble {ensemble_id} is not on record; restore the registry from a copy")
    encoding_id, n, word = row
    serving = {member.index for member in in_service}
    supports = [
        CertifiedSupportPart(
            group=None if each.group is None else clipped(each.group),
            members=each.members(n),
            in_service=[index for index in each.members(n) if index in serving],
        )
        for each in supports_of_works(connection, encoding_id, works)
    ]
    return _Encoded(n, members_of(word or 0, n), supports)


def leaving(facts: CertificateFacts) -> list[str]:
    """What the withdrawal took out of service, and which members the works can be in."""
    said = [
        f"By their codes, the works are in {members_listed(facts.assigned)} of {facts.members_in_all}. A member that "
        "trained on one went out of service when it was withdrawn, and serves again only in a generation trained without it."
    ]
    for each in facts.supports:
        whose = (
            f"Works encoded as those of {quoted(each.group)}"
            if each.group is not None
            else "Works encoded without a group"
        )
        outside = facts.members_in_all - len(each.members)
        said.append(
            f"{whose} can be in {members_listed(each.members)} only. {other_members(outside)} trained on none of "
            "them, so a withdrawal of all of them takes none of these out of service."
            if outside
            else f"{whose} can be in any of the {count(facts.members_in_all, 'member')}."
        )
    return said


CERTIFICATE = Document(
    kind="certificate page",
    name="certificate-page",
    version=VERSION,
    model=CertificateFacts,
    template="certificate.html.j2",
    read=_read,
    page_values=lambda facts: {"leaving": leaving(facts)},
)
