"""The statement of a rightsholder: read from registry and members' listings; page, JSON and tables.

Works, audits and rights are read in one transaction. The members that saw the works are read right
after it, from the codes and the members' files; if the log grew in between, all is read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
from numpy.typing import NDArray

from registry.basis.check import CheckedHead, checked_head
from registry.basis.rows import RIGHTS_EVENTS, Basis
from registry.errors import RegistryError
from registry.event_log.events import head_of
from registry.export.files import write_listing
from registry.home import Home
from registry.imitations.record import EVENT as IMITATED
from registry.members.exposure import exposure_of
from registry.members.serving import ServiceStatus, service_statuses
from registry.outputs.base_claim import base_claim, base_claims
from registry.outputs.joint_tests import EVENT as JOINT
from registry.outputs.joint_tests import newest_joint_runs
from registry.rightsholders.owners import rightsholder_facts
from registry.storage.database import Registry, driver_of
from registry.storage.tables import Audit
from registry.works.lookup import resolve_rightsholder
from reports.facts import BasePart, NotMeasured, OverAllImages
from reports.issuing.document import Document, Reading
from reports.outputs import totals
from reports.outputs.artefacts import read_artefact
from reports.outputs.landscapes import read_base_alone
from reports.rendering.pictures import read_picture
from reports.rendering.wording import clipped
from reports.statements import words
from reports.statements.facts import VERSION, FindingPart, OutputPart, StatementFacts, TestedPart, Who
from reports.statements.findings import (
    MOST_JOINT,
    findings_reader,
    prepare_findings,
    read_joint,
    read_outputs,
    read_tested,
    unreadable,
)
from reports.statements.follow_up import read_certificates, read_claims, read_withdrawals
from reports.statements.imitations import read_imitations
from reports.statements.models import models_of
from reports.statements.page import CARDS, AloneShown, Pictures, Shown, Statement, page_values, works_found
from reports.statements.works import prepare_works, read_works, works_reader

ATTEMPTS = 3
MOST_NAMES = 50
WORKS, FINDINGS = "works.csv", "tested.csv"
"""Names of the tables in the scratch folder."""
SIDE = 176
"""Pixels of a thumbnail's longer side."""


def rightsholder_named(registry: Registry, name: str) -> int:
    """Id of a name or ``#ID``; see :func:`registry.works.lookup.resolve_rightsholder`."""
    with registry.connection() as connection:
        return resolve_rightsholder(connection, name)


def read_statement(registry: Registry, subject: str, scratch: Path) -> Reading[Statement]:
    """The facts of a rightsholder's statement; writes its tables into ``scratch``.

    Raises:
        NotFoundError: no rightsholder has this name or id.
        RegistryError: the registry kept changing while it was read.
    """
    rightsholder_id = rightsholder_named(registry, subject)
    for _ in range(ATTEMPTS):
        with registry.connection() as connection:
            start = head_of(connection)
        serving = service_statuses(registry)
        found, head, ids = _read_rows(registry, rightsholder_id, serving, scratch)
        exposure = exposure_of(registry, ids)
        models, gaps = models_of(registry, exposure, serving, ids)
        with registry.connection() as connection:
            unchanged = head_of(connection) == head == start
        if unchanged:
            tested, works = found["tested"], found["works"]
            gaps = [*found.pop("unreadable"), *gaps]
            bases: list[BasePart] = found["bases"] or []
            facts = StatementFacts(
                **found,
                verdict=words.verdict(works, tested, models, len(exposure.members), found["over_all_images"], bases),
                explanation=_explanation(tested, found["over_all_images"], bases),
                models=models,
                members_that_saw_none=exposure.members_that_did_not,
                gaps=[clipped(gap) for gap in (*exposure.findings, *gaps)],
                limits=[f"{statement} {explained}" for statement, explained in words.limits(bases)],
            )
            tables = {"works": scratch / WORKS, "findings": scratch / FINDINGS}
            statement = Statement(facts, _pictures(registry, facts))
            return Reading(f"#{rightsholder_id}", statement, head, f"statement-{rightsholder_id}", tables)
    raise RegistryError(
        "the registry was changed while it was read; run the command again when no other command is running"
    )


