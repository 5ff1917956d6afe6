"""The file of questions that ``--template`` writes: every field of the answers, with an example.

Made from :class:`reports.filings.answers.Answers`, so that it asks exactly what is read.
"""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from reports.filings.answers import Answers, DataSetAnswers, table_of
from reports.filings.toml_keys import basic_string

_LISTED_DATA_SETS = 1_000


def template_of(data_sets: Iterable[str]) -> str:
    """A TOML file of all questions, with examples commented out; unedited, it answers nothing."""
    lines = [
        "# Answers for `creditline export ai-act` and `creditline export ab-2013`.",
        "# Remove the # before a line to answer it; what is left out is listed in the filing as to be provided.",
    ]
    for name in Answers.model_fields:
        if name != "data_sets":
            lines += ["", f"# {table_of(name).__doc__}", f"[{name}]"]
            lines += _questions(table_of(name), with_text=True)
    named = list(data_sets)
    lines += ["", "# Where each data set came from."]
    for number, name in enumerate(named[:_LISTED_DATA_SETS] or ["name of a data set"]):
        header = f"[data_sets.{basic_string(name)}]"
        lines += ["", header if named else f"#{header}", *_questions(DataSetAnswers, with_text=number == 0)]
    return "\n".join(lines) + "\n"


def _questions(table: type[BaseModel], *, with_text: bool) -> list[str]:
    lines = []
    for name, field in table.model_fields.items():
        if with_text:
            lines.append(f"# {field.description}")
        lines.append(f"#{name} = {_written(_example(field))}")
    return lines


def _example(field: FieldInfo) -> object:
    return (field.examples or [""])[0]


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list):
        return "[" + ", ".join(_written(each) for each in value) + "]"
    return basic_string(value) if isinstance(value, str) else str(value)
