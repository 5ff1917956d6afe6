"""Feeds mutated archives to the readers until something other than InputError comes out, or the
time is over.

    python -m tests.fuzz.fuzz_archives -max_total_time=60

Needs ``atheris``.
"""

from __future__ import annotations

import importlib
import sys
import tempfile
from pathlib import Path

from registry.errors import InputError


def main() -> None:
    """Run libFuzzer with its own options, starting from the archives of the tests."""
    atheris = importlib.import_module("atheris")
    with atheris.instrument_imports(include=["registry.ingest"]):
        archives = importlib.import_module("tests.registry.ingest.test_archives")
        webdataset = importlib.import_module("registry.ingest.reading.webdataset")
    folder = Path(tempfile.mkdtemp(prefix="fuzz-archives-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate(archives.SEEDS):
        (corpus / str(number)).write_bytes(seed)
    path = folder / "archive"

    def once(data: bytes) -> None:
        archives.exercise(path, data)
        webdataset.is_webdataset(path)
        try:
            for _ in webdataset.read_shard(path, limits=archives.SMALL):
                pass
        except InputError:
            pass

    atheris.Setup([*sys.argv, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
