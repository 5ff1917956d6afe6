"""Works inside ZIP and TAR archives, read one by one without writing anything to disk.

    limits     how much an archive may ask for          -> one table of budgets
    gate       which member names are taken             -> a path, a finding, or passed over
    sources    bytes of a file or of what it unpacks to -> bounded, forward only
    tars, zips the two formats                          -> members, or the reason why not
    opening    which kind a file is
    reader     through any archive once
    listing    a ZIP or plain TAR in any order, for several processes

The formats are read here rather than with ``zipfile`` and ``tarfile``, because those load a ZIP's
whole directory, keep every member of a TAR, read extended headers of any size into memory, and
follow the header of a header by recursion: each of them enough for an archive of a few kilobytes to
take down the process that looks at it.
"""

from registry.ingest.archives.limits import Limits
from registry.ingest.archives.listing import (
    IndexedMember,
    TarIndex,
    ZipArchive,
    member_names,
    open_zip,
    read_indexed,
    tar_index,
)
from registry.ingest.archives.opening import ArchiveMember
from registry.ingest.archives.reader import ArchiveReader, first_names, is_archive, read_archive

__all__ = [
    "ArchiveMember",
    "ArchiveReader",
    "IndexedMember",
    "Limits",
    "TarIndex",
    "ZipArchive",
    "first_names",
    "is_archive",
    "member_names",
    "open_zip",
    "read_archive",
    "read_indexed",
    "tar_index",
]
