"""Filings: counts held against a loop over the works, versions against the log, and nothing
unanswered left unsaid.
"""

from __future__ import annotations

import re
import shutil
import time
import tomllib
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

import duckdb
import pytest
from sqlmodel import select

from registry.encodings.store import create_encoding
from registry.errors import InputError, IntegrityError, NotFoundError
from registry.home import Home
from registry.ids import sha256_of
from registry.ingest.owners.table import OwnerTable
from registry.ingest.registration import register_folder
from registry.permissions.reviews import record_review
from registry.permissions.rule import Permission
from registry.rightsholders.verified_rights import verify_rights
from registry.schema.create import create_registry
from registry.storage.database import Registry
from registry.storage.tables import AssetSignal, EmbeddedMetadata, Encoding, Member
from registry.withdrawals.record import withdraw
from reports.checking.document_check import check_document
from reports.checking.document_types import KINDS
from reports.content.ensembles import read_members
from reports.filings import ab2013, ai_act, training_content
from reports.filings.answers import LARGEST_FILE, Answers, read_answers
from reports.filings.answers_template import template_of
from reports.filings.changes import changes
from reports.filings.form import ChangePart, FilingDocument, Form
from reports.filings.toml_keys import basic_string, has_long_key
from reports.filings.versions import Filed, file_version, subject_of
from reports.issuing.stamp import Stamp
from tests.support.members import ensemble_of, train_members
from tests.support.sealing import reseal
from tests.support.works import NOW, write_csv, write_pictures

N, H = 8, 4
HOSTILE = "<script>alert(1)</script> \u202egnp.exe \U0001f34e"
SITES = (
    "https://www.big.example/a?b=1",
    "HTTP://Big.Example:8080/c",
    "https://user:pw@small.example./d",
    "https://[2001:db8::1]/e",
    "https://bücher.example/f",
    "ftp://no.example/g",
    "",
    "not an address",
)


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Registry:
    """Two data sets, one with a hostile name: 24 and 8 works, of which one is prohibited and was
    never encoded.
    """
    root = tmp_path_factory.mktemp("filings")
    registry = create_registry(Home(root / "home"), now=NOW)
    for name, first, amount in (("crawl", 0, 24), (HOSTILE, 24, 8)):
        paths = [f"{number:02d}.png" for number in range(amount)]
        rows = [
            {
                "path": path,
                "rightsholder": f"Owner {number % 5}",
                "licence": ("CC-BY-4.0", "CC0-1.0", "own terms")[number % 3],
                "source_url": SITES[number % len(SITES)],
            }
            for number, path in enumerate(paths)
        ]
        folder = write_pictures(root / f"works {first}", paths, first)
        table = OwnerTable(write_csv(root / f"{first}.csv", rows))
        register_folder(registry, folder, table, data_set=name, now=NOW + timedelta(days=first), near_duplicates=False)
    record_review(registry, "asset", [5], permission=Permission.PROHIBITED, reason="their wish", now=NOW)
    with registry.session() as session:
        session.add(_says_synthetic(7))
        session.add_all(
            _signal(number, work, use)
            for number, (work, use) in enumerate([(2, "allowed"), (9, "constrained"), (5, "prohibited")])
        )
    reseal(registry)
    encoding = create_encoding(registry, "asset", None, N, H, 1, NOW + timedelta(days=60), code_format=1)
    train_members(registry, encoding, list(range(N)))
    return registry


@pytest.fixture
def registry(original: Registry, tmp_path: Path) -> Registry:
    """The same, to be changed."""
    return Registry(Home(shutil.copytree(original.home.root, tmp_path / "home")))


def _says_synthetic(work: int) -> EmbeddedMetadata:
    return EmbeddedMetadata(
        id=0,
        asset_id=work,
        digital_source_type="http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        fields={},
        problems=[],
        read_at=NOW,
    )


def _signal(number: int, work: int, use: str) -> AssetSignal:
    return AssetSignal(
        id=number,
        asset_id=work,
        protocol="plus",
        category="ai training",
        use=use,
        raw="raw",
        found_in="xmp",
        seen_at=NOW,
    )


def encoding_in(registry: Registry) -> Encoding:
    with registry.session() as session:
        return session.exec(select(Encoding)).one()


def ensemble_in(registry: Registry) -> str:
    return ensemble_of(encoding_in(registry))


def file(
    registry: Registry, out: Path, answers: Answers | None = None, form: Form = ai_act.FORM, days: int = 70
) -> Filed:
    return file_version(registry, form, ensemble_in(registry), answers, out, NOW + timedelta(days=days))


