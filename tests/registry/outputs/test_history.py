"""The audits of one image in order, and the grades that were on record before an audit."""

from __future__ import annotations

from pathlib import Path

from registry.event_log.events import changing
from registry.outputs.evaluations import EVENT
from registry.outputs.history import CHOSEN_BY_DEFAULT, CHOSEN_BY_NAME, audits_of_image, grades_on_record
from reports.outputs.sentences import history_of
from tests.support.statement_world import make_statement_world
from tests.support.works import NOW


def test_audits_and_grades_are_told(tmp_path: Path) -> None:
    """An image audited three times says so in each report; a named ranker only after grades."""
    world = make_statement_world(tmp_path)
    for minutes in range(3):
        world.add_audit(1, minutes)
    world.add_audit(2)
    ids = list(dict.fromkeys(each.audit for each in world.drawn))
    with world.registry.connection() as connection:
        three = audits_of_image(connection, ids[1])
        alone = audits_of_image(connection, ids[3])
        assert grades_on_record(connection, world.ensemble_id) is None
    assert [each.audit_id for each in three] == ids[:3]
    assert [each.newest for each in three] == [False, False, True]
    assert [each.audit_id for each in alone] == ids[3:]
    with changing(world.registry, NOW) as change:
        change.record(EVENT, f"ensemble {world.ensemble_id}", after={})
    with world.registry.connection() as connection:
        grades = grades_on_record(connection, world.ensemble_id)
    assert grades is not None
    named = {"chosen": CHOSEN_BY_NAME, "grades_before": grades}
    (times, after) = history_of(ids[:3], ids[1], named)
    assert "audited 3 times; this is audit 2 of 3" in times
    assert f"event {grades['event']} of the log" in after
    assert history_of(ids[3:], ids[3], {"chosen": CHOSEN_BY_NAME, "grades_before": None}) == []
    assert history_of(ids[3:], ids[3], {"chosen": CHOSEN_BY_DEFAULT, "grades_before": grades}) == []
    assert history_of(ids[3:], ids[3], None) == []
