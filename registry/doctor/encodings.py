"""Encodings: every code follows from its unit number, and every work is in at most one unit."""

from __future__ import annotations

import duckdb
import numpy as np

from registry.doctor.findings import Examination, Progress, Severity
from registry.encodings import codes, words
from registry.encodings.keys import CODE_FORMAT, FIRST_FORMAT
from registry.encodings.nested import check_sizes
from registry.encodings.store import load_groups, slots_of
from registry.errors import CreditlineError
from registry.event_log.findings import RESTORE
from registry.storage.results import distinct_numbers, number_of
from registry.storage.tables import EncodingCodes

_AT_ONCE = 1_000_000


def check_encodings(connection: duckdb.DuckDBPyConnection, found: Examination, on_progress: Progress) -> None:
    """Check every encoding's codes, units and works."""
    rows = connection.execute("SELECT id, n, h, seed, unit_count FROM encoding ORDER BY rowid").fetchall()
    formats = dict(connection.execute("SELECT encoding_id, code_format FROM encoding_codes").fetchall())
    nested = {
        str(key): (str(within), int(support), int(attempt))
        for key, within, support, attempt in connection.execute(
            'SELECT encoding_id, "within", support, attempt FROM encoding_codes WHERE "within" IS NOT NULL '
            "AND support IS NOT NULL AND attempt IS NOT NULL"
        ).fetchall()
    }
    for encoding_id, n, h, seed, unit_count in rows:
        code_format = formats.get(encoding_id, FIRST_FORMAT)
        if code_format not in (FIRST_FORMAT, CODE_FORMAT):
            what = f"has codes of format {code_format}, which this version does not know"
            found.error("encodings", f"encoding {encoding_id}", what, RESTORE)
            continue
        if encoding_id in nested:
            _check_nested(connection, found, encoding_id, (n, h, seed), nested[encoding_id])
        else:
            _check_codes(connection, found, on_progress, encoding_id, (n, h, seed, code_format), unit_count)
        _check_works(connection, found, encoding_id, unit_count)
        _check_probes(connection, found, encoding_id)
    found.checked["encodings"] = len(rows)


def _check_codes(
    connection: duckdb.DuckDBPyConnection,
    found: Examination,
    on_progress: Progress,
    encoding_id: str,
    choice: tuple[int, int, int, int],
    unit_count: int,
) -> None:
    n, h, seed, code_format = choice
    where = f"encoding {encoding_id}"
    if not (2 <= n <= words.MAX_MEMBERS and 1 <= h < n and 0 <= unit_count <= codes.capacity(n, h, code_format)):
        found.error(
            "encodings", where, f"has {unit_count:,} units with n = {n} and h = {h}, which is impossible", RESTORE
        )
        return
    count, distinct, first, last = distinct_numbers(connection, "number", "unit WHERE encoding_id = ?", [encoding_id])
    if (count, distinct, first, last) != (unit_count, unit_count, 0, unit_count - 1):
        what = (
            f"has {count:,} units numbered {first} to {last} ({distinct:,} different), expected 0 to {unit_count - 1:,}"
        )
        found.error("encodings", where, what, RESTORE)
        return
    wrong, example = 0, -1
    for start in range(0, unit_count, _AT_ONCE):
        table = connection.execute(
            "SELECT number, code FROM unit WHERE encoding_id = ? AND number >= ? AND number < ?",
            [encoding_id, start, start + _AT_ONCE],
        ).to_arrow_table()
        numbers = table["number"].to_numpy()
        differs = np.flatnonzero(codes.codes_of(seed, n, h, numbers, code_format) != table["code"].to_numpy())
        if len(differs):
            wrong += len(differs)
            example = int(numbers[differs[0]]) if example < 0 else example
        on_progress(f"codes of {encoding_id}", min(start + _AT_ONCE, unit_count), unit_count)
    if wrong:
        what = f"{wrong:,} units (for example unit {example}) have a code that does not follow from their number"
        found.error("encodings", where, what, RESTORE)


