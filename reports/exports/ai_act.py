"""The public summary of training content that Article 53 (1) (d) of the European AI Act asks for.

After the template of the AI Office of 24 July 2025: its sections, their numbers and the names of their fields. What the
registry knows is filled in from it, what the provider answers from their file, and the rest is marked as to be provided.

The sizes are those of images: under one million, one million to one billion, more. A public data set is listed by name where
it has more than 3 % of all works of public data sets; of crawled domains the largest tenth is listed, by bytes.
"""

from __future__ import annotations

from typing import Any

from registry.database import Registry
from reports.exports.answers import Answers, Source
from reports.exports.filing import Form, Sheet
from reports.exports.sources import (
    SOURCES,
    Sourced,
    counted,
    licences,
    megabytes,
    period,
    share,
    sourced,
    used,
    works,
    yes_no,
)
from reports.exports.training_content import ContentFacts
from reports.exports.versions import facts_of
from reports.words import count

KIND = "ai-act summary"
MILLION, BILLION = 10**6, 10**9
LARGE_SHARE = 0.03
"""Of the works of all public data sets: one with more is listed by name."""
IMAGE = "Image"


def facts(registry: Registry, subject: str) -> dict[str, Any]:
    """The facts of an ensemble's summary, under the answers of its newest version; see :mod:`reports.kinds`."""
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
    _overview(sheet, content, sets)
    _public(sheet, answers, sets)
    _third_parties(sheet, answers, sets)
    _crawled(sheet, content, answers, sets)
    _users_and_machines(sheet, content, answers, sets)
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
    own = "none: every member was trained here from its beginning" if not content.members_imported else None
    sheet.either("Model dependencies", model.dependencies, "model.dependencies", own)
    placed = model.placed_on_market.isoformat() if model.placed_on_market else None
    sheet.asked("Date of placement of the model on the Union market", placed, "model.placed_on_market")
    sheet.section("1.3", "Modalities, overall training data size and other characteristics")
    sheet.known("Modality", IMAGE, "members are trained on images alone")
    sheet.known("Training data size", size_band(content.works), f"{works(content.works)}, {megabytes(content.bytes)}")
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
    none = None if labels else "not applicable: no text is trained on"
    sheet.either(
        "Description of the linguistic characteristics of the overall training data",
        said.linguistic,
        "content.linguistic",
        none,
    )
    sheet.known("Other relevant characteristics of the overall training data", _characteristics(content))
    sheet.optional("Further characteristics", said.characteristics)
    sheet.optional("Additional comments", said.comments)


def _members(content: ContentFacts) -> str:
    trained = content.members_trained + content.members_imported
    return count(trained, "member") if trained == content.members else f"{trained} of {content.members} members"


def _characteristics(content: ContentFacts) -> list[str]:
    sides = f", sides of {content.shortest_side:,} to {content.longest_side:,} pixels" if content.longest_side else ""
    unnamed = f", and none on record for {works(content.without_rightsholder)}" if content.without_rightsholder else ""
    return [
        f"formats: {counted(content.formats)}{sides}",
        f"{count(content.rightsholders, 'rightsholder')}{unnamed}",
        f"licences: {licences(content)}",
        f"registered {period(content.registered_from, content.registered_to)}",
    ]


def _overview(sheet: Sheet, content: ContentFacts, sets: list[Sourced]) -> None:
    sheet.section("2", "List of data sources")
    unknown = [each for each in sets if each.source is None]
    rows: list[list[str | int]] = []
    for source, name in (*SOURCES.items(), (None, "to be provided")):
        held = [each.facts.works for each in sets if each.source == source]
        if held:
            rows.append([name, share(sum(held), content.works), len(held), sum(held)])
    sheet.table("Data sets by source", ["Source", "Share of works", "Data sets", "Works"], rows)
    for each in unknown:
        sheet.asked(
            f"Source of the data set {each.facts.name}",
            None,
            "data_sets.<name>.source",
            f"{works(each.facts.works)}, a {each.facts.kind}, registered "
            f"{period(each.facts.registered_from, each.facts.registered_to)}; {_sites(each)}",
        )


def _sites(each: Sourced) -> str:
    facts = each.facts
    if not facts.domains:
        return "no work’s address is on record"
    return f"{facts.with_address:,} works with an address, on {count(facts.domains, 'domain')}"


