"""How much an archive may ask for.

The budgets are far above what collections of pictures need (photographs hardly compress at all) and
far below what fills a machine. They are one value, so that a test can show each of them at work on
an archive of a few kilobytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.errors import InputError
from registry.image_files.inspection import LARGEST_FILE


@dataclass(frozen=True)
class Limits:
    """The budgets of one archive."""

    members: int = 20_000_000
    """Members of any kind, also those that are passed over."""
    member_bytes: int = LARGEST_FILE
    """Unpacked size of one member."""
    expansion: int = 200
    """How many bytes may come from one byte of a compressed file or member, beyond the free
    ones."""
    free_bytes: int = 2**30
    """What a whole archive may unpack to however small it is."""
    free_member_bytes: int = 2**26
    """What a ZIP member may unpack to however small it is."""
    header_bytes: int = 2**20
    """One extended header of a TAR member: its long name, its attributes."""
    name_bytes: int = 4096

    def unpacked(self, file_size: int) -> int:
        """What an archive file of this size may unpack to in all."""
        return self.free_bytes + self.expansion * file_size


class DamageError(InputError):
    """The archive cannot be read from here on; what came before is good."""
