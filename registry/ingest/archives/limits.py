"""The memory and time that an archive may cost.

The budgets are far above the needs of collections of pictures (photographs hardly compress) and far
below a machine's size. They are one value, so that tests can lower them.
"""

from __future__ import annotations

from dataclasses import dataclass

from registry.errors import InputError
from registry.image_files.inspection import LARGEST_FILE


@dataclass(frozen=True)
class Limits:
    """The budgets of one archive."""

    members: int = 20_000_000
    """Members of any kind, including those that are passed over."""
    member_bytes: int = LARGEST_FILE
    """Unpacked size of one member."""
    expansion: int = 200
    """Unpacked bytes per byte of a compressed file or member, beyond the free ones."""
    free_bytes: int = 2**30
    """Unpacked bytes that even the smallest archive may have."""
    free_member_bytes: int = 2**26
    """Unpacked bytes that even the smallest ZIP member may have."""
    header_bytes: int = 2**20
    """Size of one extended header of a TAR member (long name, attributes)."""
    name_bytes: int = 4096

    def unpacked(self, file_size: int) -> int:
        """Bytes that an archive file of this size may unpack to in all."""
        return self.free_bytes + self.expansion * file_size


class DamageError(InputError):
    """The archive cannot be read from here on; the members before are good."""