def _public(sheet: Sheet, answers: Answers, sets: list[Sourced]) -> None:
    sheet.section("2.1", "Publicly available datasets")
    said = answers.public
    if not _whether(sheet, "Have you used publicly available datasets to train the model?", said.used, "public", sets):
        return
    sheet.known("Modality(ies) of the content covered by the datasets concerned", IMAGE)
    public = [each for each in sets if each.source == "public"]
    total = sum(each.facts.works for each in public)
    large = [each for each in public if each.facts.works > LARGE_SHARE * total]
    for each in large:
        if each.answers.link is None and each.answers.description is None:
            sheet.asked(f"Link to, or description of, the data set {each.facts.name}", None, "data_sets.<name>.link")
    sheet.table(
        "List of large publicly available datasets",
        ["Data set", "Link or description", "Works", "Collected"],
        [[*_named(each), each.facts.works, each.answers.period or "to be provided"] for each in large],
    )
    if len(large) < len(public) or not public:
        smaller = len(public) - len(large)
        sheet.asked(
            "General description of other publicly available datasets not listed above",
            said.others,
            "public.others",
            f"{count(smaller, 'data set')}" if smaller else None,
        )
    sheet.optional("Additional comments", said.comments)


def _named(each: Sourced) -> list[str | int]:
    said = " – ".join(text for text in (each.answers.link, each.answers.description) if text)
    return [each.facts.name, said or "to be provided"]


def _third_parties(sheet: Sheet, answers: Answers, sets: list[Sourced]) -> None:
    sheet.section("2.2", "Private non-publicly available datasets obtained from third parties")
    sheet.section("2.2.1", "Datasets commercially licensed by rightsholders or their representatives")
    question = (
        "Have you concluded transactional commercial licensing agreement(s) with rightsholder(s) or with their "
        "representatives?"
    )
    if _whether(sheet, question, answers.licensed.used, "licensed", sets):
        sheet.known("Modality(ies) of the content covered by the datasets concerned", IMAGE)
        _list(sheet, "Licensed data sets", "licensed", sets)
    sheet.section("2.2.2", "Private datasets obtained from other third parties")
    said = answers.private
    question = (
        "Have you obtained private datasets from third parties that are not licensed as described in Section 2.2.1?"
    )
    if not _whether(sheet, question, said.used, "private", sets):
        return
    private = [each for each in sets if each.source == "private"]
    known = [each for each in private if each.answers.publicly_known]
    sheet.known("Modality(ies) of the content covered by the datasets concerned", IMAGE)
    names = "; ".join(each.facts.name for each in known)
    none = "none" if private and all(each.answers.publicly_known is False for each in private) else None
    sheet.asked(
        "If publicly known, list private datasets obtained from other third parties",
        said.known or names or none,
        "private.known",
    )
    if len(known) < len(private) or not private:
        sheet.asked(
            "General description of non-publicly known private datasets obtained from third parties",
            said.description,
            "private.description",
            f"{count(len(private) - len(known), 'data set')}" if private else None,
        )
    sheet.optional("Additional comments", said.comments)


def _crawled(sheet: Sheet, content: ContentFacts, answers: Answers, sets: list[Sourced]) -> None:
    sheet.section("2.3", "Data crawled and scraped from online sources")
    said = answers.crawled
    if not _whether(
        sheet, "Were crawlers used by the provider or on behalf of the provider?", said.used, "crawled", sets
    ):
        return
    crawled = [each for each in sets if each.source == "crawled"]
    named = sorted({each.answers.crawler for each in crawled if each.answers.crawler})
    sheet.asked("Crawler name(s)/identifier(s)", said.crawlers or named or None, "crawled.crawlers")
    sheet.asked("Purposes of the crawler(s)", said.purposes, "crawled.purposes")
    sheet.asked("General description of crawler behaviour", said.behaviour, "crawled.behaviour")
    periods = [f"{each.facts.name}: {each.answers.period}" for each in crawled if each.answers.period]
    whole = periods if periods and len(periods) == len(crawled) else None
    sheet.asked("Period of data collection", said.period or whole, "crawled.period")
    sheet.asked(
        "Comprehensive description of the type of content and online sources crawled", said.content, "crawled.content"
    )
    sheet.known("Type of modality covered", IMAGE)
    summary = "Summary of the most relevant domain names crawled"
    if not content.top_domains:
        sheet.asked(summary, said.domains, "crawled.domains", "no address of a crawled work is on record")
    else:
        rule = (
            "the largest 5 %, at most 1,000, by bytes"
            if answers.content.small_or_medium
            else "the largest 10 %, by bytes"
        )
        listed = len(content.top_domains)
        sheet.known(
            summary,
            f"{listed:,} of {count(content.crawled_domains, 'domain')}, listed below",
            f"{rule}; hosts of the works’ addresses, without www"
            + (f"; {content.top_domains_left_out:,} more belong to them" if content.top_domains_left_out else ""),
        )
        sheet.table(
            "Domains crawled, the largest first",
            ["Domain", "Works", "Bytes"],
            [[each.domain, each.works, each.bytes] for each in content.top_domains],
        )
    sheet.optional("Additional comments", said.comments)


