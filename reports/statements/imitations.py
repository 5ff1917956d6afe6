"""Imitation audits of an artist whose works are the rightsholder's."""

from __future__ import annotations

import duckdb

from registry.imitations.record import imitations_of
from reports.imitations import words
from reports.rendering.wording import clipped
from reports.statements.facts import ImitationPart

MOST = 50
"""Most audits to list."""


def read_imitations(connection: duckdb.DuckDBPyConnection, rightsholder_id: int) -> list[ImitationPart] | None:
    """The newest audits of artists with works of theirs, newest first; None without any."""
    records = connection.execute(
        "SELECT id FROM effective_rightsholder WHERE effective_id = ? ORDER BY id", [rightsholder_id]
    ).fetchall()
    found = [
        ImitationPart(
            imitation_id=kept.facts.id,
            made_at=kept.made_at,
            event=kept.event,
            artist=clipped(kept.facts.artists[place].name),
            by=clipped(kept.facts.settings.by),
            images=kept.facts.artists[place].images,
            method=words.first_method(kept.facts).name,
            chance=words.first_method(kept.facts).chance,
            identified=words.first_method(kept.facts).artists[place].images,
            works_identified=words.first_method(kept.facts).artists[place].works,
            q_value=kept.facts.matching[place].q_value,
            more_alike=kept.facts.matching[place].passes,
            said=words.of_artist(kept.facts, place),
            training_added=words.without(kept.facts, place),
        )
        for kept, places in imitations_of(connection, {int(each) for (each,) in records})
        for place in places
    ]
    return found[:MOST] or None
