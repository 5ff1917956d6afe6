"""What is told where the home cannot be written."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from registry.errors import InputError
from registry.home import write_bytes_atomically, writing

SPACE, WRITABLE, AWAY = "free some space", "make it writable", "move away what lies there"


@pytest.mark.parametrize(
    ("number", "advice"),
    [
        (errno.ENOSPC, SPACE),
        (errno.EDQUOT, SPACE),
        (errno.EFBIG, SPACE),
        (errno.EACCES, WRITABLE),
        (errno.EROFS, WRITABLE),
        (errno.EISDIR, AWAY),
        (errno.EIO, None),
        (errno.ENAMETOOLONG, None),
        (errno.EMFILE, None),
    ],
)
@pytest.mark.parametrize("kind", ["system", "safetensors"])
def test_only_a_full_disk_asks_for_space(number: int, advice: str | None, kind: str) -> None:
    """The system's errors, and the same ones in the words of safetensors."""
    said = os.strerror(number)
    error = OSError(number, said) if kind == "system" else SafetensorError(f"I/O error: {said} (os error {number})")
    with pytest.raises(InputError) as caught, writing(Path("place")):
        raise error
    told = str(caught.value)
    assert told.startswith("cannot write place: ")
    assert said in told
    assert told.endswith("choose another place")
    assert [each for each in (SPACE, WRITABLE, AWAY) if each in told] == ([advice] if advice else [])


def test_a_folder_in_the_place_of_a_file_is_told(tmp_path: Path) -> None:
    """And it stays, with nothing beside it."""
    (tmp_path / "head.json").mkdir()
    with pytest.raises(InputError, match="Is a directory; move away what lies there or choose another place"):
        write_bytes_atomically(tmp_path / "head.json", b"x")
    assert [path.name for path in tmp_path.iterdir()] == ["head.json"]
