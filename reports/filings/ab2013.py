"""Documentation of training data under California's AB 2013, Civil Code 3111 (a): twelve items."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from registry.storage.database import Registry
from reports.filings.answers import Answers
from reports.filings.content_facts import ContentFacts
from reports.filings.form import Form, Sheet
from reports.filings.sources import SOURCES, counted, declared, key_of, licences, megabytes, period, sourced, works
from reports.filings.versions import facts_of
from reports.rendering.wording import count, quoted

KIND = "ab-2013 statement"


def facts(registry: Registry, subject: str) -> dict[str, Any]:
    """The facts under the version's answers; see :mod:`reports.checking.document_types`."""
    return facts_of(registry, FORM, subject)


def fill(content: ContentFacts, answers: Answers) -> Sheet:
    """The system, and the twelve items in the order of the law."""
    sheet = Sheet()
    said = answers.california
    sets = sourced(content, answers)
    sheet.section("0", "The system")
    sheet.asked("Developer", answers.provider.name, "provider.name")
    sheet.asked("System or service", said.system, "california.system")
    sheet.asked("Models", answers.model.names, "model.names")
    sheet.known("Identification in the developer’s registry", f"ensemble {content.ensemble}, made on {content.made}")
    if content.base is not None:
        sheet.known(
            "Base model",
            f"members are adapters on {content.base.called}, SHA-256 {content.base.id}; the items below are about the datasets "
            "of the fine-tuning",
            content.base.unknown,
        )
    _what(sheet, content, answers)
    sheet.section("5", "Whether data is protected by copyright, trademark or patent, or all in the public domain")
    sheet.known("Licences on record", licences(content), declared(content.licences_verified, content))
    sheet.asked("Protection", said.intellectual_property, "california.intellectual_property")
    sheet.section("6", "Whether the datasets were purchased or licensed by the developer")
    licensed = [each.facts.name for each in sets if each.source == "licensed"]
    if licensed:
        sheet.follows("Data sets under a commercial licence", licensed)
    sheet.asked("Purchased or licensed", said.purchased_or_licensed, "california.purchased_or_licensed")
    sheet.section("7", "Whether the datasets include personal information")
    sheet.asked("Personal information", said.personal_information, "california.personal_information")
    sheet.section("8", "Whether the datasets include aggregate consumer information")
    sheet.asked(
        "Aggregate consumer information",
        said.aggregate_consumer_information,
        "california.aggregate_consumer_information",
    )
    _how(sheet, content, answers)
    return sheet


def _what(sheet: Sheet, content: ContentFacts, answers: Answers) -> None:
    said = answers.california
    sets = sourced(content, answers)
    sheet.section("1", "Sources or owners of the datasets")
    owners = f"{count(content.rightsholders, 'rightsholder')} on record"
    if content.without_rightsholder:
        owners += f"; none for {works(content.without_rightsholder)}"
    sheet.known("Owners of the works", owners, declared(content.owners_verified, content))
    for each in sets:
        if each.source is None and each.answers.owner is None:
            sheet.asked(f"Source or owner of the data set {quoted(each.facts.name)}", None, key_of(each, "source"))
    sheet.table(
        "Data sets",
        ["Data set", "Owner", "Source", "Works"],
        [
            [
                each.facts.name,
                each.answers.owner or "–",
                SOURCES[each.source] if each.source else "to be provided",
                each.facts.works,
            ]
            for each in sets
        ],
    )
    sheet.section("2", "How the datasets further the intended purpose")
    sheet.asked("Purpose", said.purpose, "california.purpose")
    sheet.section("3", "Number of data points")
    sheet.known("Images", f"{content.works:,}", megabytes(content.bytes))
    sheet.section("4", "Types of data points")
    label = content.settings.get("label_column")
    classes = content.settings.get("classes") or []
    sheet.known(
        "Labels",
        f"{count(len(classes), 'label', 'labels')} from the column {label} of the owner table"
        if label
        else "texts that describe the works"
        if content.base
        else "no labels are used",
    )
    sheet.known("General characteristics", f"images: {counted(content.formats)}")
    sheet.asked("Types of content", answers.content.types, "content.types")


def _how(sheet: Sheet, content: ContentFacts, answers: Answers) -> None:
    said = answers.california
    sheet.section("9", "Cleaning, processing or other modification of the datasets, and its purpose")
    sheet.known("Processing for training", _processing(content.settings.get("image")))
    sheet.known("Left out of training, by reason", counted(content.left_out))
    sheet.asked("Other processing, and its purpose", said.processing, "california.processing")
    sheet.section("10", "Time period of collection, and whether it goes on")
    sheet.known(
        "Registered",
        period(content.registered_from, content.registered_to),
        "works were collected on the day of their registration or before",
    )
    sheet.asked("Collected", said.collection, "california.collection")
    sheet.section("11", "Dates the datasets were first used")
    sheet.optional("First use, where that was before training here", said.first_used)
    dates = [each.first_trained for each in content.data_sets if each.first_trained]
    sheet.known("First trained on here", min(dates, default=content.made))
    sheet.table(
        "First use by data set",
        ["Data set", "First trained on here"],
        [[each.name, each.first_trained or "not recorded"] for each in content.data_sets],
    )
    sheet.section("12", "Use of synthetic data generation")
    own = sum(each.own_outputs for each in content.data_sets)
    stated = sum(each.said_synthetic for each in content.data_sets)
    sheet.known(
        "Signs of generated images in the training content",
        [
            f"{works(stated)} whose file states a digital source type of generative AI",
            f"{works(own)} that equal an output generated here",
        ],
    )
    sheet.asked("Synthetic data generation", said.synthetic, "california.synthetic")


def _processing(image: object) -> str:
    """The preparation of images by the ensemble's recipe."""
    if not isinstance(image, Mapping) or not isinstance(image.get("size"), int):
        return "not recorded"
    how = {"pad": "padded", "crop": "cropped"}.get(str(image.get("fit")), "fitted")
    channels = {1: "grey", 3: "colour"}.get(image.get("channels") or 0, "")
    side = f"{image['size']} × {image['size']} pixels"
    return f"scaled and {how} to {side}{f', in {channels}' if channels else ''}, so that all images have one form"


FORM = Form(
    kind=KIND,
    creditline="ab-2013-statement",
    stem="ab-2013",
    title="Training data transparency",
    lead="High-level summary of the datasets used to develop a generative AI system: the twelve items of California’s AB 2013.",
    law="California Civil Code, section 3111 (a)",
    tables=frozenset({"provider", "model", "content", "california", "data_sets"}),
    fill=fill,
)
