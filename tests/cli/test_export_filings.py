"""``creditline export ai-act`` and ``ab-2013``: from the questions to a filing and its next
version, and what is refused.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from registry.encodings.store import create_encoding
from registry.home import Home
from registry.storage.database import Registry
from tests.support.members import train_members
from tests.support.running import Creditline
from tests.support.works import NOW


@pytest.fixture
def trained(filled: Creditline) -> Creditline:
    """Three works and an ensemble of four members."""
    registry = Registry.open(Home(filled.home))
    encoding = create_encoding(registry, "asset", None, 4, 2, 1, NOW)
    train_members(registry, encoding, list(range(4)))
    return filled


def ensemble(creditline: Creditline) -> str:
    registry = Registry.open(Home(creditline.home))
    with registry.connection() as connection:
        return str(connection.execute("SELECT id FROM ensemble").fetchall()[0][0])


@pytest.mark.parametrize("command", ["ai-act", "ab-2013"])
def test_from_the_questions_to_the_second_version(trained: Creditline, tmp_path: Path, command: str) -> None:
    """The skeleton, a first filing, the same again, and with an answer the next version; paths on
    stdout.
    """
    answers, out = tmp_path / "answers.toml", tmp_path / "out"
    assert trained("export", command, "--template", answers).out == f"{answers}\n"
    first = trained("export", command, "--answers", answers, "--out", out)
    stem = f"{command}-{ensemble(trained)}"
    assert first.status == 0
    assert first.out.splitlines() == [str(out / f"{stem}-v1.html"), str(out / f"{stem}-v1.json")]
    assert "version 1 is new" in first.err
    assert "answers to be provided" in first.err
    again = trained("export", command, "--out", out)
    assert again.out == first.out
    assert "nothing has changed since version 1" in again.err
    assert "the answers are those of version 1" in again.err
    answers.write_text(answers.read_text().replace('#name = "Example Images', 'name = "Example Images'))
    second = trained("export", command, "--answers", answers, "--out", out, "--json").document
    assert (second["filing_version"], second["new"], second["supersedes"]) == (2, True, 1)
    assert (second["rebuilt"], second["lost"]) == (False, [])
    assert len(list(out.iterdir())) == 4


def test_lost_copies_are_narrated(trained: Creditline, tmp_path: Path) -> None:
    """Which version supersedes which, which was made again in other bytes, and which could not be
    written.
    """
    answers, kept = tmp_path / "answers.toml", trained.home / "filings"
    stem = f"ai-act-{ensemble(trained)}"
    assert "supersedes" not in trained("export", "ai-act", "--out", tmp_path / "a").err
    answers.write_text('[provider]\nname = "B"\n')
    second = trained("export", "ai-act", "--answers", answers, "--out", tmp_path / "a")
    assert "version 2 is new; it supersedes version 1" in second.err
    for path in kept.glob(f"{stem}-*.html"):
        path.unlink()
    again = trained("export", "ai-act", "--answers", answers, "--out", tmp_path / "b")
    assert again.status == 0
    assert "is new" not in again.err
    assert (
        f"nothing has changed since version 2, but its copy in {kept} was missing or altered: it was written again"
        in again.err
    )
    assert (
        f"version 1, which version 2 links to, was not written: its copy in {kept} is missing or altered" in again.err
    )
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [f"{stem}-v2.html", f"{stem}-v2.json"]
    third = trained("export", "ai-act", "--out", tmp_path / "b", "--json").document
    assert (third["new"], third["rebuilt"], third["lost"], third["supersedes"]) == (False, False, [1], 1)


def test_questions_are_never_written_over_answers(trained: Creditline, tmp_path: Path) -> None:
    """A file that is there may hold somebody's work."""
    path = tmp_path / "answers.toml"
    path.write_text("[provider]\nname = 'kept'\n")
    refused = trained("export", "ai-act", "--template", path)
    assert refused.status == 2
    assert "exists and may hold answers" in refused.err
    assert "kept" in path.read_text()


def test_answers_and_template_exclude_each_other(trained: Creditline, tmp_path: Path) -> None:
    """One reads a file, the other writes one."""
    refused = trained("export", "ai-act", "--template", tmp_path / "a", "--answers", tmp_path / "b")
    assert refused.status == 2
    assert "expected --template or --answers, not both" in refused.err


def test_answers_that_cannot_be_read_are_bad_input(trained: Creditline, tmp_path: Path) -> None:
    """A file that is not there, and a key that is no question: one line each, and nothing is
    written.
    """
    path = tmp_path / "answers.toml"
    assert trained("export", "ai-act", "--answers", path, "--out", tmp_path / "out").status == 2
    path.write_text("[model]\nname = 'x'\n")
    refused = trained("export", "ai-act", "--answers", path, "--out", tmp_path / "out")
    assert refused.status == 2
    assert "the nearest is 'model.names'" in refused.err
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_a_file_is_refused(trained: Creditline, tmp_path: Path) -> None:
    """And nothing is issued: the next run makes the first version."""
    (tmp_path / "out").write_text("a file")
    assert trained("export", "ai-act", "--out", tmp_path / "out").status == 2
    again = trained("export", "ai-act", "--out", tmp_path / "elsewhere", "--json").document
    assert (again["filing_version"], again["new"]) == (1, True)


def test_without_an_ensemble_there_is_nothing_to_file(filled: Creditline, tmp_path: Path) -> None:
    """It says what to run first."""
    refused = filled("export", "ab-2013", "--out", tmp_path)
    assert refused.status == 2
    assert "creditline train" in refused.err