def answered(document: Filed | FilingDocument) -> dict[str, object]:
    """Answers by question."""
    filing = document.document if isinstance(document, Filed) else document
    return {item.question: item.answer for section in filing.sections for item in section.items}


def host(address: str) -> str | None:
    """The host as a reader of one address would find it."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return None
    plain = parts.hostname.rstrip(".").removeprefix("www.")
    return plain if plain.isascii() else plain.encode("idna").decode()


def test_counts_are_those_of_a_loop_over_the_works(original: Registry, tmp_path: Path) -> None:
    """Works, bytes, licences, owners, sites and dates: what one finds who looks at each work of the
    encoding by itself.
    """
    crawl = Answers.model_validate({"data_sets": {"crawl": {"source": "crawled"}}})
    content = file(
        Registry(Home(shutil.copytree(original.home.root, tmp_path / "home"))), tmp_path, crawl
    ).document.content
    with original.connection() as connection:
        rows = connection.execute(
            "SELECT asset.id, data_set.name, byte_size, reference, asset.rightsholder_id, source_url, permission FROM unit_asset "
            "JOIN asset ON asset.id = asset_id JOIN data_set ON data_set.id = data_set_id "
            "JOIN licence ON licence.id = licence_id JOIN asset_rights ON asset_rights.id = declared_id"
        ).fetchall()
    assert len(rows) == content.works == 31
    assert content.bytes == sum(row[2] for row in rows)
    assert {each.reference: each.works for each in content.licences} == Counter(row[3] for row in rows)
    assert content.rightsholders == len({row[4] for row in rows})
    assert content.permissions == Counter(row[6] for row in rows)
    assert {each.name: each.works for each in content.data_sets} == Counter(row[1] for row in rows)
    hosts = Counter(found for row in rows if (found := host(row[5] or "")))
    assert content.domains_in_all == len(hosts) == 4
    assert content.with_address == sum(hosts.values())
    sizes = Counter[str]()
    for row in rows:
        if row[1] == "crawl" and host(row[5] or ""):
            sizes[str(host(row[5]))] += row[2]
    assert content.crawled_domains == len(sizes)
    assert [(each.domain, each.bytes) for each in content.top_domains] == sizes.most_common(1)
    assert content.left_out == {"prohibited": 1}
    assert (content.registered_from, content.registered_to) == ("2026-03-14", "2026-04-07")
    assert sum(each.said_synthetic for each in content.data_sets) == 1
    assert [(each.use, each.works) for each in content.signals] == [("allowed", 1), ("constrained", 1)]
    assert (content.with_signal, content.with_reservation, content.reserved_left_out) == (2, 1, 1)


@pytest.mark.parametrize(
    ("images", "band"),
    [
        (0, "Less than"),
        (999_999, "Less than"),
        (10**6, "1 million to"),
        (10**9, "1 million to"),
        (10**9 + 1, "More than"),
    ],
)
def test_the_size_bands_are_the_templates(images: int, band: str) -> None:
    """Under one million, up to one billion, more."""
    assert ai_act.size_band(images).startswith(band)


def test_small_providers_list_fewer_domains(registry: Registry, tmp_path: Path) -> None:
    """5 % in place of 10 %: of many sites, half as many."""
    with registry.connection() as connection:
        connection.execute("UPDATE asset SET url = 'https://site' || id || '.example/' WHERE data_set_id = 0")
        connection.execute(
            "UPDATE asset SET data_set_id = 0, url = 'https://x' || id || '.example/' WHERE data_set_id = 1"
        )
    reseal(registry)
    counts = []
    for small in (False, True):
        said = {"content": {"small_or_medium": small}, "data_sets": {"crawl": {"source": "crawled"}}}
        counts.append(len(file(registry, tmp_path, Answers.model_validate(said)).document.content.top_domains))
    assert counts == [4, 2]


def test_what_nobody_knows_is_marked_and_listed(registry: Registry, tmp_path: Path) -> None:
    """Every open question stands in the list with the key that answers it, on the page and in the
    JSON.
    """
    filed = file(registry, tmp_path)
    open_questions = [item for section in filed.document.sections for item in section.items if item.answer is None]
    assert [each.key for each in filed.document.to_be_provided] == [item.key for item in open_questions]
    assert {"provider.name", "processing.illegal_content", 'data_sets."crawl".source', "public.used"} <= {
        each.answer_with for each in filed.document.to_be_provided
    }
    page = filed.page.read_text()
    assert all(f'href="#q{each.key}"' in page and f'id="q{each.key}"' in page for each in filed.document.to_be_provided)


@pytest.mark.parametrize("form", [ai_act.FORM, ab2013.FORM], ids=lambda form: form.stem)
def test_a_file_with_every_answer_leaves_nothing_open(registry: Registry, tmp_path: Path, form: Form) -> None:
    """The skeleton with all examples taken as they are answers every question of both filings."""
    path = tmp_path / "answers.toml"
    path.write_text(uncommented(template_of(["crawl", HOSTILE])))
    filed = file(registry, tmp_path, read_answers(path), form)
    assert filed.document.to_be_provided == []
    assert "every question is answered" in filed.page.read_text()


def uncommented(template: str) -> str:
    return re.sub(r"(?m)^#(\w+ = )", r"\1", template)


def test_the_skeleton_answers_nothing_until_it_is_edited(tmp_path: Path) -> None:
    """It is TOML as it stands, hostile names of data sets included, and reads as no answer at
    all.
    """
    path = tmp_path / "answers.toml"
    path.write_text(template_of(["plain", HOSTILE, 'a"b\\\n]\x7f']))
    found = read_answers(path)
    assert set(found.data_sets) == {"plain", HOSTILE, 'a"b\\\n]\x7f'}
    assert found.model_dump(exclude_none=True, exclude={"data_sets"}) == {
        name: {} for name in Answers.model_fields if name != "data_sets"
    }
    assert "\u202e" not in path.read_text()


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ('[provider]\nnmae = "x"', "no question 'provider.nmae'; the nearest is 'provider.name'"),
        ('[provder]\nname = "x"', "no question 'provder'; the nearest is 'provider'"),
        ('[data_sets.x]\nsorce = "public"', "the nearest is 'data_sets.x.source'"),
        ('[data_sets.x]\nsource = "found"', "'public', 'licensed'"),
        ("[provider]\nname = 3", "'provider.name': expected text in quotation marks"),
        ('[public]\nused = "yes"', "'public.used': expected true or false"),
        ('[public]\nused = "yes"\n[modle]', "expected true or false, without quotation marks; no question 'modle'"),
        ("\n".join(f"[x{number}]" for number in range(7)), "; and 2 more"),
        ('[provider]\nname = ""', "it is empty"),
        ('[provider]\nname = "\\u0000"', "control characters"),
        (f'[provider]\nname = "{"x" * 10_001}"', "at most 10000"),
        ("provider = [", "not TOML"),
        ("x = " + "[" * 50_000, "not TOML"),
        ("a." * 100_000 + "b = 1", "more than twelve parts"),
        ('"\\"".' * 50_000 + "b = 1", "more than twelve parts"),
        ("x = 1" + "0" * 5_000, "not TOML"),
        ("#" * (LARGEST_FILE + 1), "bytes"),
    ],
)
def test_answers_that_cannot_be_used_are_refused_in_one_line(tmp_path: Path, text: str, reason: str) -> None:
    """Unknown keys with the nearest one, wrong types, bombs: refused at once, and never a
    traceback.
    """
    path = tmp_path / "answers.toml"
    path.write_text(text)
    with pytest.raises(InputError) as refused:
        read_answers(path)
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)
    assert len(str(refused.value)) < 600


@pytest.mark.parametrize(
    "pattern",
    [
        '"\\',
        '"',
        "'",
        '""',
        '\\"',
        '"""\\',
        "'''a",
        "#",
        ".",
        "a ",
        "a.b ",
        '""".',
        '"\\"\\',
        "\\",
        "[",
        "{a=",
        "x=1,",
        "\n",
        "\t .",
    ],
)
def test_the_guard_against_slow_files_is_not_slow_itself(tmp_path: Path, pattern: str) -> None:
    """The largest file there may be, of each nasty pattern, alone and as a value: answered or
    refused within seconds.
    """
    path = tmp_path / "answers.toml"
    for head in ("", "x = ", 'x = "', 'x = """'):
        path.write_text((head + pattern * (LARGEST_FILE // len(pattern)))[:LARGEST_FILE])
        begun = time.process_time()
        with suppress(InputError):
            read_answers(path)
        assert time.process_time() - begun < 5


@pytest.mark.parametrize(
    ("text", "long"),
    [
        ("a." * 11 + "b = 1", False),
        ("a." * 12 + "b = 1", True),
        ("[" + "a . " * 12 + "b]", True),
        ("x = {" + "'a'\t." * 12 + "b = 1}", True),
        ('x = """a"""""\n' + "a." * 12 + "b = 1", True),
        ("x = ['''a'''', {" + "a." * 12 + "b = 1}]", True),
        ('x = "\\\\" # "\n' + "a." * 12 + "b = 1", True),
        ('x = """\\""" """\n' + "a." * 12 + "b = 1", True),
        ('x = "' + "a." * 12 + 'b"', False),
        ("x = '" + "a." * 12 + "b'  # " + "a." * 12, False),
        ('x = """\n' + "a." * 12 + '\n"""', False),
        ("x = [" + "1.5, " * 100 + "]", False),
        ("a.b = 1\n" * 100, False),
    ],
)
def test_long_keys_are_told_from_texts_with_dots(text: str, long: bool) -> None:
    """However a key is written, and behind every way in which a string or comment ends; dots in a
    text are no key.
    """
    assert has_long_key(text) is long
    if "a.b = 1\n" not in text:
        tomllib.loads(text)


def test_answers_about_a_data_set_that_there_is_not_are_refused(registry: Registry, tmp_path: Path) -> None:
    """A misspelt name would silently leave a data set unclassified."""
    with pytest.raises(InputError, match="the nearest is 'crawl'"):
        file(registry, tmp_path, Answers.model_validate({"data_sets": {"crwal": {"source": "public"}}}))


def test_sources_that_the_answers_name_decide_the_sections(registry: Registry, tmp_path: Path) -> None:
    """With every data set classified the sections say yes or no, and a single data set outweighs a
    general no.
    """
    said = {
        "public": {"used": False},
        "data_sets": {"crawl": {"source": "crawled"}, HOSTILE: {"source": "public", "link": "https://museum.example/"}},
    }
    found = answered(file(registry, tmp_path, Answers.model_validate(said)))
    assert found["Have you used publicly available datasets to train the model?"] == "Yes"
    assert found["Were crawlers used by the provider or on behalf of the provider?"] == "Yes"
    assert (
        found["Have data sources other than those described in Sections 2.1 to 2.5 been used to train the model?"]
        == "No"
    )


def test_outputs_generated_here_are_known_to_be_synthetic(registry: Registry, tmp_path: Path) -> None:
    """The one source that the registry knows: works whose bytes are those of an output of its
    own.
    """
    with registry.connection() as connection:
        connection.execute(
            "INSERT INTO sample SELECT 'ab' || id, (SELECT id FROM ensemble), id, NULL, '{}', '[]', '', '', sha256, '', 0, "
            "'{}', registered_at "
            "FROM asset WHERE data_set_id = 1"
        )
    reseal(registry)
    filed = file(registry, tmp_path)
    made = next(each for each in filed.document.content.data_sets if each.name == HOSTILE)
    assert made.own_outputs == made.works == 8
    question = "Was synthetic AI-generated data created by the provider or on their behalf to train the model?"
    items = [item for section in filed.document.sections for item in section.items if item.question == question]
    assert [(item.answer, item.basis) for item in items] == [("Yes", "registry")]


def test_unchanged_facts_give_the_same_version_byte_for_byte(registry: Registry, tmp_path: Path) -> None:
    """A second run writes what was issued before, records nothing, and says that nothing is new."""
    first = file(registry, tmp_path / "a")
    events = event_count(registry)
    second = file(registry, tmp_path / "b", days=90)
    assert (first.new, second.new) == (True, False)
    assert first.page.read_bytes() == second.page.read_bytes()
    assert first.data.read_bytes() == second.data.read_bytes()
    assert event_count(registry) == events


@pytest.mark.parametrize(
    ("table", "statement"),
    [
        ("asset_rights", "UPDATE asset_rights SET source_url = 'https://other.example/' WHERE id = 0"),
        ("asset", "UPDATE asset SET byte_size = byte_size + 1 WHERE id = 30"),
        ("rights_signal", "DELETE FROM rights_signal WHERE id = 1"),
        ("unit_asset", "UPDATE unit_asset SET unit_number = 0 WHERE unit_number = 1"),
        ("member", "UPDATE member SET weights_sha256 = repeat('0', 64) WHERE index = 0"),
        ("event", "UPDATE event SET actor = 'nobody' WHERE kind = 'documents issued'"),
    ],
)
def test_nothing_forged_is_filed(registry: Registry, tmp_path: Path, table: str, statement: str) -> None:
    """Status 3, the message names the table; no file, no event, and the version before stays."""
    file(registry, tmp_path / "first")
    kept = {path.name: path.read_bytes() for path in registry.home.filings.iterdir()}
    with registry.connection() as connection:
        connection.execute(statement)
    events = event_count(registry)
    for form in (ai_act.FORM, ab2013.FORM):
        with pytest.raises(IntegrityError, match=table) as refused:
            file(registry, tmp_path / "second", form=form)
        assert refused.value.exit_code == 3
    assert not (tmp_path / "second").exists() or not list((tmp_path / "second").iterdir())
    assert {path.name: path.read_bytes() for path in registry.home.filings.iterdir()} == kept
    assert event_count(registry) == events


def event_count(registry: Registry) -> int:
    with registry.connection() as connection:
        return int(connection.execute("SELECT count(*) FROM event").fetchall()[0][0])


def test_changed_facts_make_the_next_version_with_links(registry: Registry, tmp_path: Path) -> None:
    """By answers or by the registry; every earlier version is written beside it, so that the links
    lead somewhere.
    """
    file(registry, tmp_path / "a")
    file(registry, tmp_path / "b", Answers.model_validate({"provider": {"name": "Example"}}), days=71)
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=72))
    third = file(registry, tmp_path / "c", days=73)
    assert third.document.filing_version == 3
    assert third.answers_of == 2
    assert answered(third)["Provider name"] == "Example"
    assert [each.filing_version for each in third.document.earlier] == [2, 1]
    assert third.document.content.withdrawn_since == 1
    links = re.findall(r'<a href="(ai-act-[^"]+-v\d\.html)"', third.page.read_text())
    assert [name[-7:] for name in links] == ["v2.html", "v1.html"]
    assert all((third.page.parent / name).is_file() for name in links)


def changes_in(filed: Filed) -> list[ChangePart]:
    assert filed.document.changes is not None
    return filed.document.changes.listed


def test_a_version_says_what_it_is_for(registry: Registry, tmp_path: Path) -> None:
    """Facts and answers that differ from the version before, by place; nothing of the first, nor
    beside a lost copy.
    """
    first = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "A"}}))
    assert first.document.changes is None
    assert 'id="changes"' not in first.page.read_text()
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=71))
    second = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "B"}}), days=72)
    changed = {each.what: (each.before, each.now) for each in changes_in(second)}
    assert changed["content: withdrawn since"] == ("0", "1")
    assert changed["content: members serving"] == ("8", "4")
    assert changed["content: permissions: withdrawn"] == (None, "1")
    assert changed["answers: provider: name"] == ("answered", "answered otherwise")
    assert not any("licences" in what or "domain" in what for what in changed)
    assert "Since version 1" in second.page.read_text()
    lose(registry, second, "missing")
    assert check_document(registry, first.page).later is not None
    third = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "C"}}), days=73)
    assert third.document.changes is None
    assert "Not known: the copy of version 2" in third.page.read_text()


