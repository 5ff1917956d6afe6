"""Embedded metadata of image files, and the rights signals among them.

What may enter: formats of metadata inside image files; nothing that knows a registry.
"""

from registry.metadata.embedded import NOTHING, UNREAD_CREDENTIALS, read_embedded
from registry.metadata.values import ContentCredentials, EmbeddedMetadata

__all__ = ["NOTHING", "UNREAD_CREDENTIALS", "ContentCredentials", "EmbeddedMetadata", "read_embedded"]
