"""The provider's own answers in a filing: a TOML file, typed and bounded; unknown keys are refused.

The questions are the fields below; :mod:`reports.filings.answers_template` makes the annotated
skeleton of ``--template`` from them, so neither can lack a question of the other. Every question
may be left out: a filing then lists it as to be provided.
"""

from __future__ import annotations

import datetime
import difflib
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from registry.errors import InputError
from reports.filings.toml_keys import has_long_key

LARGEST_FILE = 2**19
"""Bytes: many times the size of the longest filing."""
LONGEST_ANSWER = 10_000
MOST_DATA_SETS = 10_000
MOST_FAULTS = 5
"""Faults of a file named in one error."""

Source = Literal["public", "licensed", "private", "crawled", "user", "synthetic", "other"]
"""The source of a data set; the parts of section 2 of the European template."""


def _said(text: str) -> str:
    if any((ord(character) < 32 and character not in "\n\t") or ord(character) == 127 for character in text):
        raise ValueError("it has control characters")
    if not text.strip():
        raise ValueError("it is empty; leave the question out instead")
    return text.strip()


Text = Annotated[str, Field(max_length=LONGEST_ANSWER), AfterValidator(_said)]
Texts = Annotated[list[Text], Field(min_length=1, max_length=1_000)]


def _question(text: str, example: object) -> Any:  # noqa: ANN401 - as pydantic's Field
    return Field(default=None, description=text, examples=[example])


