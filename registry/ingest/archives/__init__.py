"""Works inside ZIP and TAR archives, read one by one, without writing anything to disk.

    limits         the memory and time that an archive may cost
    sources        the bytes of a file, unpacked if compressed: bounded, forward only
    tars, zips     the two formats: members, or the reason why one is refused
    member_names   names, from bytes in whatever encoding to text
    member_filter  the member names that are taken
    reader         recognising an archive, and its members in order

The formats are parsed here because ``zipfile`` and ``tarfile`` trust an archive more than a
registry may. ``zipfile`` loads the whole directory, and does not compare it with each member's
header. ``tarfile`` reads extended headers of any size, follows a header's header by recursion,
takes a damaged header for the end, ignores bytes after the end, and reads access times in GNU's
headers as part of the name. A bounded subclass was tried: it needs a dozen private names, saves
eighteen lines, reads 20,000 small members three to four times slower, and reads some damaged
headers otherwise than GNU tar.

What may enter: the formats of archives and their checks; nothing that knows a registry or an owner.
"""

from registry.ingest.archives.limits import Limits
from registry.ingest.archives.reader import ArchiveMember, ArchiveReader, first_names, is_archive, read_archive

__all__ = ["ArchiveMember", "ArchiveReader", "Limits", "first_names", "is_archive", "read_archive"]