def test_changes_are_told_by_place() -> None:
    """Names that look alike are two places, as are entries of one name; long texts are cut around
    the difference.
    """
    before = {
        "sets": {"a_b": {"link": "1"}, "a b": {"link": "2"}},
        "rows": [{"name": "x", "n": 1}, {"name": "x", "n": 2}],
    }
    now = {"sets": {"a_b": {"link": "3"}, "a b": {"link": "2"}}, "rows": [{"name": "x", "n": 1}, {"name": "x", "n": 5}]}
    found = [(each.what, each.before, each.now) for each in changes(before, now).listed]
    assert found == [("sets: a b: link", "1", "3"), ("rows: x (2): n", "2", "5")]
    assert changes({"signals": []}, {"signals": [{"use": "allowed", "works": 1}]}).listed[0].now == "allowed"
    assert changes({"a": [], "b": None}, {}).listed == []
    long = "y" * 5_000
    (one,) = changes({"t": long + "1" + long}, {"t": long + "2" + long}).listed
    assert one.before != one.now
    assert max(len(one.before or ""), len(one.now or "")) < 300
    many = changes({}, {str(number): number for number in range(150)})
    assert (len(many.listed), many.left_out) == (100, 50)


def test_a_version_takes_the_place_of_all_before_it(registry: Registry, tmp_path: Path) -> None:
    """Also where it says again what the first one said."""
    names = ("A", "B", "A")
    filed = [
        file(registry, tmp_path / str(day), Answers.model_validate({"provider": {"name": name}}), days=day)
        for day, name in enumerate(names, start=70)
    ]
    later = [check_document(registry, each.page).later for each in filed]
    assert [None if found is None else found[1].subject[-9:] for found in later] == ["version 3", "version 3", None]


