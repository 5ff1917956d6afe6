"""Signals that lists state: response headers in columns, tables of headers, data-use conditions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from registry.errors import InputError
from registry.ingest.findings import Kind
from registry.ingest.headers import HeadersReport, record_headers
from registry.ingest.lists import open_list
from registry.ingest.lists.usage_conditions import usage_signals
from registry.permissions.derived_columns import find_stale
from registry.signals import Use
from registry.storage.database import Registry
from tests.registry.ingest.test_bulk import csv, events, query, take
from tests.support.works import NOW

LIST = "url,rightsholder,licence,X-Robots-Tag,tdm_reservation\n"


def permissions(registry: Registry) -> dict[str, str]:
    return dict(query(registry, "SELECT url, permission FROM asset ORDER BY url"))


def record(registry: Registry, path: Path) -> HeadersReport:
    staging = path.parent / "staging"
    staging.mkdir(exist_ok=True)
    return record_headers(registry, open_list(path, staging=staging), NOW)


def test_headers_in_a_lists_columns_count_from_the_first_registration(registry: Registry, tmp_path: Path) -> None:
    """No work of the list is ever free that was served with a reservation; a second time changes
    nothing.
    """
    rows = "https://e.org/1,Ada,CC0-1.0,noai,\nhttps://e.org/2,Ada,CC0-1.0,,1\nhttps://e.org/3,Ada,CC0-1.0,index,0\n"
    path = csv(
        tmp_path / "list.csv", LIST + rows + "https://e.org/4,Ada,CC0-1.0,,\nhttps://e.org/5,Ada,CC0-1.0,noml,\n"
    )
    report = take(registry, path)
    assert permissions(registry) == {
        "https://e.org/1": "prohibited",
        "https://e.org/2": "prohibited",
        "https://e.org/3": "permitted",
        "https://e.org/4": "permitted",
        "https://e.org/5": "constrained",
    }
    assert (report.registered, report.signals) == (5, 4)
    assert [(finding.path, finding.kind) for finding in report.findings] == [("row 5", Kind.METADATA)]
    assert "'noml'" in report.findings[0].reason
    with registry.connection() as connection:
        assert not len(find_stale(connection))
    before = events(registry)
    again = take(registry, path)
    assert (again.signals, again.changed_nothing, events(registry)) == (0, True, before)


def test_a_repeated_row_with_a_reservation_counts(registry: Registry, tmp_path: Path) -> None:
    """The stricter of two rows about one work, in either order."""
    rows = "https://e.org/1,Ada,CC0-1.0,,\nhttps://e.org/1,Ada,CC0-1.0,noai,\n"
    take(registry, csv(tmp_path / "list.csv", LIST + rows))
    assert permissions(registry) == {"https://e.org/1": "prohibited"}


def test_a_crawlers_table_counts_for_registered_works_alone(registry: Registry, tmp_path: Path) -> None:
    """By address or hash; other rows change nothing; what is not understood is named."""
    take(
        registry,
        csv(tmp_path / "l.csv", "url,rightsholder,licence\nhttps://e.org/1,Ada,CC0-1.0\nhttps://e.org/2,Ada,CC0-1.0\n"),
    )
    table = [
        {"url": "https://e.org/1", "headers": json.dumps({"X-Robots-Tag": "noai"})},
        {"url": "https://e.org/2", "headers": "no headers"},
        {"url": "https://elsewhere.org/", "headers": json.dumps({"X-Robots-Tag": "noai"})},
    ]
    path = csv(tmp_path / "crawl.jsonl", "\n".join(json.dumps(row) for row in table))
    report = record(registry, path)
    assert permissions(registry) == {"https://e.org/1": "prohibited", "https://e.org/2": "permitted"}
    assert (report.rows, report.works, report.signals, report.permissions_changed) == (3, 1, 1, 1)
    assert report.problems == ["row 2: the column 'headers' holds no headers: 'no headers'"]
    before = events(registry)
    again = record(registry, path)
    assert (again.works, again.signals, events(registry)) == (1, 0, before)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("url,title\nhttps://e.org/1,x\n", "no column of response headers"),
        ("path,headers\na.png,x\n", "no column url or sha256"),
    ],
)
def test_a_table_without_headers_or_works_is_refused(registry: Registry, tmp_path: Path, text: str, words: str) -> None:
    """With the columns that are expected."""
    with pytest.raises(InputError, match=words):
        record(registry, csv(tmp_path / "crawl.csv", text))


@pytest.mark.parametrize(
    ("condition", "use", "words"),
    [
        ("http://purl.obolibrary.org/obo/DUO_0000004", Use.ALLOWED, None),
        ("DUO:0000046", Use.CONSTRAINED, "not for commercial use"),
        (
            {"@type": "DefinedTerm", "termCode": "DUO_0000042", "name": "research"},
            Use.CONSTRAINED,
            "only for research",
        ),
        ("DUO_9999999", Use.CONSTRAINED, "DUO_9999999, which is not understood"),
        ("https://creativecommons.org/licenses/by/4.0/", Use.ALLOWED, None),
        ("https://e.org/terms", Use.CONSTRAINED, "https://e.org/terms"),
        ({"@type": "odrl:Offer", "odrl:prohibition": [{"odrl:action": {"@id": "odrl:use"}}]}, Use.PROHIBITED, None),
        ({"odrl:prohibition": {"odrl:action": "aiTrain"}}, Use.PROHIBITED, None),
        ({"odrl:prohibition": {"odrl:action": "https://e.org/terms/ai"}}, Use.PROHIBITED, None),
        ("https://creativecommons.org/licenses/by/4.0/?ref=" + "a" * 4_050 + "&no-ai=1", Use.CONSTRAINED, None),
        ({"odrl:permission": [{"odrl:action": "odrl:use"}]}, Use.CONSTRAINED, None),
        (7, Use.CONSTRAINED, "7"),
    ],
)
def test_data_use_conditions_are_read(condition: object, use: Use, words: str | None) -> None:
    """Wherever in the description they stand."""
    for document in ({"usageInfo": condition}, {"recordSet": [{"field": [{"sc:usageInfo": [condition]}]}]}):
        (signal,) = usage_signals(document, "croissant.json")
        assert signal.use is use
        assert words is None or signal.constraint == words


def test_conditions_of_a_description_count_for_all_its_works(registry: Registry, tmp_path: Path) -> None:
    """Beside the licence of each row."""
    csv(tmp_path / "works.csv", "image_url,owner,license\nhttps://e.org/1,Ada,CC0-1.0\nhttps://e.org/2,Eve,CC0-1.0\n")
    fields = [
        {"@id": f"r/{name}", "source": {"fileObject": {"@id": "works"}, "extract": {"column": name}}}
        for name in ("image_url", "owner", "license")
    ]
    document = {
        "name": "Works",
        "usageInfo": "DUO:0000046",
        "distribution": [{"@id": "works", "@type": "cr:FileObject", "contentUrl": "works.csv"}],
        "recordSet": [{"@id": "r", "field": fields}],
    }
    path = csv(tmp_path / "croissant.json", json.dumps(document))
    report = take(registry, path)
    assert (report.registered, report.signals) == (2, 2)
    assert set(permissions(registry).values()) == {"constrained"}
