"""The vocabulary of Croissant documents: the columns of the listing of works, and the context that
readers look for.
"""

from __future__ import annotations

from typing import Any

COLUMNS: dict[str, tuple[str, str, str]] = {
    "asset_id": ("sc:Integer", "work", "Number of the work in the registry."),
    "sha256": (
        "sc:Text",
        "sha256",
        "SHA-256 of the work's bytes; of a work known by its metadata alone, as its source states it.",
    ),
    "path": ("sc:Text", "path", "Path below the data set's folder or archive."),
    "url": ("sc:URL", "address", "Where the work itself is on the web, as its source says."),
    "byte_size": ("sc:Integer", "bytes", "Size of the file; none for a work known by its metadata alone."),
    "media_type": ("sc:Text", "media type", "As read from the file's content."),
    "width": ("sc:Integer", "width", "In pixels."),
    "height": ("sc:Integer", "height", "In pixels."),
    "title": ("sc:Text", "title", "As its source states it."),
    "creator": ("sc:Text", "creator", "Who made it, where that is not the rightsholder."),
    "rightsholders": ("sc:Text", "rightsholders", "Names of all who own it."),
    "licence": ("sc:Text", "licence", "As declared or verified, verbatim."),
    "licence_spdx": ("sc:Text", "licence in SPDX", "The same as an SPDX expression, where it was understood."),
    "licence_url": ("sc:URL", "address of the licence", "As it was given."),
    "basis": ("sc:Text", "basis", "declared: as the supplier says; verified: as checked at the registry."),
    "permission": (
        "sc:Text",
        "permission",
        "Whether it may be trained on: permitted, unclear, constrained, prohibited or withdrawn.",
    ),
    "source_url": ("sc:URL", "source", "Page or place it came from, as its source states it."),
}
"""By column of the listing: type, name and description."""

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
}
"""The context that the specification recommends; its terms are what readers of Croissant look
for."""
