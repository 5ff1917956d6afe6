"""Reads the facts of a statement from the registry and the members' listings, and from nothing
else.

All that is about works, audits and rights is read in one transaction. Who saw the works is read
right after it, from the codes and the members' files; should the log have grown in between,
everything is read again.
"""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.errors import RegistryError
from registry.event_log.events import head_of
from registry.export.files import write_listing
from registry.members.exposure import exposure_of
from registry.members.serving import Service, services
from registry.rightsholders.owners import rightsholder_facts
from registry.storage.database import Registry
from registry.works.lookup import resolve_rightsholder
from reports.rendering.texts import clipped
from reports.statements import words
from reports.statements.facts import StatementFacts, Who
from reports.statements.findings import (
    findings_reader,
    prepare_findings,
    read_outputs,
    read_tested,
    unreadable,
)
from reports.statements.follow_up import read_certificates, read_claims, read_withdrawals
from reports.statements.joint import MOST_JOINT, read_joint
from reports.statements.models import models_of
from reports.statements.works import prepare_works, read_works, works_reader

ATTEMPTS = 3
MOST_NAMES = 50
KIND = "statement"


@dataclass(frozen=True)
class Tables:
    """The tables beside a statement, as files."""

    works: Path
    findings: Path


def rightsholder_named(registry: Registry, name: str) -> int:
    """Id of the rightsholder that is meant, see
    :func:`registry.works.lookup.resolve_rightsholder`.
    """
    with registry.connection() as connection:
        return resolve_rightsholder(connection, name)


def read_statement(
    registry: Registry, rightsholder_id: int, folder: Path
) -> tuple[StatementFacts, Tables, tuple[int, str]]:
    """Everything that the statement of a rightsholder says, its tables, which are written into
    ``folder``, and the log's end.

    Raises:
        NotFoundError: no such rightsholder.
        RegistryError: the registry was changed again and again while it was read.
    """
    for _ in range(ATTEMPTS):
        with registry.connection() as connection:
            start = head_of(connection)
        seen_by = services(registry)
        found, head, ids = _read_rows(registry, rightsholder_id, seen_by, folder)
        exposure = exposure_of(registry, ids)
        models, gaps = models_of(registry, exposure, seen_by, ids)
        with registry.connection() as connection:
            unchanged = head_of(connection) == head == start
        if unchanged:
            tested, works = found["tested"], found["works"]
            gaps = [*found.pop("unreadable"), *gaps]
            facts = StatementFacts(
                **found,
                verdict=words.verdict(works, tested, models, len(exposure.members)),
                explanation=words.explanation(tested),
                models=models,
                members_that_saw_none=exposure.members_that_did_not,
                gaps=[clipped(gap) for gap in (*exposure.findings, *gaps)],
                limits=[f"{statement} {explained}" for statement, explained in words.LIMITS],
            )
            return facts, Tables(folder / WORKS, folder / FINDINGS), head
    raise RegistryError("the registry was changed while it was read; try again when nobody else is at work")


WORKS, FINDINGS = "works.csv", "findings.csv"


def facts_again(registry: Registry, subject: str) -> object:
    """The facts of a statement as plain values, for its stamp; ``subject`` is ``#<rightsholder
    id>``.
    """
    with tempfile.TemporaryDirectory(prefix="creditline-") as folder:
        facts, _, _ = read_statement(registry, rightsholder_named(registry, subject), Path(folder))
    return facts.model_dump(mode="json")


def _read_rows(
    registry: Registry, rightsholder_id: int, seen_by: Sequence[Service], folder: Path
) -> tuple[dict[str, Any], tuple[int, str], NDArray[np.int64]]:
    """What one transaction reads, by field of the facts; the end of the log then; the works'
    ids.
    """
    with registry.connection() as connection:
        head = head_of(connection)
        who, names = _who(connection, rightsholder_id)
        prepare_works(connection, rightsholder_id)
        prepare_findings(connection)
        write_listing(works_reader(connection), folder / WORKS)
        write_listing(findings_reader(connection), folder / FINDINGS)
        with (folder / WORKS).open("rb") as file:
            table_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        joint = read_joint(connection, names)
        outputs, outputs_total = read_outputs(connection)
        withdrawals, withdrawals_total = read_withdrawals(connection, rightsholder_id, seen_by)
        claims, claims_total = read_claims(connection, rightsholder_id)
        found: dict[str, Any] = {
            "rightsholder": who,
            "works": read_works(connection, table_sha256),
            "tested": read_tested(connection, joint),
            "outputs": outputs,
            "outputs_total": outputs_total,
            "joint": joint[:MOST_JOINT],
            "joint_total": len(joint),
            "unreadable": unreadable(connection),
            "withdrawals": withdrawals,
            "withdrawals_total": withdrawals_total,
            "certificates": read_certificates(connection),
            "claims": claims,
            "claims_total": claims_total,
        }
        ids = connection.execute("SELECT asset_id FROM their_work ORDER BY asset_id").to_arrow_table()["asset_id"]
        return found, head, ids.to_numpy()


def _who(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> tuple[Who, list[str]]:
    known = rightsholder_facts(connection, rightsholder_id)
    names = [known.name, *(str(each["name"]) for each in known.merged)]
    who = Who(
        id=rightsholder_id,
        name=clipped(known.name),
        kind=known.details.kind,
        identifiers=[clipped(str(each)) for each in known.identifiers[:MOST_NAMES]],
        merged_names=[clipped(name) for name in names[1 : MOST_NAMES + 1]],
        represented_by=None if known.represented_by is None else clipped(known.represented_by),
    )
    return who, names
