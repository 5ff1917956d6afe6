"""Withdrawal through the command line: from `withdraw` to a certificate, with every exit status on
the way.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.attribution.conftest import write_works
from tests.support.running import Creditline, Outcome

TRAIN = ("train", "--size", 8, "--widths", 8, "--steps", 20, "--batch-size", 8, "--workers", 1)
SAMPLE = ("sample", "--count", 2, "--steps", 6, "--workers", 1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Creditline:
    """Twelve works of three rightsholders, encoded for six members; tests copy the home."""
    root = tmp_path_factory.mktemp("made")
    creditline = Creditline(root / "home")
    write_works(root / "art", 12)
    creditline("init")
    creditline("register", root / "art", "--owners", root / "art" / "owners.csv")
    creditline("encode", "--within", "none", "--members", 6)
    return creditline


@pytest.fixture
def encoded(creditline: Creditline, made: Creditline) -> Creditline:
    """The twelve works, encoded."""
    return creditline.take(made)


@pytest.fixture
def trained(encoded: Creditline) -> Creditline:
    """The same, trained."""
    assert encoded(*TRAIN).status == 0
    return encoded


def states(creditline: Creditline) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for member in creditline("members", "list", "--json").document["members"]:
        found.setdefault(member["state"], []).append(member["index"])
    return found


@pytest.mark.slow
def test_from_withdrawal_to_certificate(trained: Creditline, tmp_path: Path) -> None:
    """The members left serve on, retraining brings all back, and a certificate shows it."""
    before = trained(*SAMPLE, "--json").document
    assert before["members"] == [0, 1, 2, 3, 4, 5]
    done = trained("withdraw", 3, "--reason", "letter of 3 May", "--yes", "--json")
    assert done.status == 0
    [model] = done.document["models"]
    assert model["further"]["members"] == len(model["serving"]) == 4
    assert states(trained) == {"serves": model["serving"], "out of service": model["saw"]}
    again = trained("withdraw", 3, "--reason", "letter of 3 May", "--yes")
    assert (again.status, again.out) == (0, "")
    assert "already withdrawn" in again.err
    served = trained(*SAMPLE, "--json")
    assert served.document["members"] == model["serving"]
    assert "creditline retrain" in served.err
    assert {sample["id"] for sample in served.document["samples"]}.isdisjoint(
        sample["id"] for sample in before["samples"]
    )
    left = trained("plan", "--ensemble", done.document["models"][0]["ensemble_id"], "--json").document
    assert (left["members"], left["units"]) == (4, 11)
    assert left["guaranteed"] <= left["smallest"] <= left["median"] <= left["high"] <= 11
    tried = trained("retrain", "--dry-run", "--json").document
    assert tried["would_retrain"] == model["saw"]
    assert tried["retrained"] == []
    retrained = trained("retrain", "--workers", 1, "--json")
    assert retrained.document["serving"] == [0, 1, 2, 3, 4, 5]
    assert 0 < retrained.document["cost"]["relative"] < 1
    assert "SISA" in retrained.err
    assert states(trained) == {"serves": [0, 1, 2, 3, 4, 5], "replaced": model["saw"]}
    assert trained("retrain", "--json").document["retrained"] == []
    listed = trained("withdrawals", "--json").document["withdrawals"]
    assert [(row["scope"], row["works"], row["reason"]) for row in listed] == [("asset", 1, "letter of 3 May")]
    verified = trained("verify", "--all", "--json")
    assert {row["condition"] for row in verified.document["samples"]} == {"identical"}
    assert len(verified.document["samples"]) == 4
    check_certificate(trained, tmp_path)


def check_certificate(creditline: Creditline, tmp_path: Path) -> None:
    out = tmp_path / "certificate.json"
    made = creditline("certificate", 3, "--out", out)
    assert made.status == 0
    assert "letter of 3 May" in made.out
    members = Path(creditline.home) / "members"
    assert creditline("certificate", "verify", out, "--manifests", members, "--json").document["holds"] is True
    document = json.loads(out.read_text())
    document["in_service"][0]["manifest"]["works"]["count"] += 1
    out.write_text(json.dumps(document))
    found = creditline("certificate", "verify", out)
    assert found.status == 1
    assert found.out.startswith("altered: ")
    assert "Certificate of withdrawal" not in found.out


@pytest.mark.slow
def test_training_leaves_out_what_was_withdrawn_before(encoded: Creditline) -> None:
    """An encoding made before the withdrawal is trained without the works; all members serve."""
    encoded("withdraw", "--rightsholder", "House 1", "--reason", "contract ended", "--yes")
    members = encoded(*TRAIN, "--json").document["members"]
    assert {member["withdrawn_through"] for member in members} == {0}
    assert states(encoded) == {"serves": [0, 1, 2, 3, 4, 5]}


def test_a_withdrawal_shows_first_what_it_does_and_asks(trained: Creditline) -> None:
    """A dry run answers as the withdrawal itself; without a terminal and --yes nothing is done."""
    trained(*SAMPLE)
    tried = trained("withdraw", 3, "--dry-run", "--json")
    assert (tried.status, tried.document["dry_run"], tried.document["withdrawals"]) == (0, True, [])
    told = trained("withdraw", 3, "--dry-run")
    assert (told.status, told.out) == (0, "")
    assert "go out of service; after that, 4 of 6 members are in service" in told.err
    assert "2 samples can no longer be restored" in told.err
    refused = trained("withdraw", 3, "--reason", "letter")
    assert (refused.status, refused.out) == (2, "")
    assert "--yes" in refused.err.splitlines()[-1]
    assert trained("withdrawals", "--json").document["withdrawals"] == []
    done = trained("withdraw", 3, "--reason", "letter", "--yes", "--json").document
    same = ("works", "newly_withdrawn", "models")
    assert {name: done[name] for name in same} == {name: tried.document[name] for name in same}
    again = trained("withdraw", 3, "--reason", "letter")
    assert (again.status, again.out) == (0, ""), "nothing to ask about"


def test_nothing_left_to_serve(trained: Creditline) -> None:
    """Sampling exits 2 and says what to run; so does a certificate."""
    everything = trained("withdraw", *range(12), "--reason", "all of it", "--yes")
    assert "no member is left in service" in everything.err
    refused = trained(*SAMPLE)
    assert (refused.status, refused.out) == (2, "")
    assert "creditline retrain" in refused.err
    after = trained("retrain")
    assert "has no work left" in after.err
    assert "0 of 6 members are in service" in after.err


def test_the_help_of_certificates_shows_how_they_are_used(creditline: Creditline) -> None:
    """As the guide has it: without the name of the command that writes."""
    shown = " ".join(creditline("certificate", "--help").out.split())
    assert "certificate [OPTIONS] WORK... --out FILE | verify FILE" in shown
    assert "creditline certificate 17 --out work-17.json" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("withdraw",), "either WORK or --rightsholder"),
        (("withdraw", 1, "--rightsholder", "House 1", "--reason", "x", "--yes"), "either WORK or --rightsholder"),
        (("withdraw", 1), "needs a reason"),
        (("withdraw", 99, "--reason", "x", "--yes"), "99"),
        (("withdraw", "--rightsholder", "Nobody", "--reason", "x", "--yes"), "Nobody"),
        (("certificate", 1), "--out FILE"),
        (("certificate", "--out", "x.json"), "either WORK or --withdrawal"),
        (("certificate", "verify", "nowhere.json"), "nowhere.json"),
        (("retrain",), "creditline train"),
        (("plan", "--encoding", "ffff"), "ffff"),
    ],
)
def test_bad_usage(encoded: Creditline, arguments: tuple[object, ...], message: str) -> None:
    """Status 2, one line that says what was expected, nothing on stdout."""
    outcome: Outcome = encoded(*arguments)
    assert outcome.status == 2
    assert message in outcome.err
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
