"""The words about a base model in documents: what findings are limited to, and what is unknown.

Members that are adapters on a base learned from the works of their code only in the fine-tuning.
The base had learned before, from works that nobody here tested. So every document about such
members says that its findings are about the fine-tuning on these works, and what is on record about
the training of the base. The sentences stand here, so that all documents say the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb

IN_FINE_TUNING = "in the fine-tuning on these works"
"""Ends every sentence that says what an output traces to."""


@dataclass(frozen=True)
class BaseClaim:
    """A base model, as documents about its adapters name it."""

    id: str
    name: str | None
    """The name of its record; None: it is not on record."""
    training_data: str | None
    """The registered data set that it was trained on; None: unknown."""
    stated: str | None = None
    """The data sets that its model card states, unchecked."""

    @property
    def called(self) -> str:
        """The base in a sentence."""
        return called(self.id, self.name)

    @property
    def scope(self) -> str:
        """What findings about the adapters are limited to."""
        return (
            f"These models are adapters on {self.called}. Every finding is about the effect that works had "
            f"{IN_FINE_TUNING}. No finding is about the training of the base."
        )

    @property
    def unknown(self) -> str:
        """What is not known of the base."""
        if self.training_data is None:
            stated = (
                "The training data of the base is unknown."
                if self.stated is None
                else f"The model card of the base states that it was trained on “{self.stated}”. Nobody here has verified this."
            )
            return (
                f"{stated} The base may have been trained on works of this registry, on "
                "copies of them or on works like them: creditline cannot tell, and leaving members out does not undo it."
            )
        return (
            f"The base is on record as trained on the data set “{self.training_data}”. The effect of that training is not "
            "tested, and leaving members out does not undo it."
        )

    @property
    def sentences(self) -> tuple[str, str]:
        """Scope, and what is unknown."""
        return self.scope, self.unknown


def called(base_id: str, name: str | None) -> str:
    """A base in a sentence, by its id and the name of its record."""
    return f"the base model {base_id[:12]}" if name is None else f"the base model “{name}”"


_OF_ENSEMBLES = """
    SELECT DISTINCT named.id, base.name, base.trained_on, base.stated_training
    FROM (
        SELECT json_extract_string(settings, '$.network.base') AS id FROM ensemble WHERE ensemble.id = $1 OR $1 IS NULL
    ) AS named LEFT JOIN base ON base.base_id = named.id
    WHERE named.id IS NOT NULL ORDER BY named.id
"""


def base_claim(connection: duckdb.DuckDBPyConnection, ensemble_id: str) -> BaseClaim | None:
    """The base of an ensemble's members; None: they share no base, or there is no such ensemble."""
    return next(iter(_claims(connection, ensemble_id)), None)


def base_claims(connection: duckdb.DuckDBPyConnection) -> list[BaseClaim]:
    """The bases of all ensembles, each once, in order of id."""
    return _claims(connection, None)


def bases_trained_on(connection: duckdb.DuckDBPyConnection, data_set: str) -> list[BaseClaim]:
    """The bases that are on record as trained on a data set, in order of id."""
    query = "SELECT base_id, name, trained_on, stated_training FROM base WHERE trained_on = ? ORDER BY base_id"
    return [BaseClaim(*row) for row in connection.execute(query, [data_set]).fetchall()]


def _claims(connection: duckdb.DuckDBPyConnection, ensemble_id: str | None) -> list[BaseClaim]:
    found = connection.execute(_OF_ENSEMBLES, [ensemble_id]).fetchall()
    return [BaseClaim(*row) for row in found]
