"""What a work says about itself: the metadata in its file, and the reservations among them."""

from registry.metadata.embedded import NOTHING, UNREAD_CREDENTIALS, read_embedded
from registry.metadata.values import ContentCredentials, EmbeddedMetadata

__all__ = ["NOTHING", "UNREAD_CREDENTIALS", "ContentCredentials", "EmbeddedMetadata", "read_embedded"]
