"""Column types that DuckDB has and SQLAlchemy does not."""

from __future__ import annotations

from typing import Any

from sqlalchemy.types import UserDefinedType


class UnsignedBigInteger(UserDefinedType[int]):
    """UBIGINT: a code of up to 64 bits, which overflows SQLAlchemy's signed BIGINT from 2**63
    on.
    """

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UBIGINT"
