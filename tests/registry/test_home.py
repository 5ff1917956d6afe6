"""What is told where the home cannot be written."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
from pathlib import Path

import pytest
from safetensors import SafetensorError

from registry.errors import InputError
from registry.home import lacks_space, scratch_folder, write_bytes_atomically, write_private, writing

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


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), True),
        (OSError(errno.EDQUOT, os.strerror(errno.EDQUOT)), True),
        (OSError(errno.EACCES, os.strerror(errno.EACCES)), False),
        (RuntimeError('IO Error: Could not write file "rows": No space left on device'), True),
        (ValueError("no such field"), False),
    ],
)
def test_a_full_disk_is_told_from_other_errors(error: Exception, full: bool) -> None:
    """By its number, or by DuckDB's words."""
    assert lacks_space(error) is full


def test_a_scratch_folder_is_removed_and_one_that_cannot_be_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the system has no place for temporary files."""
    with scratch_folder(tmp_path / "new", "list-") as folder:
        assert folder.parent == tmp_path / "new"
        (folder / "rows").write_bytes(b"x")
    assert not folder.exists()
    (tmp_path / "taken").write_bytes(b"")
    with pytest.raises(InputError, match="move away what lies there"), scratch_folder(tmp_path / "taken"):
        pass

    def no_place() -> str:
        raise FileNotFoundError(errno.ENOENT, "No usable temporary directory found in ['/tmp']")

    monkeypatch.setattr(tempfile, "gettempdir", no_place)
    with pytest.raises(InputError, match="free some space, or name a folder in TMPDIR"), scratch_folder():
        pass


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_private_file_is_whole_or_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A full disk leaves nothing; later only its owner can read it."""
    real = os.open
    monkeypatch.setattr(
        os, "open", lambda _path, flags, mode: real("/dev/full", flags & ~(os.O_CREAT | os.O_EXCL), mode)
    )
    with pytest.raises(InputError, match="No space left on device; free some space"):
        write_private(tmp_path / "key.pem", b"secret")
    assert list(tmp_path.iterdir()) == []
    monkeypatch.undo()
    write_private(tmp_path / "key.pem", b"secret")
    assert (tmp_path / "key.pem").read_bytes() == b"secret"
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
