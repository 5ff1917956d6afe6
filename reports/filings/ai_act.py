"""The public summary of training content under Article 53 (1) (d) of the European AI Act.

Sections, numbers and field names are those of the AI Office's template of 24 July 2025. The
registry's facts and the provider's answers fill them; the rest is marked as to be provided.

The size bands are those for images: under one million, one million to one billion, more. Section 2,
the sources, is in :mod:`reports.filings.ai_act_sources`.
"""

from __future__ import annotations

from typing import Any

from registry.outputs.base_claim import IN_FINE_TUNING
from registry.storage.database import Registry
from reports.filings.ai_act_sources import IMAGE, list_sources
from reports.filings.answers import Answers
from reports.filings.content_facts import ContentFacts
from reports.filings.form import Form, Sheet
from reports.filings.sources import counted, declared, licences, megabytes, period, sourced, works, yes_no
from reports.filings.versions import facts_of
from reports.rendering.wording import count

KIND = "ai-act summary"
MILLION, BILLION = 10**6, 10**9


def facts(registry: Registry, subject: str) -> dict[str, Any]:
    """The facts under the version's answers; see :mod:`reports.checking.document_types`."""
    return facts_of(registry, FORM, subject)


def size_band(images: int) -> str:
    """The template's band for a number of images."""
    if images < MILLION:
        return "Less than 1 million images"
    return "1 million to 1 billion images" if images <= BILLION else "More than 1 billion images"


def fill(content: ContentFacts, answers: Answers) -> Sheet:
    """The sections of the template."""
    sheet = Sheet()
    sets = sourced(content, answers)
    _general(sheet, content, answers)
    list_sources(sheet, content, answers, sets)
    _processing(sheet, content, answers)
    return sheet


def _general(sheet: Sheet, content: ContentFacts, answers: Answers) -> None:
    provider, model, said = answers.provider, answers.model, answers.content
    sheet.section("1", "General information")
    sheet.section("1.1", "Provider identification")
    sheet.asked("Provider name", provider.name, "provider.name")
    sheet.asked("Contact details", provider.contact, "provider.contact")
    sheet.asked(
        "Authorised representative name and contact details", provider.representative, "provider.representative"
    )
    sheet.section("1.2", "Model identification")
    sheet.asked("Versioned model name(s)", model.names, "model.names")
    sheet.known(
        "Identification in the provider’s registry",
        f"ensemble {content.ensemble}, made on {content.made}: {_members(content)} of encoding {content.encoding}",
    )
    _dependencies(sheet, content, answers)
    placed = model.placed_on_market.isoformat() if model.placed_on_market else None
    sheet.asked("Date of placement of the model on the Union market", placed, "model.placed_on_market")
    sheet.section("1.3", "Modalities, overall training data size and other characteristics")
    _size(sheet, content)
    sheet.asked("Types of content", said.types, "content.types")
    newest = said.latest_acquisition.isoformat() if said.latest_acquisition else None
    sheet.either(
        "Latest date of data acquisition/collection for model training",
        newest,
        "content.latest_acquisition",
        content.registered_to,
        "the day on which the newest work was registered; it was acquired on that day or before",
    )
    sheet.asked(
        "Is the model continuously trained on new data after this date?", yes_no(said.continuous), "content.continuous"
    )
    labels = content.settings.get("label_column")
    none = None if labels or content.base else "not applicable: no text is trained on"
    sheet.either(
        "Description of the linguistic characteristics of the overall training data",
        said.linguistic,
        "content.linguistic",
        none,
    )
    sheet.known(
        "Other relevant characteristics of the overall training data",
        _characteristics(content),
        _basis(content),
    )
    sheet.optional("Further characteristics", said.characteristics)
    sheet.optional("Additional comments", said.comments)


def _dependencies(sheet: Sheet, content: ContentFacts, answers: Answers) -> None:
    given, base = answers.model.dependencies, content.base
    if base is not None:
        sheet.known("Model dependencies", f"members are adapters on {base.called}, SHA-256 {base.id}", base.unknown)
        sheet.optional("Model dependencies, as the provider describes them", given)
        return
    own = "none: every member was trained here from its beginning" if not content.members_imported else None
    sheet.either("Model dependencies", given, "model.dependencies", own)