def _explanation(tested: TestedPart, over_all: Sequence[OverAllImages], bases: Sequence[BasePart]) -> str:
    image_by_image = " ".join((words.explanation(tested), *(base.scope for base in bases)))
    if over_all:
        return f"{words.over_all_images(over_all)} Image by image: {image_by_image}"
    return f"{image_by_image} {words.NOT_OVER_ALL}" if tested.tested else image_by_image


def _read_rows(
    registry: Registry, rightsholder_id: int, serving: Sequence[ServiceStatus], folder: Path
) -> tuple[dict[str, Any], CheckedHead, NDArray[np.int64]]:
    """One transaction's facts by field; the head of the log; the works' ids."""
    with registry.connection() as connection:
        who, names = _who(connection, rightsholder_id)
        prepare_works(connection, rightsholder_id)
        head = checked_head(connection, registry.home, _basis(connection, rightsholder_id))
        prepare_findings(connection)
        write_listing(works_reader(connection), folder / WORKS)
        write_listing(findings_reader(connection), folder / FINDINGS)
        with (folder / WORKS).open("rb") as file:
            table_sha256 = hashlib.file_digest(file, "sha256").hexdigest()
        joint = read_joint(connection, names)
        outputs, outputs_total = read_outputs(connection, rightsholder_id)
        withdrawals, withdrawals_total = read_withdrawals(connection, rightsholder_id, serving)
        claims, claims_total = read_claims(connection, rightsholder_id)
        found: dict[str, Any] = {
            "rightsholder": who,
            "works": read_works(connection, table_sha256),
            "over_all_images": totals.over_all_images(newest_joint_runs(connection), names),
            "tested": read_tested(connection, joint),
            "outputs": outputs,
            "outputs_total": outputs_total,
            "joint": joint[:MOST_JOINT],
            "joint_total": len(joint),
            "unreadable": unreadable(connection),
            "withdrawals": withdrawals,
            "withdrawals_total": withdrawals_total,
            "certificates": read_certificates(connection),
            "bases": [BasePart.of(claim) for claim in base_claims(connection)] or None,
            "claims": claims,
            "claims_total": claims_total,
            "imitations": read_imitations(connection, rightsholder_id),
        }
        ids = connection.execute("SELECT asset_id FROM their_work ORDER BY asset_id").to_arrow_table()["asset_id"]
        return found, head, ids.to_numpy()


