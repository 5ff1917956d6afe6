"""Facts that standard formats ask for and only people know: about data sets, and about ensembles.

They are few and small, so the event that records them is their only row; the newest value of a fact
counts. Each is a statement by the person who supplied it, and exports show it as such.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

import duckdb

from registry.errors import InputError, NotFoundError
from registry.event_log.events import changing
from registry.licences import read_licence
from registry.storage.database import Registry

EVENT = "facts supplied"
LONGEST = 4_000
"""Characters of one value."""


class SubjectKind(StrEnum):
    """What facts can be supplied about."""

    DATA_SET = "data set"
    ENSEMBLE = "ensemble"


@dataclass(frozen=True)
class SuppliedFact:
    """A fact that can be supplied: its meaning, and the form of its values."""

    meaning: str
    form: str = "text"
    """``text``, ``address``, ``date``, ``number``, ``licence``, ``pairs``; or choices: ``a|b``."""


_YES = "yes|no"
FACTS: Mapping[SubjectKind, Mapping[str, SuppliedFact]] = MappingProxyType(
    {
        SubjectKind.DATA_SET: {
            "url": SuppliedFact("web page of the data set", "address"),
            "creator": SuppliedFact("person or organisation that put the data set together"),
            "creator-kind": SuppliedFact("whether the creator is a person", "person|organisation"),
            "published": SuppliedFact("day of publication", "date"),
            "citation": SuppliedFact("how to cite the data set"),
            "version": SuppliedFact("version of the data set"),
            "download": SuppliedFact("address of its files", "address"),
            "sensitive-information": SuppliedFact("personal or sensitive information in the works"),
            "has-sensitive-information": SuppliedFact("whether the works show such information", _YES),
            "biases": SuppliedFact("known biases"),
            "use-cases": SuppliedFact("uses that the data set is meant for"),
            "social-impact": SuppliedFact("effects on people and society"),
            "maintenance": SuppliedFact("plan for corrections and new versions"),
            "annotation": SuppliedFact("how labels and captions were made"),
            "confidentiality": SuppliedFact("level of confidentiality", "red|amber|green|clear"),
            "availability": SuppliedFact(
                "how the data set can be had", "clickthrough|directDownload|query|registration|scrapingScript"
            ),
        },
        SubjectKind.ENSEMBLE: {
            "supplier": SuppliedFact("person or organisation that supplies the ensemble"),
            "manufacturer": SuppliedFact("organisation that trained the ensemble"),
            "licence": SuppliedFact("licence of the ensemble and its members, as an SPDX expression", "licence"),
            "released": SuppliedFact("day of release", "date"),
            "download": SuppliedFact("address of the weights", "address"),
            "domain": SuppliedFact("field of use"),
            "use-cases": SuppliedFact("uses that the ensemble is meant for"),
            "limitations": SuppliedFact("known technical limitations"),
            "uses-sensitive-information": SuppliedFact("whether training used sensitive personal information", _YES),
            "safety-risk": SuppliedFact("assessed risk", "serious|high|medium|low"),
            "training-energy": SuppliedFact("energy of the training in kilowatt hours", "number"),
            "metrics": SuppliedFact("measured quality, such as `FID=12.1; precision=0.8`", "pairs"),
        },
    }
)
"""The facts of each kind of subject, by name."""

_ADDRESS = re.compile(r"https?://[^\s<>\"{}|\\^`]{1,2000}")


def supply(
    registry: Registry, kind: SubjectKind, subject: str, values: Mapping[str, str], source: str, now: datetime.datetime
) -> bool:
    """Record facts about a data set, by name, or an ensemble, by id. An empty value takes one back.

    Returns:
        Whether anything is new.

    Raises:
        NotFoundError: there is no such data set or ensemble.
        InputError: a fact is not known, or its value is not of its form.
    """
    checked = {name: _checked(kind, name, value) for name, value in values.items()}
    with changing(registry, now) as change:
        before = supplied(change.connection, kind, _known(change.connection, kind, subject))
        new = {name: value for name, value in checked.items() if before.get(name, "") != value}
        if new:
            change.record(
                EVENT,
                f"{kind} {subject}",
                before={name: before.get(name, "") for name in new},
                after={"facts": new, "source": " ".join(source.split())[:LONGEST]},
            )
    return bool(new)


def supplied(connection: duckdb.DuckDBPyConnection, kind: SubjectKind, subject: str) -> dict[str, str]:
    """The facts on record about a subject, in the order of :data:`FACTS`."""
    found: dict[str, str] = {}
    for (after,) in connection.execute(
        "SELECT after FROM event WHERE kind = ? AND subject = ? ORDER BY sequence", [EVENT, f"{kind} {subject}"]
    ).fetchall():
        found |= json.loads(after)["facts"]
    return {name: found[name] for name in FACTS[kind] if found.get(name)}


def _known(connection: duckdb.DuckDBPyConnection, kind: SubjectKind, subject: str) -> str:
    query = {
        SubjectKind.DATA_SET: "SELECT 1 FROM data_set WHERE name = ?",
        SubjectKind.ENSEMBLE: "SELECT 1 FROM ensemble WHERE id = ?",
    }[kind]
    if connection.execute(query, [subject]).fetchone() is None:
        raise NotFoundError(f"no {kind} {subject[:80]!r}")
    return subject


def _checked(kind: SubjectKind, name: str, value: str) -> str:
    """The value on one line, in its form."""
    fact = FACTS[kind].get(name)
    if fact is None:
        raise InputError(f"no fact {name[:40]!r} of a {kind}; expected one of {', '.join(FACTS[kind])}")
    text = " ".join(value.split())
    if not text:
        return ""
    if len(text) > LONGEST or not text.isprintable():
        raise InputError(f"{name} has {len(text):,} characters; expected at most {LONGEST:,}, none that control")
    fault = _fault(fact.form, text)
    if fault is not None:
        raise InputError(f"{name} is {text[:80]!r}; expected {fault}")
    return text


def _fault(form: str, text: str) -> str | None:
    """The form that was expected, in words, if the text is of another one."""
    if form == "address":
        return None if _ADDRESS.fullmatch(text) else "an address that begins with http:// or https://"
    if form == "date":
        try:
            datetime.date.fromisoformat(text)
        except ValueError:
            return "a day such as 2026-03-14"
        return None
    if form == "number":
        return None if re.fullmatch(r"[0-9]{1,15}(\.[0-9]{1,9})?", text) else "a number such as 12.5"
    if form == "licence":
        return None if read_licence(text).spdx else "an SPDX expression such as Apache-2.0"
    if form == "pairs":
        return None if pairs(text) else "names and values such as `FID=12.1; precision=0.8`"
    if "|" in form:
        return None if text in form.split("|") else f"one of {', '.join(form.split('|'))}"
    return None


def pairs(text: str) -> dict[str, str]:
    """Names and values of a fact of the form ``pairs``; empty if it is not of that form."""
    parts = [part.partition("=") for part in text.split(";") if part.strip()]
    if not all(sign and name.strip() and value.strip() for name, sign, value in parts):
        return {}
    return {name.strip(): value.strip() for name, _, value in parts}
