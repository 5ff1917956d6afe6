"""Section 2 of the European summary: the sources of the training content.

A public data set with more than 3 % of the works of all public data sets is listed by name; of
crawled domains the largest tenth by bytes is listed.
"""

from __future__ import annotations

from reports.filings.answers import Answers, Source
from reports.filings.content_facts import ContentFacts
from reports.filings.form import Sheet
from reports.filings.sources import SOURCES, Sourced, key_of, period, share, used, works, yes_no
from reports.rendering.wording import count, quoted

LARGE_SHARE = 0.03
"""Share of the works of all public data sets above which a data set is listed by name."""
IMAGE = "Image"


def list_sources(sheet: Sheet, content: ContentFacts, answers: Answers, sets: list[Sourced]) -> None:
    """Fill in the section."""
    _overview(sheet, content, sets)
    _public(sheet, answers, sets)
    _third_parties(sheet, answers, sets)
    _crawled(sheet, content, answers, sets)
    _users_and_machines(sheet, content, answers, sets)


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
            f"Source of the data set {quoted(each.facts.name)}",
            None,
            key_of(each, "source"),
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
            sheet.asked(
                f"Link to, or description of, the data set {quoted(each.facts.name)}", None, key_of(each, "link")
            )
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
    owner = f"by {each.answers.owner}" if each.answers.owner else None
    said = " – ".join(text for text in (each.answers.link, each.answers.description, owner) if text)
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


def _whether(sheet: Sheet, question: str, stated: bool | None, source: Source, sets: list[Sourced]) -> bool:
    """Ask a section's yes-or-no question; returns whether to ask its further questions."""
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