class Answered(BaseModel):
    """A table of the file: immutable, and every key is a question."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Provider(Answered):
    """Who provides the model."""

    name: Text | None = _question("Name of the provider.", "Example Images GmbH")
    contact: Text | None = _question("How to reach the provider.", "compliance@provider.example")
    representative: Text | None = _question(
        "Authorised representative in the Union, with contact details; 'not applicable' for a provider in the Union.",
        "not applicable",
    )


class Model(Answered):
    """Which model it is."""

    names: Texts | None = _question("Names of the model, each with its version.", ["Example Images 1.0"])
    dependencies: Text | None = _question(
        "Models that it was made from by modification or fine-tuning, with their providers; 'none' if there are none.",
        "none",
    )
    placed_on_market: datetime.date | None = _question(
        "Day on which the model was placed on the Union market.", datetime.date(2026, 2, 1)
    )


class Content(Answered):
    """What the training content is like as a whole."""

    types: Text | None = _question("Types of content, such as photography or visual art.", "drawings and icons")
    latest_acquisition: datetime.date | None = _question(
        "Day on which the newest work was acquired, where that was before it was registered.",
        datetime.date(2026, 1, 31),
    )
    continuous: bool | None = _question("Whether the model goes on being trained on new data after that day.", False)
    linguistic: Text | None = _question("Languages in the training content.", "captions are not used")
    characteristics: Text | None = _question("Other characteristics, such as regions or periods.", "mostly European")
    comments: Text | None = _question("Further remarks on the content as a whole (optional).", "none")
    small_or_medium: bool | None = _question(
        "Whether the provider is a small or medium-sized enterprise: fewer domains are listed then.", True
    )


class Public(Answered):
    """Publicly available data sets."""

    used: bool | None = _question("Whether publicly available data sets were used.", True)
    others: Text | None = _question("The smaller public data sets in general.", "collections of icons")
    comments: Text | None = _question("Further remarks on public data sets (optional).", "none")


class Licensed(Answered):
    """Data sets that rightsholders license."""

    used: bool | None = _question("Whether commercial licences were agreed with rightsholders or their agents.", True)


class Private(Answered):
    """Data sets that others do not publish."""

    used: bool | None = _question("Whether private data sets of other third parties were obtained.", False)
    known: Text | None = _question("Those of them that are publicly known.", "the archive of Example Press")
    description: Text | None = _question("Those of them that are not, in general.", "product pictures of retailers")
    comments: Text | None = _question("Further remarks on private data sets (optional).", "none")


class Crawled(Answered):
    """What crawlers collected."""

    used: bool | None = _question("Whether the provider crawled, or had crawling done on its behalf.", True)
    crawlers: Texts | None = _question("Names of the crawlers, as they identify themselves.", ["ExampleBot/1.0"])
    purposes: Text | None = _question("What the crawlers are for.", "training image models")
    behaviour: Text | None = _question(
        "How they behave: robots.txt, paywalls, captchas, rate.",
        "follows robots.txt; never passes a paywall or captcha",
    )
    period: Text | None = _question("From when to when they collected.", "03/2025 to 11/2025")
    content: Text | None = _question("What kinds of content and of sites they visited.", "sites of museums")
    domains: Text | None = _question(
        "Where the list of the most relevant domains is, where the registry does not know the works' addresses.",
        "https://provider.example/domains.csv",
    )
    comments: Text | None = _question("Further remarks on crawling (optional).", "none")


class UserData(Answered):
    """What users gave."""

    from_model: bool | None = _question("Whether users' interactions with the model were trained on.", False)
    from_services: bool | None = _question("Whether data from the provider's other services was trained on.", False)
    services: Text | None = _question("Those services.", "a photo album")
    comments: Text | None = _question("Further remarks on user data (optional).", "none")


class Synthetic(Answered):
    """What other models made."""

    used: bool | None = _question("Whether data was generated by AI, by or for the provider, to train on.", False)
    models: Text | None = _question("Models on the market that generated it.", "Example Images 0.9")
    other_models: Text | None = _question("Other models that generated it, the provider's own too.", "an own upscaler")
    comments: Text | None = _question("Further remarks on synthetic data (optional).", "none")


class Other(Answered):
    """What came in no other way."""

    used: bool | None = _question("Whether there are other sources, such as own digitisation.", False)
    description: Text | None = _question("Those sources.", "pictures scanned by the provider")
    comments: Text | None = _question("Further remarks on other sources (optional).", "none")


class Processing(Answered):
    """What was done with the data."""

    code_of_practice: bool | None = _question(
        "Whether the provider signed the code of practice for general-purpose AI models.", False
    )
    reservations: Text | None = _question(
        "Measures of the provider before and during collection to respect reservations of rights.",
        "robots.txt, TDMRep and IPTC reservations are respected when works are collected",
    )
    reservations_comments: Text | None = _question("Further remarks on reservations (optional).", "none")
    illegal_content: Text | None = _question("Measures to avoid or remove illegal content.", "hash lists and review")
    further: Text | None = _question("Other information on the processing (optional).", "none")


class California(Answered):
    """What AB 2013 asks beyond that."""

    system: Text | None = _question("Name of the system or service.", "Example Images")
    purpose: Text | None = _question("How the data sets further the intended purpose.", "it learns to draw icons")
    intellectual_property: Text | None = _question(
        "Whether copyright, trademarks or patents protect data in them, or all is in the public domain.",
        "they hold works under copyright, under open licences",
    )
    purchased_or_licensed: Text | None = _question("Whether the data sets were purchased or licensed.", "licensed")
    personal_information: Text | None = _question(
        "Whether they include personal information (Civil Code 1798.140 (v)).", "no"
    )
    aggregate_consumer_information: Text | None = _question(
        "Whether they include aggregate consumer information (Civil Code 1798.140 (b)).", "no"
    )
    processing: Text | None = _question(
        "Cleaning and other changes outside the registry, and what for.", "duplicates were removed"
    )
    collection: Text | None = _question("When the data was collected, and whether that goes on.", "2024; it has ended")
    first_used: Text | None = _question("When each was first used, where that was before training here.", "May 2025")
    synthetic: Text | None = _question("Whether synthetic data is or was generated for it, and what for.", "no")


class DataSetAnswers(Answered):
    """One data set of the registry."""

    source: Source | None = _question("public, licensed, private, crawled, user, synthetic or other.", "public")
    owner: Text | None = _question("Who owns or publishes it.", "Example Museum")
    link: Text | None = _question("Where it is published.", "https://museum.example/open")
    description: Text | None = _question("What it holds.", "scans of prints")
    period: Text | None = _question("When it was collected.", "2019 to 2024")
    crawler: Text | None = _question("The crawler that collected it.", "ExampleBot/1.0")
    publicly_known: bool | None = _question("Of a private one: whether it is publicly known.", False)


class Answers(Answered):
    """All answers, by table of the file."""

    provider: Provider = Provider()
    model: Model = Model()
    content: Content = Content()
    public: Public = Public()
    licensed: Licensed = Licensed()
    private: Private = Private()
    crawled: Crawled = Crawled()
    user_data: UserData = UserData()
    synthetic: Synthetic = Synthetic()
    other: Other = Other()
    processing: Processing = Processing()
    california: California = California()
    data_sets: Annotated[dict[str, DataSetAnswers], Field(max_length=MOST_DATA_SETS)] = {}


def read_answers(path: Path) -> Answers:
    """The answers in a TOML file.

    Raises:
        InputError: not readable, too large, not TOML, or with a key or value that no question
            takes.
    """
    try:
        with path.open("rb") as file:
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; give a TOML file, see --template") from error
    if len(data) > LARGEST_FILE:
        raise InputError(f"{path} has more than {LARGEST_FILE:,} bytes, expected a file of answers; see --template")
    try:
        text = data.decode()
        if has_long_key(text):
            raise InputError(f"{path} has a key of more than twelve parts, expected tables as --template writes them")
        document = tomllib.loads(text)
    except (ValueError, RecursionError) as error:
        reason = str(error).splitlines()[0][:200]
        raise InputError(f"{path} is not TOML: {reason}; --template writes a file to begin with") from error
    try:
        return Answers.model_validate(document)
    except ValidationError as error:
        raise InputError(f"{path}: {_faults(error)}; --template lists the questions") from error


def check_data_sets(answers: Answers, names: Iterable[str]) -> None:
    """Raise InputError if an answer is about a data set outside ``names``."""
    known = set(names)
    for name in answers.data_sets:
        if name not in known:
            raise InputError(
                f"the answers are about a data set {name[:80]!r}, which there is not{_nearest(name, known)}"
            )


_EXPECTED = {
    "string_type": "expected text in quotation marks",
    "bool_type": "expected true or false, without quotation marks",
    "date_type": "expected a day without quotation marks, such as 2026-02-01",
    "list_type": 'expected a list, such as ["one", "two"]',
    "model_type": "expected a table",
}


def _faults(error: ValidationError) -> str:
    """The first faults, so that several can be mended at once."""
    found = error.errors(include_url=False, include_input=False)
    more = f"; and {len(found) - MOST_FAULTS:,} more" if len(found) > MOST_FAULTS else ""
    return "; ".join(_fault([str(part)[:80] for part in each["loc"]], each) for each in found[:MOST_FAULTS]) + more


def _fault(place: list[str], fault: ErrorDetails) -> str:
    named = ".".join(place)
    if fault["type"] != "extra_forbidden":
        said = fault["msg"].removeprefix("Value error, ").replace("Input should be", "expected")
        return f"{named!r}: {_EXPECTED.get(fault['type'], said)}"
    table = Answers if len(place) == 1 else DataSetAnswers if place[0] == "data_sets" else table_of(place[0])
    within = "" if len(place) == 1 else ".".join(place[:-1]) + "."
    return f"no question {named!r}{_nearest(place[-1], table.model_fields, within)}"


def _nearest(name: str, known: Iterable[str], within: str = "") -> str:
    near = difflib.get_close_matches(name[:80], [each[:80] for each in known], 1, cutoff=0.5)
    return f"; the nearest is {within + near[0]!r}" if near else ""


def table_of(name: str) -> type[BaseModel]:
    """The questions of a table of the file, except those on single data sets."""
    found: Any = Answers.model_fields[name].annotation
    table: type[BaseModel] = found
    return table