def _check_nested(
    connection: duckdb.DuckDBPyConnection,
    found: Examination,
    encoding_id: str,
    choice: tuple[int, int, int],
    how: tuple[str, int, int],
) -> None:
    """Draw supports and codes again, and compare them with those on record."""
    (n, h, seed), (within, support, attempt) = choice, how
    where = f"encoding {encoding_id}"
    made = EncodingCodes(
        encoding_id=encoding_id, code_format=CODE_FORMAT, within=within, support=support, attempt=attempt
    )
    groups = load_groups(connection, made)
    stored = (
        connection.execute("SELECT code FROM unit WHERE encoding_id = ? ORDER BY number", [encoding_id])
        .to_arrow_table()["code"]
        .to_numpy()
    )
    try:
        check_sizes(n, support, h)
        slots = slots_of(n, h, seed, groups)
        inside = (groups.places >= 0) & (groups.places < groups.slots[groups.group_of_unit])
        if len(stored) != len(inside) or not inside.all():
            raise IndexError
        expected = slots.codes[slots.starts[groups.group_of_unit] + groups.places]
    except (CreditlineError, IndexError, ValueError, OverflowError, MemoryError):
        found.error("encodings", where, "has units, groups and codes that do not belong together", RESTORE)
        return
    wrong = np.flatnonzero(expected != stored)
    if len(wrong):
        what = f"{len(wrong):,} units (for example unit {wrong[0]}) have a code that does not follow from their group"
        found.error("encodings", where, what, RESTORE)
    wrong = np.flatnonzero(slots.supports != groups.supports)
    if len(wrong):
        what = (
            f"{len(wrong):,} groups (for example group {wrong[0]}) have a support that does not follow from their place"
        )
        found.error("encodings", where, what, RESTORE)


def _check_probes(connection: duckdb.DuckDBPyConnection, found: Examination, encoding_id: str) -> None:
    """A probe is in no unit, and neither is another work with its bytes."""
    where = f"encoding {encoding_id}"
    if not number_of(connection, "SELECT count(*) FROM encoding_probe WHERE encoding_id = ?", [encoding_id]):
        found.checked.setdefault("probes", 0)
        return
    probes, different, trained = connection.execute(
        "SELECT count(*), count(DISTINCT encoding_probe.asset_id), count(*) FILTER (asset.sha256 IN ("
        "SELECT sha256 FROM unit_asset JOIN asset ON asset.id = unit_asset.asset_id WHERE encoding_id = $encoding)) "
        "FROM encoding_probe JOIN asset ON asset.id = encoding_probe.asset_id WHERE encoding_id = $encoding",
        {"encoding": encoding_id},
    ).fetchall()[0]
    found.checked["probes"] = found.checked.get("probes", 0) + probes
    if probes != different:
        found.error("encodings", where, f"{probes - different:,} works are listed as probes more than once", RESTORE)
    if trained:
        what = f"{trained:,} works are probes, kept out of all members by choice, and in a unit at once"
        found.error("encodings", where, what, RESTORE)


def _check_works(connection: duckdb.DuckDBPyConnection, found: Examination, encoding_id: str, unit_count: int) -> None:
    where = f"encoding {encoding_id}"
    rows = "unit_asset WHERE encoding_id = ?"
    count, works, _, _ = distinct_numbers(connection, "asset_id", rows, [encoding_id])
    _, units, first, last = distinct_numbers(connection, "unit_number", rows, [encoding_id])
    if count != works:
        found.error("encodings", where, f"{count - works:,} works are in more than one unit", RESTORE)
    if (units, first, last) != (unit_count, 0, unit_count - 1):
        found.error(
            "encodings",
            where,
            f"{units:,} of {unit_count:,} units have works, or works name units that are not there",
            RESTORE,
        )
    (prohibited,) = connection.execute(
        "SELECT count(*) FROM unit_asset JOIN asset ON asset.id = asset_id "
        "WHERE encoding_id = ? AND permission = 'prohibited'",
        [encoding_id],
    ).fetchall()[0]
    if prohibited:
        what = f"{prohibited:,} of its works may not be used for training: prohibited"
        repair = "`creditline check` lists them; review their rights, withdraw them, or run `creditline encode` again"
        found.add("encodings", Severity.NOTE, where, what, repair)