def test_a_withdrawal_while_it_is_read_does_not_mix_two_states(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Members, works and the head of the log are of one state of the registry, the one before."""
    made: list[object] = []

    def racing(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> list[Member]:
        found = read_members(connection, ensemble_id)
        if not made:
            made.append(withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=65)))
        return found

    monkeypatch.setattr(training_content, "read_members", racing)
    filed = file(registry, tmp_path)
    assert made
    assert (filed.document.content.members_serving, filed.document.content.withdrawn_since) == (N, 0)
    assert check_document(registry, filed.page).facts == "changed"


def test_what_was_withdrawn_before_training_was_never_seen(registry: Registry, tmp_path: Path) -> None:
    """It is not said that members were trained again without it."""
    encoding = create_encoding(registry, "asset", None, N, H, 7, NOW + timedelta(days=61), code_format=1)
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=62))
    train_members(registry, encoding, list(range(N)))
    filed = file_version(registry, ai_act.FORM, ensemble_of(encoding), None, tmp_path, NOW + timedelta(days=70))
    content = filed.document.content
    assert (content.trained_without, content.withdrawn_since, content.never_seen) == (0, 0, 1)
    page = filed.page.read_text()
    assert "1 work withdrawn before any member was trained on them" in page
    assert "trained again without" not in page


def test_a_verified_title_verifies_no_owner(registry: Registry, tmp_path: Path) -> None:
    """Only what somebody checked is called verified: here the licences of two works."""
    with registry.connection() as connection:
        works = [int(number) for (number,) in connection.execute("SELECT id FROM asset").fetchall()]
    verify_rights(registry, works, title="a title", recorded_from="letter", now=NOW + timedelta(days=61))
    verify_rights(registry, works[:2], licence="CC0-1.0", recorded_from="letter", now=NOW + timedelta(days=62))
    content = file(registry, tmp_path).document.content
    assert (content.owners_verified, content.licences_verified) == (0, 2)


def test_answers_about_users_and_machines_are_held_to_what_is_known(registry: Registry, tmp_path: Path) -> None:
    """The question that was answered is named; generated images within another data set contradict
    no Yes.
    """
    sources = {"crawl": {"source": "public"}, HOSTILE: {"source": "public"}}
    users = {"user_data": {"from_model": False, "from_services": True}, "data_sets": sources}
    found = file(registry, tmp_path / "a", Answers.model_validate(users)).document.contradictions
    assert [each.answers for each in found] == [
        ["user_data.from_services"],
        ['data_sets."crawl".source', f"data_sets.{basic_string(HOSTILE)}.source"],
    ]
    assert "there are signs of 1 work of the training content being generated" in found[1].says
    made = {"synthetic": {"used": True}, "data_sets": sources}
    assert file(registry, tmp_path / "b", Answers.model_validate(made), days=71).document.contradictions == []


def test_answers_to_what_there_is_not_are_named(registry: Registry, tmp_path: Path) -> None:
    """Nobody would see that they stand nowhere; nor do they get into the list of changes."""
    file(registry, tmp_path / "a")
    said = {
        "private": {"used": False, "known": "secret archive"},
        "crawled": {"used": False, "crawlers": ["Bot"], "comments": "none"},
        "data_sets": {"crawl": {"source": "public", "crawler": "ExampleBot/1.0"}},
    }
    filed = file(registry, tmp_path / "b", Answers.model_validate(said), days=71)
    assert [each.answers for each in filed.document.contradictions] == [
        ["private.used", "private.known"],
        ["crawled.used", "crawled.crawlers"],
        ['data_sets."crawl".source', 'data_sets."crawl".crawler'],
    ]
    page = filed.page.read_text()
    assert "secret archive" not in page
    assert "ExampleBot" not in page


def test_answers_that_contradict_are_named(registry: Registry, tmp_path: Path) -> None:
    """One another, or what is on record; each with its question, on the page and in the
    document.
    """
    said = {
        "public": {"used": False},
        "licensed": {"used": True},
        "synthetic": {"used": False},
        "user_data": {"from_model": False, "from_services": False},
        "model": {"placed_on_market": (NOW - timedelta(days=500)).date()},
        "content": {"latest_acquisition": (NOW + timedelta(days=500)).date()},
        "data_sets": {"crawl": {"source": "user"}, HOSTILE: {"source": "public"}},
    }
    filed = file(registry, tmp_path, Answers.model_validate(said))
    named = [each.answers[0] for each in filed.document.contradictions]
    assert named == [
        "public.used",
        "licensed.used",
        "user_data.from_model",
        "synthetic.used",
        "content.latest_acquisition",
        "model.placed_on_market",
    ]
    assert filed.document.contradictions[2].answers == [
        "user_data.from_model",
        "user_data.from_services",
        'data_sets."crawl".source',
    ]
    page = filed.page.read_text()
    assert "To be resolved before this is filed" in page
    assert page.count("is answered with No") == 2
    california = file(registry, tmp_path, Answers.model_validate(said), ab2013.FORM)
    assert [each.answers[0] for each in california.document.contradictions] == named[4:], "it asks the others not"


def test_answers_that_agree_are_not_doubted(registry: Registry, tmp_path: Path) -> None:
    """Nor those that leave questions open."""
    said = {
        "public": {"used": True},
        "licensed": {"used": True},
        "user_data": {"from_model": False},
        "content": {"latest_acquisition": NOW.date()},
        "model": {"placed_on_market": (NOW + timedelta(days=100)).date()},
        "data_sets": {HOSTILE: {"source": "public"}},
    }
    for answers in ({}, said):
        filed = file(registry, tmp_path, Answers.model_validate(answers))
        assert filed.document.contradictions == []
        assert "To be resolved" not in filed.page.read_text()


def test_owners_and_licences_are_called_declared(registry: Registry, tmp_path: Path) -> None:
    """Until somebody has verified them."""
    for form in (ai_act.FORM, ab2013.FORM):
        page = file(registry, tmp_path, form=form).page.read_text()
        assert "as declared when the works were registered; none was verified here" in page


def test_works_that_all_members_are_trained_without_are_no_training_content(registry: Registry, tmp_path: Path) -> None:
    """After a withdrawal they still are, until the members that saw them are trained again."""
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=61))
    before = file(registry, tmp_path).document.content
    assert (before.works, before.withdrawn_since, before.trained_without) == (31, 1, 0)
    train_members(registry, encoding_in(registry), list(range(N)), generation=2)
    after = file(registry, tmp_path).document.content
    assert (after.works, after.withdrawn_since, after.trained_without) == (30, 0, 1)


def test_answers_of_the_other_filing_make_no_new_version(registry: Registry, tmp_path: Path) -> None:
    """A file serves both; what only California asks is no fact of the European summary."""
    file(registry, tmp_path, Answers())
    assert not file(registry, tmp_path, Answers.model_validate({"california": {"purpose": "icons"}})).new


@pytest.mark.parametrize("form", [ai_act.FORM, ab2013.FORM], ids=lambda form: form.stem)
def test_the_facts_can_be_read_again(registry: Registry, tmp_path: Path, form: Form) -> None:
    """From the registry and the kept answers, with the hash that the stamp has; until the registry
    moves on.
    """
    filed = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "Example"}}), form)
    stamp = filed.document.stamp
    assert (stamp.kind, stamp.subject) == (form.kind, subject_of(ensemble_in(registry), 1))
    assert sha256_of(KINDS[form.kind](registry, stamp.subject)) == stamp.facts_sha256
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=72))
    assert sha256_of(KINDS[form.kind](registry, stamp.subject)) != stamp.facts_sha256


def test_facts_of_what_was_never_filed_are_not_there(registry: Registry, tmp_path: Path) -> None:
    """No version, no answers, no facts; nor of a version beyond the newest, or of none."""
    file(registry, tmp_path)
    ensemble = ensemble_in(registry)
    for form, subject in (
        (ab2013, subject_of(ensemble, 1)),
        (ai_act, subject_of(ensemble, 2)),
        (ai_act, subject_of("f" * 12, 1)),
        (ai_act, ensemble),
    ):
        with pytest.raises(NotFoundError, match="was issued"):
            form.facts(registry, subject)


@pytest.mark.slow
def test_a_version_is_compared_under_its_own_answers(registry: Registry, tmp_path: Path) -> None:
    """A later version with other answers does not change what the registry says of an earlier one;
    a withdrawal changes both.
    """
    one = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "A"}}))
    two = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "B"}}), days=71)
    assert (one.supersedes, two.supersedes) == (None, 1)
    assert [check_document(registry, path).facts for path in (one.page, one.data, two.page)] == ["same"] * 3
    withdraw(registry, asset_ids=[3], reason="asked", now=NOW + timedelta(days=72))
    assert [check_document(registry, path).facts for path in (one.page, two.page)] == ["changed"] * 2


@pytest.mark.parametrize("loss", ["missing", "altered"])
def test_facts_whose_answers_are_lost_cannot_be_read(registry: Registry, tmp_path: Path, loss: str) -> None:
    """That says nothing of the registry, so it is another error than that of a subject which is
    gone.
    """
    file(registry, tmp_path, Answers.model_validate({"provider": {"name": "A"}}))
    two = file(registry, tmp_path, Answers.model_validate({"provider": {"name": "B"}}), days=71)
    lose(registry, two, loss)
    with pytest.raises(
        InputError, match=r"the copy of version 2 in .* is missing or altered, so its answers are not known"
    ):
        ai_act.facts(registry, two.document.stamp.subject)
    assert sha256_of(ai_act.facts(registry, subject_of(ensemble_in(registry), 1)))


def lose(registry: Registry, filed: Filed, loss: str) -> None:
    """Delete a version's kept copies, or change a byte of one."""
    if loss == "altered":
        with (registry.home.filings / filed.page.name).open("ab") as page:
            page.write(b" ")
        return
    for path in (filed.page, filed.data):
        (registry.home.filings / path.name).unlink()


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["missing", "altered"])
def test_lost_copies_are_told(registry: Registry, tmp_path: Path, loss: str) -> None:
    """Of an earlier version: it is named and not written. Of the newest: it is made again, which is
    no new version but no repetition either; and the next run repeats what was made.
    """
    said = Answers.model_validate({"provider": {"name": "B"}})
    one = file(registry, tmp_path / "a")
    two = file(registry, tmp_path / "a", said, days=71)
    assert (two.new, two.rebuilt, two.lost) == (True, False, ())
    lose(registry, one, loss)
    repeated = file(registry, tmp_path / "b", days=72)
    assert (repeated.new, repeated.rebuilt, repeated.lost) == (False, False, (1,))
    assert repeated.page.read_bytes() == two.page.read_bytes()
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [repeated.page.name, repeated.data.name]
    lose(registry, two, loss)
    again = file(registry, tmp_path / "c", said, days=73)
    assert (again.document.filing_version, again.new, again.rebuilt, again.lost) == (2, False, True, (1,))
    assert again.document.last_update == two.document.last_update
    assert again.document.stamp.made_at > two.document.stamp.made_at
    assert again.page.read_bytes() != two.page.read_bytes()
    assert [check_document(registry, each.page).facts for each in (two, again)] == ["same", "same"]
    last = file(registry, tmp_path / "d", days=74)
    assert (last.new, last.rebuilt) == (False, False)
    assert last.page.read_bytes() == again.page.read_bytes()