def _size(sheet: Sheet, content: ContentFacts) -> None:
    counted_here = f"{works(content.works)}, {megabytes(content.bytes)}"
    if content.base is None:
        sheet.known("Modality", IMAGE, "members are trained on images alone")
        sheet.known("Training data size", size_band(content.works), counted_here)
        return
    sheet.known("Modality", IMAGE, "adapters are trained on images, under texts that describe them")
    sheet.known(
        "Training data size",
        size_band(content.works),
        f"{counted_here}, {IN_FINE_TUNING}; the training data of {content.base.called} is not counted",
    )


def _members(content: ContentFacts) -> str:
    made = content.members_trained + content.members_imported
    held = count(made, "member") if made == content.members else f"{made} of {content.members} members"
    return held if content.members_serving == made else f"{held}, {content.members_serving} of them in service,"


def _basis(content: ContentFacts) -> str:
    owners, terms = declared(content.owners_verified, content), declared(content.licences_verified, content)
    return f"rightsholders and licences: {owners}" if owners == terms else f"rightsholders: {owners}; licences: {terms}"


def _characteristics(content: ContentFacts) -> list[str]:
    sides = f", sides of {content.shortest_side:,} to {content.longest_side:,} pixels" if content.longest_side else ""
    unnamed = f", and none on record for {works(content.without_rightsholder)}" if content.without_rightsholder else ""
    return [
        f"formats: {counted(content.formats)}{sides}",
        f"{count(content.rightsholders, 'rightsholder')}{unnamed}",
        f"licences: {licences(content)}",
        f"registered {period(content.registered_from, content.registered_to)}",
    ]


def _processing(sheet: Sheet, content: ContentFacts, answers: Answers) -> None:
    said = answers.processing
    sheet.section("3", "Data processing aspects")
    sheet.section("3.1", "Respect of reservation of rights from text and data mining exception or limitation")
    sheet.asked(
        "Are you a signatory to the Code of Practice for general-purpose AI models that includes commitments to respect "
        "reservations of rights?",
        yes_no(said.code_of_practice),
        "processing.code_of_practice",
    )
    sheet.asked(
        "Measures implemented before and during data collection to respect reservations of rights",
        said.reservations,
        "processing.reservations",
    )
    sheet.known("What the registry did before training, and since", _opt_outs(content))
    sheet.table(
        "Machine-readable statements about training, as they stand now",
        ["Protocol", "Says", "Works in the training content"],
        [[each.protocol, each.use, each.works] for each in content.signals],
    )
    sheet.optional("Additional comments", said.reservations_comments)
    sheet.section("3.2", "Removal of illegal content")
    sheet.asked("General description of measures taken", said.illegal_content, "processing.illegal_content")
    sheet.section("3.3", "Other information")
    sheet.known("Training content by what is on record about its use for training now", counted(content.permissions))
    sheet.optional("Other relevant information about data processing", said.further)


def _opt_outs(content: ContentFacts) -> list[str]:
    lines = [
        f"left out of training, by reason: {counted(content.left_out)}",
        f"{works(content.reserved_left_out)} with a machine-readable reservation had been registered and were not trained on",
        f"{works(content.with_signal)} of the training content with a machine-readable statement about training, "
        f"{content.with_reservation:,} of them with a reservation or a condition",
    ]
    if content.trained_without:
        lines.append(
            f"{works(content.trained_without)} withdrawn after training; members that saw them were trained again without them"
        )
    if content.withdrawn_since:
        lines.append(
            f"{works(content.withdrawn_since)} withdrawn after training, which members still hold; these are out of service "
            "until they are trained again"
        )
    if content.never_seen:
        lines.append(f"{works(content.never_seen)} withdrawn before any member was trained on them")
    if not content.trained_without and not content.withdrawn_since:
        lines.append("no work was withdrawn after training")
    return lines


FORM = Form(
    kind=KIND,
    creditline="ai-act-summary",
    stem="ai-act",
    title="Public summary of training content",
    lead="For a general-purpose AI model, after the template of the European AI Office of 24 July 2025.",
    law="Regulation (EU) 2024/1689, Article 53 (1) (d)",
    tables=frozenset(Answers.model_fields) - {"california"},
    fill=fill,
)
