"""Declarations of keys, times and JSON, common to the tables."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, BigInteger, Column, DateTime, PrimaryKeyConstraint
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import DDLCompiler
from sqlalchemy.types import UserDefinedType
from sqlmodel import Field

BULK = {"info": {"bulk": True}}
"""``__table_args__`` of a table that is filled in bulk, with a row per work or unit: it is made
without a primary key. Its ids ascend in the order of insertion, so DuckDB finds a row by its
blocks' smallest and largest id, and a load of ten million rows is spared an index that costs more
than the rows. `creditline doctor` checks that ids are unique."""


class _UnsignedBigInteger(UserDefinedType[int]):
    """UBIGINT: a code has up to 64 bits and overflows SQLAlchemy's signed BIGINT from 2**63 on."""

    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "UBIGINT"


@compiles(PrimaryKeyConstraint, "duckdb")
def _primary_key(constraint: PrimaryKeyConstraint, compiler: DDLCompiler, **_: Any) -> str | None:
    if constraint.table.info.get("bulk"):
        return None
    return compiler.visit_primary_key_constraint(constraint)


def timestamp(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """A time with its zone."""
    column = Column(DateTime(timezone=True), nullable=nullable)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def json_column(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """A JSON document."""
    return Field(default=None, sa_column=Column(JSON, nullable=nullable))


def big(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """A 64-bit number, such as another table's id."""
    column = Column(BigInteger, nullable=nullable)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def unsigned(*, nullable: bool = False) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """An unsigned 64-bit number: a code, part of a fingerprint, a hash to look things up by."""
    column = Column(_UnsignedBigInteger(), nullable=nullable)
    return Field(default=None, sa_column=column) if nullable else Field(sa_column=column)


def key(*, kind: Any = BigInteger) -> Any:  # noqa: ANN401 - as SQLModel's Field
    """A key with a given value: DuckDB has no SERIAL, and a bulk load needs ids beforehand."""
    return Field(sa_column=Column(kind, primary_key=True, autoincrement=False))