def test_an_altered_copy_is_never_given_out(registry: Registry, tmp_path: Path) -> None:
    """Its answers are not believed either; with answers at hand the same version is made anew."""
    said = Answers.model_validate({"provider": {"name": "Example"}})
    filed = file(registry, tmp_path / "a", said)
    kept = registry.home.filings / filed.data.name
    kept.write_text(kept.read_text().replace("Example", "Elpmaxe"))
    with pytest.raises(InputError, match="missing or altered"):
        file(registry, tmp_path / "b")
    again = file(registry, tmp_path / "b", said, days=80)
    assert again.document.filing_version == 1
    assert "Elpmaxe" not in again.data.read_text()


def test_nothing_hostile_gets_onto_the_page(registry: Registry, tmp_path: Path) -> None:
    """A name and an answer with markup and a turn of the writing direction: escaped, and with
    nothing that turns it.
    """
    said = {"provider": {"name": HOSTILE}, "data_sets": {HOSTILE: {"source": "public", "link": "javascript:alert(1)"}}}
    for form in (ai_act.FORM, ab2013.FORM):
        page = file(registry, tmp_path, Answers.model_validate(said), form).page.read_text()
        assert "<script" not in page
        assert "\u202e" not in page
        assert "&lt;script&gt;" in page
        assert 'href="javascript' not in page
        assert f'<meta name="{Stamp.meta_name}"' in page


