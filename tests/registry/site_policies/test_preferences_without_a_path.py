"""A preference without a path is about everything."""

from __future__ import annotations

from registry.signals import Protocol, Use
from registry.site_policies import read_site_policy

ROBOTS = b"User-agent: *\nAllow: /\nContent-Usage: train-ai=n\n"


def test_a_preference_without_a_path_counts_for_every_path() -> None:
    """An opt-out for a whole site is not lost because nobody wrote the slash."""
    policy = read_site_policy(ROBOTS, kind="robots", domain="a.example", file_name="robots.txt")
    assert policy.problems == ()
    (signals,) = policy.signals_for(["/photos/1.jpg"])
    assert [(signal.protocol, signal.use) for signal in signals] == [(Protocol.AIPREF, Use.PROHIBITED)]
