"""Probes on the command line: chosen, told, and never trained on."""

from __future__ import annotations

import pytest

from tests.support.running import Creditline


def test_encode_keeps_works_out_and_says_what_they_can_show(encoded_for_seven: Creditline) -> None:
    """Two of eighteen are too few for an answer; plan, show, exposure and withdraw know them."""
    found = encoded_for_seven("encode", "--within", "none", "--members", 7, "--probes", "10%")
    assert found.status == 0
    assert "2 works kept out of all members, as probes" in found.err
    assert "above 0.05: no image could be said to be trained on; choose a larger --probes" in found.err
    assert "to keep 19 works or more out" in found.err
    assert "left out: 2 not trained on by choice, as probes" in found.err
    document = encoded_for_seven("encode", "--within", "none", "--members", 7, "--probes", "10%", "--json").document
    assert (document["probes"], document["left_out"]) == (2, {"not trained on by choice": 2})
    encoding = document["id"]
    planned = encoded_for_seven("plan", "--within", "none", "--members", 7, "--probes", "10%")
    assert "16 units of 16 works" in planned.err
    assert "--probes 10%" in planned.err or "none of these has enough decoys" in planned.err
    asked = "SELECT asset_id FROM encoding_probe ORDER BY 1"
    probe = str(encoded_for_seven("sql", asked, "--json").document["rows"][0][0])
    assert "not trained on by choice" in encoded_for_seven("show", probe).out
    exposed = encoded_for_seven("exposure", probe)
    assert "no model was trained on the work" in exposed.err
    assert f"encoding {encoding}: 1 work kept out of all members by choice, as a probe" in exposed.out
    assert encoded_for_seven("works", "--probe", "--count").out.strip() == "2"
    assert encoded_for_seven("works", "--no-probe", "--count").out.strip() == "16"
    withdrawn = encoded_for_seven("withdraw", probe, "--reason", "asked", "--dry-run")
    assert f"encoding {encoding}: 1 work of these kept out of all members by choice, as a probe" in withdrawn.err


@pytest.mark.parametrize("share", ["0%", "70%", "some"])
def test_an_impossible_share_is_refused(encoded_for_seven: Creditline, share: str) -> None:
    """By encode and by plan; an extension takes none."""
    for command in ("encode", "plan"):
        found = encoded_for_seven(command, "--members", 7, "--probes", share)
        assert found.status != 0
        assert "as the share of probes, expected above 0 to 50%, such as 5%" in found.err


def test_an_extension_takes_no_probes(encoded_for_seven: Creditline) -> None:
    """It keeps those of the encoding."""
    found = encoded_for_seven("encode", "--extend", "abc", "--probes", "5%")
    assert found.status != 0
    assert "--seed and --probes" in found.err
