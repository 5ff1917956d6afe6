"""What is imported when: the help answers at once, and the registry's own commands never load
torch.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.startup import BAR, COMMAND_HELP, PROGRAM_HELP, encoded_home, first_step, measure, programs, ratios
from registry.home import Home
from registry.schema.create import create_registry
from tests.support.works import write_pictures

HEAVY = (
    *("torch", "diffusers", "transformers", "peft", "duckdb", "sqlalchemy", "numpy", "PIL", "pyarrow"),
    *("jinja2", "matplotlib", "numba", "scipy"),
)

PROGRAM = """
import sys
from cli.main import main
sys.argv = ["creditline", *sys.argv[1:]]
try:
    main()
finally:
    loaded = sorted({name.partition(".")[0] for name in sys.modules})
    print("LOADED " + " ".join(loaded), file=sys.stderr)
"""


def loaded_by(*arguments: str) -> set[str]:
    """The packages that a new process has loaded once the command is done; it must succeed."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stderr.rpartition("LOADED ")[2].split())


@pytest.mark.parametrize(
    "arguments", [("--help",), ("--version",), ("register", "--help"), ("train", "--help"), ("audit", "--help")]
)
def test_help_imports_nothing_heavy(arguments: tuple[str, ...]) -> None:
    """Neither torch nor the database."""
    assert not loaded_by(*arguments) & set(HEAVY)


@pytest.mark.slow
def test_commands_of_the_registry_never_import_torch(tmp_path: Path) -> None:
    """From init to encode."""
    home = ("--home", str(tmp_path / "home"))
    folder = str(write_pictures(tmp_path / "works", ["a.png", "b.png", "c.png"]))
    for arguments in (
        ("init", *home),
        ("register", folder, "--rightsholder", "Ada", *home),
        ("works", *home),
        ("rightsholders", *home),
        ("plan", *home),
        ("encode", "--members", "6", *home),
        ("status", *home),
        ("migrate", *home),
    ):
        assert not loaded_by(*arguments) & {"torch", "diffusers", "jinja2", "matplotlib", "scipy"}, arguments


@pytest.mark.slow
def test_answers_take_little_longer_than_those_of_a_bare_typer_program(tmp_path: Path) -> None:
    """Processor time, as a ratio, since machines differ; with slack for noise above the
    benchmark's bar.
    """
    home = create_registry(Home(tmp_path / "home")).home.root
    wanted = (PROGRAM_HELP, COMMAND_HELP, "creditline --help", "creditline works --help", "creditline works")
    runs = {name: program for name, program in programs(home).items() if name in wanted}
    found = ratios(measure(runs, rounds=5))
    assert len(found) == 3
    assert max(found.values()) < BAR + 0.4, found


@pytest.mark.slow
def test_training_starts_without_libraries_that_it_does_not_need(tmp_path: Path) -> None:
    """Up to the end of its first step: neither diffusers and what that imports, nor torch's
    compiler. (DuckDB imports pandas where it is installed.)
    """
    found = first_step(encoded_home(tmp_path))
    loaded = set(found["loaded"])
    assert "torch" in loaded
    unneeded = {"diffusers", "transformers", "peft", "accelerate", "torchvision", "scipy", "sympy", "jinja2"}
    assert sorted(unneeded & loaded) == []
    assert not found["compiler"]