def _users_and_machines(sheet: Sheet, content: ContentFacts, answers: Answers, sets: list[Sourced]) -> None:
    sheet.section("2.4", "User data")
    users = answers.user_data
    interactions, reason = used(users.from_model, "user", sets)
    for question, given, key in (
        ("Was data from user interactions with the AI model used to train the model?", users.from_model, "from_model"),
        (
            "Was data collected from user interactions with the provider’s other services or products used to train the "
            "model?",
            users.from_services,
            "from_services",
        ),
    ):
        if given is None and reason is not None and not interactions:
            sheet.follows(question, "No", reason)
        else:
            sheet.asked(question, yes_no(given), f"user_data.{key}")
    if interactions or users.from_services:
        sheet.known("Type of modality covered", IMAGE)
        sheet.asked("General description of these services or products", users.services, "user_data.services")
        _list(sheet, "Data sets of user data", "user", sets)
        sheet.optional("Additional comments", users.comments)
    sheet.section("2.5", "Synthetic data")
    made = answers.synthetic
    question = "Was synthetic AI-generated data created by the provider or on their behalf to train the model?"
    if _whether(sheet, question, made.used, "synthetic", sets):
        sheet.known("Modality of the synthetic data", IMAGE)
        sheet.asked("General-purpose AI model(s) used to generate the synthetic data", made.models, "synthetic.models")
        sheet.asked(
            "Other AI models used to generate the synthetic data, the provider’s own included",
            made.other_models,
            "synthetic.other_models",
        )
        _list(sheet, "Data sets of synthetic data", "synthetic", sets)
        sheet.optional("Additional comments", made.comments)
    sheet.known("Signs of generated images in the training content", _signs(content))
    sheet.section("2.6", "Other sources of data")
    question = "Have data sources other than those described in Sections 2.1 to 2.5 been used to train the model?"
    if _whether(sheet, question, answers.other.used, "other", sets):
        sheet.asked("Narrative description of these data sources", answers.other.description, "other.description")
        _list(sheet, "Data sets of other sources", "other", sets)
        sheet.optional("Additional comments", answers.other.comments)


def _signs(content: ContentFacts) -> list[str]:
    said = sum(each.said_synthetic for each in content.data_sets)
    own = sum(each.own_outputs for each in content.data_sets)
    return [
        f"{works(said)} whose file states a digital source type of generative AI",
        f"{works(own)} that equal an output generated here",
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
        f"{works(content.trained_without)} withdrawn after training; the members were trained again without them",
    ]
    if content.withdrawn_since:
        lines.append(f"{works(content.withdrawn_since)} withdrawn since; the members that saw them are out of service")
    return lines


def _whether(sheet: Sheet, question: str, stated: bool | None, source: Source, sets: list[Sourced]) -> bool:
    """Ask the yes-or-no question of a section; whether its further questions are to be asked."""
    answer, reason = used(stated, source, sets)
    shown = yes_no(answer)
    if reason is None or shown is None:
        table = {"user": "user_data"}.get(source, source)
        sheet.asked(question, shown, f"{table}.used")
    elif any(each.answers.source for each in sets):
        sheet.follows(question, shown, reason)
    else:
        sheet.known(question, shown, reason)
    return bool(answer)


def _list(sheet: Sheet, caption: str, source: Source, sets: list[Sourced]) -> None:
    rows = [[*_named(each), each.facts.works] for each in sets if each.source == source]
    sheet.table(caption, ["Data set", "Link or description", "Works"], rows)


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
