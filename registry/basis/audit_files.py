"""Compares an audit's rows with the audit's own file, which its sealed hash names.

The file has the statistics of the decoys, from which p and q follow, and the influences of all
units. A candidate's statistic, effect and score stand in its sealed row alone. Each comparison
reads the file of one audit, and of its tensors only those that its candidates need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb
import numpy as np
from safetensors import SafetensorError, safe_open

from registry.basis.p_values import Values, exact_p_values, q_values
from registry.basis.sealed_events import HELP
from registry.errors import IntegrityError
from registry.home import Home
from registry.ids import sha256_of_file

INFLUENCES: Mapping[str, float] = {
    "influence_estimate": 1e-9,
    "influence_estimate_lpips": 1e-9,
    # Of a candidate's own ablation, which ran in another batch than that of the landscape.
    "influence_exact": 1e-3,
    "influence_exact_lpips": 1e-3,
}
"""Columns of a candidate that the file has for all units, and by what share they may differ."""

_COLUMNS = ("rank", "unit_number", "statistic", "p_value", "q_value", *INFLUENCES)


def check_audit_files(connection: duckdb.DuckDBPyConnection, home: Home, audits: Sequence[str]) -> None:
    """The audits' own files are the sealed ones, and their candidates say what the files say.

    A lost file contradicts nothing.

    Raises:
        IntegrityError: a file was altered, or a candidate has another value than the file.
    """
    for audit, sha256 in connection.execute(
        "SELECT id, artefact_sha256 FROM audit WHERE list_contains(?, id) ORDER BY id", [list(audits)]
    ).fetchall():
        path = home.audit(audit)
        try:
            found = sha256_of_file(path)
        except OSError:
            continue
        if found != sha256:
            raise IntegrityError(
                f"audit, id {audit}: {path} is not the file that the audit wrote, whose hash is sealed; restore the file"
            )
        _check_candidates(connection, path, audit)


def _check_candidates(connection: duckdb.DuckDBPyConnection, path: Path, audit: str) -> None:
    rows = connection.execute(
        f"SELECT {', '.join(_COLUMNS)} FROM candidate WHERE audit_id = ? ORDER BY rank",  # noqa: S608 - constants
        [audit],
    ).fetchnumpy()
    # An influence that was not measured has no value to compare.
    stated = {name: np.ma.filled(np.ma.asarray(column, np.float64), np.nan) for name, column in rows.items()}
    for column, (kept, share) in _in_file(path, audit, stated).items():
        differs = ~np.isclose(stated[column], kept, rtol=share, atol=0, equal_nan=True) & np.isfinite(kept)
        if column in INFLUENCES:
            differs &= ~np.isnan(stated[column])
        for place in np.flatnonzero(differs)[:1]:
            raise IntegrityError(
                f"candidate, audit {audit}, rank {int(stated['rank'][place])}: {column} is {stated[column][place]:.9g}, and "
                f"follows as {kept[place]:.9g} from the audit's own file {path.name}; {HELP}"
            )


def _in_file(path: Path, audit: str, stated: Mapping[str, Values]) -> dict[str, tuple[Values, float]]:
    """By column, the values that follow from an audit's file, and the share they may differ by.

    A file of another form states nothing about the candidates.
    """
    count = len(stated["rank"])
    found: dict[str, tuple[Values, float]] = {}
    try:
        with safe_open(path, framework="numpy") as file:
            kept = set(file.keys())
            if "decoy_statistic" in kept:
                decoys = file.get_tensor("decoy_statistic")
                if decoys.ndim == 2 and len(decoys) != count:
                    raise IntegrityError(
                        f"candidate, audit {audit}: {count} rows, and {len(decoys)} in the audit's own file {path.name}; {HELP}"
                    )
                if decoys.ndim == 2 and decoys.dtype == np.float64:
                    p_value = exact_p_values(stated["statistic"], decoys)
                    found |= {"p_value": (p_value, 1e-9), "q_value": (q_values(p_value), 1e-9)}
            for column, share in INFLUENCES.items():
                if f"unit_{column}" in kept:
                    values = file.get_tensor(f"unit_{column}")
                    units = stated["unit_number"].astype(np.int64)
                    if values.dtype == np.float64 and values.ndim == 1 and (units < len(values)).all():
                        found[column] = values[units], share
    except (OSError, SafetensorError):
        return {}
    return found
