"""Prompts from options and files: read strictly, each fault named with its line."""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.prompts import LONGEST_PROMPT, PromptRow, prompt_text, prompts_asked, read_prompts
from registry.errors import InputError, UsageError
from registry.text import BIDI_CONTROLS, has_control_characters

EXPLICIT = ("LRE", "RLE", "PDF", "LRO", "RLO", "LRI", "RLI", "FSI", "PDI")
"""Unicode's classes of characters that embed, override and isolate."""


def written(folder: Path, name: str, data: str | bytes) -> Path:
    """A file with these contents."""
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def test_without_options_there_is_one_sample_without_a_prompt() -> None:
    """As ever."""
    assert prompts_asked(None, None, ()) == [PromptRow(None)]


def test_a_file_of_lines(tmp_path: Path) -> None:
    """One prompt a line; blank lines and a byte order mark are none; commas and quotes are text."""
    path = written(tmp_path, "prompts.txt", b'\xef\xbb\xbfa "red" fox, flat\r\n\r\n  a lamp  \n=1+1\n')
    assert read_prompts(path) == [PromptRow('a "red" fox, flat'), PromptRow("a lamp"), PromptRow("=1+1")]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("p.csv", 'prompt,negative,seed,count\n"a fox, red",blurred,7,2\nlamp,,,\n'),
        ("p.tsv", "prompt\tnegative\tseed\tcount\na fox, red\tblurred\t7\t2\nlamp\t\t\t\n"),
        (
            "p.jsonl",
            '{"prompt": "a fox, red", "negative": "blurred", "seed": 7, "count": 2}\n\n{"prompt": "lamp", "seed": null}\n',
        ),
    ],
)
def test_tables_and_json_lines_say_the_same(tmp_path: Path, name: str, data: str) -> None:
    """Absent and empty values are left to the options."""
    assert read_prompts(written(tmp_path, name, data)) == [PromptRow("a fox, red", "blurred", 7, 2), PromptRow("lamp")]


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("p.txt", "", "has no prompts"),
        ("p.txt", "a\nb\x07c\n", "line 2: the prompt has control characters"),
        ("p.txt", "a\rb\n", "line 1: the prompt has control characters"),
        ("p.txt", b"a\nb\xff\n", "line 2: byte 0xff is not UTF-8"),
        ("p.txt", "a" * (LONGEST_PROMPT + 1), "line 1: the prompt has 2,001 characters, at most 2,000"),
        ("p.csv", "text\na\n", "columns text; expected prompt"),
        ("p.csv", "prompt,prompt\na,b\n", "each column once"),
        (
            "p.csv",
            "prompt,guidance\na,3\n",
            "line 2: got the column 'guidance', expected prompt, negative, seed, count",
        ),
        ("p.csv", "prompt,seed\na,-1\n", "line 2: seed is '-1', expected a whole number from 0"),
        ("p.csv", "prompt,seed\na,1.5\n", "line 2: seed is '1.5'"),
        ("p.csv", "prompt,count\na,0\n", "line 2: count is 0, expected a whole number from 1"),
        ("p.csv", "prompt,count\na,\u0663\n", "line 2: count is"),
        ("p.csv", "prompt,count\n,1\n", "line 2: the prompt is missing or empty"),
        ("p.csv", "prompt,count\na,1,2\n", "line 2: 3 values for 2 columns"),
        ("p.csv", 'prompt\n"a\n', "line"),
        ("p.jsonl", "{", "line 1: not JSON"),
        ("p.jsonl", "[" * 100_000, "line 1: "),
        ("p.jsonl", '{"prompt": "a"}\n"b"\n', "line 2: expected an object"),
        ("p.jsonl", '{"prompt": "a", "prompt": "b"}', "line 1: not JSON (the field 'prompt' comes twice)"),
        ("p.jsonl", '{"prompt": 3}', "line 1: prompt is 3, expected text"),
        ("p.jsonl", '{"prompt": "a", "seed": true}', "line 1: seed is True"),
        ("p.jsonl", '{"prompt": "a", "seed": 1.0}', "line 1: seed is 1.0"),
        ("p.jsonl", '{"prompt": "\\ud800"}', "line 1: the prompt is not UTF-8"),
    ],
)
def test_a_fault_is_named_with_its_line(tmp_path: Path, name: str, data: str | bytes, message: str) -> None:
    """Nothing is generated from a file that is not understood."""
    with pytest.raises(InputError) as caught:
        read_prompts(written(tmp_path, name, data))
    assert message in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_no_prompt_turns_the_direction_of_writing(tmp_path: Path) -> None:
    """Every character that Unicode calls a bidirectional control is refused by its name."""
    turning = {chr(code) for code in range(sys.maxunicode + 1) if unicodedata.bidirectional(chr(code)) in EXPLICIT}
    assert turning | {"\u061c", "\u200e", "\u200f"} == BIDI_CONTROLS
    for character in BIDI_CONTROLS:
        text, said = f"a {character}fox", f"has U+{ord(character):04X} ({unicodedata.name(character).lower()})"
        with pytest.raises(InputError, match=re.escape(f"the prompt {said}")):
            prompts_asked([text], None, ())
        with pytest.raises(InputError, match=re.escape(f"line 1: the negative text {said}")):
            read_prompts(written(tmp_path, "p.jsonl", json.dumps({"prompt": "a", "negative": text})))
        assert prompts_asked([text], None, (text,)) == [PromptRow(text)], "a class of the registry"


def test_both_ways_at_once_and_an_empty_prompt_are_refused(tmp_path: Path) -> None:
    """An empty --prompt is a slip of the shell more often than a wish."""
    with pytest.raises(UsageError, match="expected one of them"):
        prompts_asked(["a"], tmp_path / "p.txt", ())
    with pytest.raises(UsageError, match="the prompt is empty"):
        prompts_asked(["a", " "], None, ())


def test_there_is_one_limit_of_length() -> None:
    """A text far over the limit is told the same limit as one just over it."""
    for length in (LONGEST_PROMPT + 1, 100_000):
        with pytest.raises(InputError, match="at most 2,000 are taken"):
            prompts_asked(["a" * length], None, ())


@given(st.text(max_size=60))
def test_a_prompt_that_is_taken_is_one_line_and_taken_again(text: str) -> None:
    """Whatever is taken has no control characters, and reading it again changes nothing."""
    try:
        found = prompt_text(text, "prompt")
    except InputError:
        return
    assert found is None or (found and not has_control_characters(found) and not BIDI_CONTROLS & set(found))
    assert prompt_text(found, "prompt") == found


@given(
    st.lists(st.text(st.characters(exclude_categories=("Cc", "Cs", "Zs", "Zl", "Zp", "Cf")), min_size=1), min_size=1)
)
def test_json_lines_hold_any_text(tmp_path_factory: pytest.TempPathFactory, texts: list[str]) -> None:
    """In the file's order."""
    path = tmp_path_factory.mktemp("prompts") / "p.jsonl"
    path.write_text("".join(json.dumps({"prompt": text}) + "\n" for text in texts), encoding="utf-8")
    assert [row.prompt for row in read_prompts(path)] == [prompt_text(text, "prompt") for text in texts]


def test_a_class_keeps_the_spelling_of_the_registry() -> None:
    """Classes come from a column as it was written, so they are not composed anew."""
    name = "Cafe\u0301 "
    assert prompts_asked([name], None, (name,)) == [PromptRow(name)]
    assert prompts_asked([name], None, ()) == [PromptRow("Caf\u00e9")]