def _basis(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> Basis:
    """The works that are theirs or were ever stated to be, and the audits that tested them."""
    works = connection.execute(
        "SELECT asset_id FROM their_work UNION SELECT asset_id FROM asset_rights "
        "WHERE rightsholder_id IN (SELECT id FROM effective_rightsholder WHERE effective_id = $1) UNION "
        "SELECT asset_id FROM co_rightsholder "
        "WHERE rightsholder_id IN (SELECT id FROM effective_rightsholder WHERE effective_id = $1)",
        [rightsholder_id],
    ).to_arrow_table()["asset_id"]
    audits = connection.execute(
        "SELECT DISTINCT audit_id FROM candidate JOIN audit ON audit.id = audit_id JOIN ensemble ON ensemble.id = ensemble_id "
        "JOIN unit_asset ON unit_asset.encoding_id = ensemble.encoding_id "
        "AND unit_asset.unit_number = candidate.unit_number SEMI JOIN their_work USING (asset_id) ORDER BY 1"
    ).fetchall()
    ensembles = connection.execute("SELECT id FROM ensemble ORDER BY id").fetchall()
    return Basis(
        works=works.to_numpy(),
        rightsholders=[rightsholder_id],
        audits=[str(each) for (each,) in audits],
        ensembles=[str(each) for (each,) in ensembles],
        events=(*RIGHTS_EVENTS, "withdrawn", "certificate made", JOINT, IMITATED),
    )


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


def _pictures(registry: Registry, facts: StatementFacts) -> Pictures:
    cards = works_found(facts.outputs)[:CARDS]
    shown = list({each.output.audit_id: each.output for card in cards for each in card.shown}.values())
    works = {work.asset_id: work.sha256 for card in cards for work in card.unit.works}
    works |= {work.asset_id: work.sha256 for work in facts.works.listed}
    return Pictures(
        works={asset_id: _picture_of_work(registry.home, sha256) for asset_id, sha256 in works.items()},
        outputs=_pictures_of_outputs(registry, shown),
        bases=_bases_alone(registry, shown),
        without=_without(registry, [each.finding for card in cards for each in card.shown]),
    )


def _without(registry: Registry, findings: Sequence[FindingPart]) -> dict[tuple[str, int], Shown]:
    """By audit and rank of the work, the image regenerated without it, from the audit's file."""
    with registry.session() as session:
        audits = {each.audit_id: session.get(Audit, each.audit_id) for each in findings}
    artefacts = {
        audit.id: read_artefact(registry.home.audit(audit.id), audit.artefact_sha256)
        for audit in audits.values()
        if audit is not None
    }
    return {
        (each.audit_id, each.rank): artefacts[each.audit_id].picture("counterfactual", each.rank - 1)
        if each.audit_id in artefacts
        else NotMeasured("the audit is no longer registered")
        for each in findings
    }


def _picture_of_work(home: Home, sha256: str | None) -> Shown:
    """A small picture of a work from the registry's copy."""
    if sha256 is None:
        return NotMeasured("the work is known by its metadata alone")
    path = home.picture(sha256)
    # The registry keeps pictures only of works that a test listed.
    return read_picture(path, side=SIDE) if path.exists() else NotMeasured("none is kept of it")


def _pictures_of_outputs(registry: Registry, outputs: list[OutputPart]) -> dict[str, Shown]:
    """By audit, its image: the sample's own file, else the audit's copy."""
    with registry.session() as session:
        audits = {output.audit_id: session.get(Audit, output.audit_id) for output in outputs}
    found: dict[str, Shown] = {}
    for output in outputs:
        audit = audits[output.audit_id]
        if audit is None:
            found[output.audit_id] = NotMeasured("the audit is no longer registered")
            continue
        picture: Shown = NotMeasured("an image from outside is kept by its audit alone")
        if audit.sample_id is not None:
            picture = read_picture(registry.home.sample_image(audit.sample_id), sha256=audit.image_sha256, side=SIDE)
        if isinstance(picture, NotMeasured):
            kept = read_artefact(registry.home.audit(audit.id), audit.artefact_sha256).picture("output")
            picture = picture if isinstance(kept, NotMeasured) else kept
        found[output.audit_id] = picture
    return found


def _bases_alone(registry: Registry, outputs: list[OutputPart]) -> dict[str, AloneShown]:
    """By audit of models with a base, what the base alone made of the image's noise."""
    found: dict[str, AloneShown] = {}
    with registry.session() as session:
        connection = driver_of(session)
        for output in outputs:
            audit = session.get(Audit, output.audit_id)
            if audit is not None and base_claim(connection, audit.ensemble_id) is not None:
                artefact = read_artefact(registry.home.audit(audit.id), audit.artefact_sha256)
                found[output.audit_id] = AloneShown(*read_base_alone(audit, artefact))
    return found


STATEMENT = Document(
    kind="statement",
    name="statement",
    version=VERSION,
    model=StatementFacts,
    template="statement.html.j2",
    read=read_statement,
    page_values=page_values,
    plain=lambda statement: statement.facts.model_dump(mode="json"),
)
