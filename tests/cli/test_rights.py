"""rights, check, review, confirm, policy, policies, and what encode leaves out: the way from a
doubt to a decision.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb

from registry.event_log.events import changing
from registry.home import Home
from registry.members.manifest import Manifest
from registry.permissions.derived_columns import recompute
from registry.storage.database import Registry
from registry.storage.tables import Ensemble, Member, Withdrawal, WithdrawalWork
from tests.support.running import Creditline
from tests.support.works import NOW, write, write_csv, write_pictures


def test_rights_are_listed_with_the_reason_that_decided(filled: Creditline, tmp_path: Path) -> None:
    """By permission, rightsholder, licence and source; counted; a page; every reason with --why;
    into a file.
    """
    found = filled("rights")
    assert found.status == 0
    assert [line.split()[0] for line in found.out.splitlines()] == ["work", "0", "1", "2"]
    assert "licence CC-BY-4.0: copying and adapting are permitted" in found.out
    assert "3 permitted, 0 unclear, 0 constrained, 0 prohibited, 0 withdrawn" in found.err
    page = filled("rights", "--rightsholder", "Zoe Example", "--limit", 1, "--offset", 1)
    assert "moon.png" in page.out
    assert "1 of 2 works" in page.err
    assert "moon.png" not in filled("rights", "--permission", "prohibited").out
    assert "permitted *" in filled("rights", "--source", "works", "--licence", "CC-BY-4.0", "--why").out
    file = tmp_path / "rights.json"
    assert filled("rights", "--out", file).status == 0
    rows = json.loads(file.read_text())
    assert [(row["asset_id"], row["permission"]) for row in rows] == [(n, "permitted") for n in range(3)]
    assert rows[2]["reason"].startswith("licence CC-BY-4.0")


def test_works_of_several_rightsholders_show_all_of_them(creditline: Creditline, tmp_path: Path) -> None:
    """In tables, JSON and files; and each of them finds the work."""
    creditline("init")
    names = {f"rightsholder_{number}": f"Co {number}" for number in range(2, 6)}
    rows = [{"path": "a.png", "rightsholder": "Ada", **names}, {"path": "b.png", "rightsholder": "Zoe"}]
    folder = write_pictures(tmp_path / "works", ["a.png", "b.png"])
    creditline("register", folder, "--owners", write_csv(tmp_path / "owners.csv", rows))
    everybody = ["Ada", *names.values()]
    for command in ("works", "rights"):
        assert "Ada; Co 2; Co 3 +2" in creditline(command).out
        found = creditline(command, "--rightsholder", "Co 4", "--json").document
        assert (found["total"], found["works"][0]["rightsholders"]) == (1, everybody)
        assert found["works"][0]["rightsholder"] == "Ada"
        out = tmp_path / f"{command}.json"
        creditline(command, "--out", out)
        assert [row["rightsholders"] for row in json.loads(out.read_text())] == [everybody, ["Zoe"]]
    assert "Ada; Co 2; Co 3 +2" in creditline("rights", 0).out
    assert creditline("rights", 0, "--json").document["works"][0]["rightsholders"] == everybody
    assert "1 unclear" in creditline("rights", "--rightsholder", "Co 5").err
    encoding = creditline("encode", "--within", "none", "--members", 6).out.strip()
    assert "Ada; Co 2; Co 3 +2" in creditline("check", encoding, "--strict").out


def test_a_work_is_shown_with_all_its_reasons_in_order(filled: Creditline) -> None:
    """However it is named; in JSON as well; works and a choice of works contradict each other."""
    decided = ("--permission", "prohibited", "--reason", "they \x1b[31msaid no", "--evidence", "mail 7")
    assert filled("review", "--rightsholder", "Zoe Example", *decided).status == 2
    decided = ("--permission", "prohibited", "--reason", "they said no", "--evidence", "mail 7")
    reviewed = filled("review", "--rightsholder", "Zoe Example", *decided)
    assert (reviewed.status, reviewed.out) == (0, "1 review recorded, about 2 works\n")
    shown = filled("rights", "works:moon.png")
    assert "prohibited *" in shown.out
    assert "review of its rightsholder Zoe Example: prohibited, they said no" in shown.out
    document = filled("rights", 1, "--json").document
    steps = [(row["step"], row["verdict"], row["decides"]) for row in document["works"][0]["reasons"]]
    assert steps == [(3, "prohibited", True), (4, "permitted", False)]
    assert document["works"][0]["reasons"][0]["said_at"].endswith("+00:00")
    assert filled("rights", 1, "--permission", "permitted").status == 2
    assert filled("rights", 77).status == 2
    assert filled("rights", "--permission", "maybe").status == 2


def test_works_that_may_not_be_trained_on_are_left_out_of_an_encoding(filled: Creditline) -> None:
    """It says how many and why; with a reason they are taken, and the reason is in the log."""
    filled("review", 0, "--permission", "prohibited", "--reason", "no")
    filled("review", 1, "--permission", "constrained", "--reason", "by contract", "--condition", "not sold")
    found = filled("encode", "--within", "none", "--members", 6, "--json").document
    assert (found["left_out"], found["works_outside"], found["plan"]["works"]) == ({"prohibited": 1}, 1, 2)
    strict = filled("encode", "--within", "none", "--members", 6, "--only-permitted")
    assert "left out: 1 constrained, 1 prohibited" in strict.err
    assert filled("encode", "--within", "none", "--members", 6, "--include-forbidden").status == 2
    assert filled("encode", "--within", "none", "--members", 6, "--reason", "a test").status == 2
    both = ("--include-forbidden", "--only-permitted", "--reason", "a test")
    assert filled("encode", "--within", "none", "--members", 6, *both).status == 2
    whole = filled(
        "encode", "--within", "none", "--members", 6, "--include-forbidden", "--reason", "never published", "--json"
    ).document
    assert (whole["left_out"], whole["plan"]["works"]) == ({}, 3)
    with duckdb.connect(str(Path(filled.home) / "registry.duckdb")) as connection:
        events = connection.execute("SELECT after FROM event WHERE kind = 'works encoded' ORDER BY sequence").fetchall()
    assert [json.loads(after).get("reason") for (after,) in events] == [None, None, "never published"]


def test_an_encoding_is_checked_against_what_was_decided_since(filled: Creditline) -> None:
    """Exit 1 with the works, who saw them and why; --strict counts what is unclear or
    constrained.
    """
    encoding = filled("encode", "--within", "none", "--members", 6).out.strip()
    clean = filled("check", encoding)
    assert (clean.status, clean.out) == (0, "")
    assert f"no works of encoding {encoding} are prohibited or withdrawn" in clean.err
    filled("review", 0, "--permission", "constrained", "--reason", "by contract", "--condition", "not sold")
    assert filled("check", encoding[:6]).status == 0
    strict = filled("check", encoding, "--strict", "--json")
    assert strict.status == 1
    (work,) = strict.document["works"]
    assert (work["asset_id"], work["permission"], len(work["members"])) == (0, "constrained", 2)
    filled("review", 0, "--permission", "prohibited", "--reason", "they said no")
    found = filled("check", encoding)
    assert found.status == 1
    assert "works:deep/star.png" in found.out
    assert "prohibited, they said no" in found.out
    assert "1 work of encoding" in found.err
    assert filled("check", "nothing").status == 2


def test_an_ensemble_is_checked_by_what_its_newest_members_saw(filled: Creditline) -> None:
    """A member that was trained again without a withdrawn work did not see it; one that was not,
    did.
    """
    encoding = filled("encode", "--within", "none", "--members", 6, "--json").document
    ensemble = "ab" * 6
    registry = Registry.open(Home(Path(filled.home)))
    with registry.session() as session:
        session.add(Ensemble(id=ensemble, encoding_id=encoding["id"], settings={}, created_at=NOW))

    def member(index: int, generation: int, withdrawn_through: int | None) -> None:
        with registry.session() as session:
            fields = dict.fromkeys(("manifest_sha256", "merkle_root", "weights_sha256"), "0" * 64)
            session.add(
                Member(
                    id=f"{ensemble}-{index}-{generation}",
                    ensemble_id=ensemble,
                    index=index,
                    generation=generation,
                    origin="trained",
                    manifest={"withdrawn_through": withdrawn_through},
                    registered_at=NOW,
                    **fields,
                )
            )

    said: dict[str, Any] = {"reason": "asked us to", "recorded_by": "me", "recorded_at": NOW}
    with changing(registry, NOW) as change:
        change.insert(Withdrawal(id=0, scope="asset", subject_id=0, **said))
        change.insert(WithdrawalWork(id=0, withdrawal_id=0, asset_id=0))
        recompute(change, [0])
        change.record("withdrawn", "asset 0")
    assert "withdrawn_through" in Manifest.model_fields
    assert filled("check", ensemble).status == 0  # no member was trained yet
    for index in range(6):
        member(index, 1, None)
    (work,) = filled("check", ensemble, "--json").document["works"]
    assert (work["permission"], len(work["members"])) == ("withdrawn", 2)
    first, *others = work["members"]
    for index in others:
        member(index, 2, 0)
    (left,) = filled("check", ensemble, "--json").document["works"]
    assert left["members"] == [first]
    member(first, 2, 0)
    assert filled("check", ensemble).status == 0
    assert filled("check", encoding["id"]).status == 1


def test_decisions_can_be_about_licences_and_sources_and_be_taken_back(filled: Creditline) -> None:
    """In JSON; what cannot be meant is refused in one line."""
    no = ("--permission", "prohibited", "--reason", "house rule")
    assert filled("review", "--licence", "CC0-1.0", *no, "--json").document["permissions_changed"] == 2
    assert filled("review", "--source", "works", *no, "--json").document["permissions_changed"] == 1
    back = ("--permission", "none", "--reason", "the rule ended")
    assert filled("review", "--source", "works", *back, "--json").document["permissions_changed"] == 1
    for arguments in (
        ("review", *no),
        ("review", 1, "--source", "works", *no),
        ("review", "--licence", "GPL-2.0", *no),
        ("review", "--source", "nothing", *no),
        ("review", 1, "--permission", "maybe", "--reason", "x"),
        ("review", 1, "--permission", "constrained", "--reason", "x"),
        ("review", "--source", "works", *back),
    ):
        found = filled(*arguments)
        assert (found.status, found.out, len(found.err.splitlines())) == (2, "", 1), arguments


def test_confirmed_rights_come_before_declared_ones(filled: Creditline) -> None:
    """A new owner by name, a known one by number; the licence alone leaves the owner."""
    confirmed = filled("confirm", 0, 1, "--rightsholder", "Eve Example", "--from", "contract 12")
    assert (confirmed.status, confirmed.out) == (0, "rights of 2 works recorded as verified\n")
    changed = filled("confirm", 0, "--licence", "all rights reserved", "--from", "contract 12", "--json")
    assert changed.document["permissions_changed"] == 1
    row = filled("rights", 0, "--json").document["works"][0]
    assert (row["rightsholder"], row["licence"], row["basis"]) == ("Eve Example", "all rights reserved", "verified")
    assert filled("confirm", 0, "--rightsholder", "#0", "--from", "contract 13").status == 0
    assert filled("confirm", 0, "--rightsholder", "#99", "--from", "contract 13").status == 2
    assert filled("confirm", 0, "--from", "contract 13").status == 2


def test_a_sites_policy_counts_for_its_works_and_is_listed(creditline: Creditline, tmp_path: Path) -> None:
    """The kind by the file's name; the same file again changes nothing; what was not understood is
    told.
    """
    creditline("init")
    folder = write_pictures(tmp_path / "works", ["a.png", "b.png"])
    sources = ("https://example.org/art/a.html", "https://example.org/free/b.html")
    rows = [
        {"path": name, "rightsholder": "Ada", "source_url": url}
        for name, url in zip(("a.png", "b.png"), sources, strict=True)
    ]
    creditline("register", folder, "--owners", write_csv(tmp_path / "owners.csv", rows))
    file = write(tmp_path / "tdmrep.json", b'[{"location": "/art/", "tdm-reservation": 1}, {"location": 7}]')
    found = creditline("policy", file, "--domain", "example.org")
    assert (found.status, found.out) == (0, "policy 0 of example.org: signals for 2 works\n")
    assert "not understood: rule 2 has no location" in found.err
    assert "2 works come from there; the permission of 2 changed" in found.err
    assert "nothing was changed" in creditline("policy", file, "--domain", "example.org").out
    assert "tdmrep in tdmrep.json: all data mining is prohibited" in creditline("rights").out
    robots = write(tmp_path / "robots.txt", b"User-agent: CCBot\nDisallow: /\n")
    wide = creditline(
        "policy", robots, "--domain", "example.org", "--agent", "CCBot", "--subdomains", "--json"
    ).document
    assert (wide["kind"], wide["subdomains"], wide["works_with_signals"]) == ("robots", True, 2)
    listed = creditline("policies", "--json").document["policies"]
    assert [(row["kind"], row["subdomains"], row["agents"], row["counts"]) for row in listed] == [
        ("robots", False, ["CCBot"], True),
        ("robots", True, ["CCBot"], True),
        ("tdmrep", False, [], True),
    ]
    assert "example.org" in creditline("policies").out
    for arguments in ((tmp_path / "no.json", "example.org"), (file, "no host"), (folder / "a.png", "example.org")):
        refused = creditline("policy", arguments[0], "--domain", arguments[1])
        assert (refused.status, refused.out, len(refused.err.splitlines())) == (2, "", 1)


def test_response_headers_count_for_registered_works(creditline: Creditline, tmp_path: Path) -> None:
    """The table of a crawler prohibits a work; what was not understood is told."""
    creditline("init")
    works = write(tmp_path / "list.csv", b"url,rightsholder,licence\nhttps://example.org/1.jpg,Ada,CC0-1.0\n")
    creditline("register", works)
    crawl = write(tmp_path / "crawl.csv", b'url,X-Robots-Tag\nhttps://example.org/1.jpg,"noai, noml"\n')
    found = creditline("headers", crawl)
    assert (found.status, found.out) == (0, "2 rights signals recorded from 1 row\n")
    assert "not understood: row 1: X-Robots-Tag: the directive 'noml' is not known" in found.err
    assert creditline("rights", "--json").document["works"][0]["permission"] == "prohibited"
    assert creditline("headers", works).status == 2
    assert creditline("headers", crawl, "--json").document["signals"] == 0
    other = write(tmp_path / "other.csv", b"address,X-Robots-Tag\nhttps://example.org/1.jpg,noindex\n")
    assert creditline("headers", other).status == 2
    assert creditline("headers", other, "--map", "url=address", "--json").document["signals"] == 1
