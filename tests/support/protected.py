"""A home that can truly not be written: an auditor's copy. Not even root may write it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.running import Outcome

_PROGRAM = """
import json, sys
from pathlib import Path
from tests.support.running import Creditline

creditline = Creditline(Path(sys.argv[1]))
print(json.dumps([vars(creditline(*command)) for command in json.loads(sys.argv[2])]))
"""


def outcomes_in_protected(home: Path, commands: Sequence[Sequence[object]]) -> list[Outcome]:
    """Run commands, in one process, on a home that the process cannot write.

    For root the home is mounted once more, read-only, in the process's own view of the disk; other
    users only lose their rights. Skips the test where root may not mount.
    """
    program = [
        sys.executable,
        "-c",
        _PROGRAM,
        str(home),
        json.dumps([[str(word) for word in each] for each in commands]),
    ]
    if os.getuid():
        for path in (home, *home.rglob("*")):
            path.chmod(path.stat().st_mode & ~0o222)
    else:
        mounting = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
        unshare = shutil.which("unshare")
        if unshare is None or subprocess.run([unshare, "-m", "true"], capture_output=True, check=False).returncode:
            pytest.skip("root cannot mount here, and can write whatever is not mounted read-only")
        program = [unshare, "-m", "sh", "-c", mounting, str(home), *program]
    done = subprocess.run(program, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [Outcome(**each) for each in json.loads(done.stdout.splitlines()[-1])]