def test_an_ensemble_without_members_has_nothing_to_file(registry: Registry, tmp_path: Path) -> None:
    """Nothing was trained on; a filing would claim otherwise."""
    with registry.connection() as connection:
        connection.execute("DELETE FROM member")
    reseal(registry)
    with pytest.raises(NotFoundError, match="no member yet"):
        file(registry, tmp_path)


def test_ab_2013_has_its_twelve_items_in_order(registry: Registry, tmp_path: Path) -> None:
    """1 to 12 of Civil Code 3111 (a), after who and what it is about."""
    filed = file(registry, tmp_path, form=ab2013.FORM)
    assert [section.number for section in filed.document.sections] == [str(number) for number in range(13)]


def test_the_summary_has_the_templates_sections_in_order(registry: Registry, tmp_path: Path) -> None:
    """As the AI Office numbers them."""
    numbers = " ".join(section.number for section in file(registry, tmp_path).document.sections)
    expected = "1 1.1 1.2 1.3 2 2.1 2.2 2.2.1 2.2.2 2.3 2.4 2.5 2.6 3 3.1 3.2 3.3"
    assert numbers == expected


def test_the_json_reads_back_as_what_it_is(registry: Registry, tmp_path: Path) -> None:
    """A versioned document that its own model takes, with the stamp inside."""
    filed = file(registry, tmp_path)
    document = FilingDocument.model_validate_json(filed.data.read_bytes())
    assert document == filed.document
    assert (document.creditline, document.version) == ("ai-act-summary", 1)
