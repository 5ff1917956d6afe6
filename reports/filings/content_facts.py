"""The numbers of filings, as in their JSON; :mod:`reports.filings.training_content` counts them."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from reports.facts import BasePart, Facts, optional_field


class DataSetWorks(Facts):
    """The works of a data set that are training content."""

    name: str
    kind: str
    works: int
    bytes: int
    with_address: int = Field(description="Works whose site the registry knows.")
    domains: int
    registered_from: str = Field(description="Day on which the first of its works was registered.")
    registered_to: str
    first_trained: str | None = Field(description="Day on which the first ensemble was made that trains on it.")
    own_outputs: int = Field(description="Works that are outputs generated here.")
    said_synthetic: int = Field(description="Works whose file says that a generative model made it.")


class LicenceWorks(Facts):
    """A licence, and the works under it."""

    reference: str
    spdx: str | None
    works: int


class SignalWorks(Facts):
    """What the signals of one protocol say about training, and on how many works."""

    protocol: str
    use: str
    works: int


class DomainWorks(Facts):
    """A web site, and the works that came from it."""

    domain: str
    works: int
    bytes: int


class ContentFacts(Facts):
    """What the registry knows of an ensemble's training content."""

    ensemble: str
    encoding: str
    made: str = Field(description="Day on which the ensemble was made.")
    members: int
    members_trained: int
    members_imported: int
    members_serving: int = Field(description="Of these, those that saw none of the works that were withdrawn.")
    settings: dict[str, Any]
    base: BasePart | None = optional_field("The base model that the members are adapters on.")
    works: int
    bytes: int
    unit_kind: str
    units: int
    formats: dict[str, int] = Field(description="Works by media type.")
    shortest_side: int | None
    longest_side: int | None
    registered_from: str | None
    registered_to: str | None
    data_sets: list[DataSetWorks]
    rightsholders: int
    without_rightsholder: int
    licences: list[LicenceWorks]
    owners_verified: int = Field(description="Works whose rightsholder was verified; for the others it is as declared.")
    licences_verified: int = Field(description="Works whose licence was verified; for the others it is as declared.")
    other_licences: int = Field(description="Further licences, with fewer works.")
    without_licence: int
    permissions: dict[str, int] = Field(description="Works by what is on record about them now.")
    signals: list[SignalWorks]
    with_signal: int = Field(description="Works with a machine-readable statement about training.")
    with_reservation: int = Field(description="Works with a statement that reserves or restricts training.")
    left_out: dict[str, int] = Field(description="Works left out when the encoding was made, by reason.")
    reserved_left_out: int = Field(
        description="Works with a reservation, registered by then, that are no training content."
    )
    trained_without: int = Field(description="Works withdrawn later, that all members are trained without again.")
    never_seen: int = Field(
        description="Works withdrawn after they were encoded and before any member was trained on them."
    )
    withdrawn_since: int = Field(description="Withdrawn works that some member still has; it serves no more.")
    with_address: int
    domains_in_all: int
    crawled_domains: int = Field(description="Domains of the data sets whose source is stated to be crawling.")
    top_domains: list[DomainWorks] = Field(description="The largest of these, by bytes.")
    top_domains_left_out: int
