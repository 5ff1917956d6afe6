"""A data set in Croissant 1.1 with the RAI vocabulary: JSON-LD, with the works in a Parquet file.

The JSON-LD never lists works: its record set describes the columns of the Parquet file beside it,
written in batches. The pictures stay where they are; the listing identifies them (SHA-256) and
names their rightsholders. Facts that only people know (the data set's page, date of publication,
citation, people shown) come from :mod:`registry.supplied_facts`. Missing ones are left out, and
named as left out.

Specification: https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html and
  croissant-rai-spec.html.
"""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from registry.errors import NotFoundError
from registry.export.files import write_listing
from registry.storage.database import Registry
from registry.storage.row_hash import RowHash
from registry.works.listings import BLOCK, WorksFilter, works_reader
from reports.content.data_sets import DataSetContent, data_set_named
from reports.content.selection import LicenceCount, RightsholderCount
from reports.content.texts import one_line, plain
from reports.issuing.stamp import PARQUET_KEY, Stamp
from reports.standards.croissant_terms import COLUMNS, CONTEXT

KIND = "Croissant data set"
WORKS = "works"
LISTING = "works-listing"

_KINDS = {"person": "sc:Person", "organisation": "sc:Organization", "organization": "sc:Organization"}
_SUPPLIED = {
    "url": ("url", "the data set's web page"),
    "creator": (
        "creator",
        "the person or organisation that put the data set together; copyrightHolder names the rightsholders of its works",
    ),
    "datePublished": ("published", None),
    "citeAs": ("citation", None),
    "version": ("version", "of the data set; hashes identify its works"),
    "rai:personalSensitiveInformation": ("sensitive-information", None),
    "rai:dataBiases": ("biases", None),
    "rai:dataUseCases": ("use-cases", None),
    "rai:dataSocialImpact": ("social-impact", None),
    "rai:dataReleaseMaintenancePlan": ("maintenance", None),
    "rai:dataAnnotationProtocol": ("annotation", None),
}
"""By field of Croissant: the supplied fact that fills it, and a remark where it is missing."""


@dataclass(frozen=True)
class CroissantFacts:
    """A data set and a hash over every row of its listing."""

    data_set: DataSetContent
    rows: int
    rows_sha256: str


@dataclass(frozen=True)
class Listing:
    """The Parquet file of works that the document refers to."""

    name: str
    sha256: str
    size: int


def subject_of(found: CroissantFacts) -> str:
    """The subject of the export's stamp: the data set's id, and its name for people."""
    return f"{found.data_set.id}: {found.data_set.name}"


def read_facts(connection: duckdb.DuckDBPyConnection, data_set: str, keep: Path | None = None) -> CroissantFacts:
    """The export's facts on the data set of this name; also writes its works to ``keep``, if given.

    Raises:
        NotFoundError: no data set has this name.
    """
    known = data_set_named(connection, data_set)
    reader = _works(connection, data_set)
    rows = RowHash(_hashable(reader.schema))

    def hashed() -> Iterator[pa.RecordBatch]:
        for batch in reader:
            rows.update(_flat(batch))
            yield batch

    if keep is None:
        deque(hashed(), maxlen=0)
    else:
        write_listing(pa.RecordBatchReader.from_batches(reader.schema, hashed()), keep)
    digest = rows.digest()
    return CroissantFacts(known, digest.rows, digest.sha256)


def facts(registry: Registry, subject: str) -> object:
    """The facts of an export for its stamp; ``subject``: from :func:`subject_of`.

    Raises:
        NotFoundError: the data set does not exist.
    """
    number = subject.partition(":")[0]
    with registry.connection() as connection:
        found = connection.execute("SELECT name FROM data_set WHERE id::VARCHAR = ?", [number]).fetchone()
        if found is None:
            raise NotFoundError(f"no data set {one_line(subject)!r}; `creditline data-sets` lists them")
        return plain(read_facts(connection, str(found[0])))


def stamped(kept: Path, stamp: Stamp) -> pa.RecordBatchReader:
    """The works kept by :func:`read_facts`, in batches, with the stamp in the schema's metadata."""
    file = pq.ParquetFile(kept)
    schema = file.schema_arrow.with_metadata({PARQUET_KEY: stamp.to_json().encode()})
    batches = (batch.cast(schema) for batch in file.iter_batches(BLOCK))
    return pa.RecordBatchReader.from_batches(schema, batches)


def _works(connection: duckdb.DuckDBPyConnection, data_set: str) -> pa.RecordBatchReader:
    reader = works_reader(connection, WorksFilter(data_set=data_set))
    schema = pa.schema([reader.schema.field(name) for name in COLUMNS])
    batches = (pa.RecordBatch.from_arrays([batch.column(name) for name in COLUMNS], schema=schema) for batch in reader)
    return pa.RecordBatchReader.from_batches(schema, batches)


def _hashable(schema: pa.Schema) -> pa.Schema:
    place = schema.get_field_index("rightsholders")
    return schema.set(place, pa.field("rightsholders", pa.large_string()))


def _flat(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with its only list as text: hashes are over plain columns."""
    place = batch.schema.get_field_index("rightsholders")
    names = batch.column(place).cast(pa.list_(pa.large_string()))
    joined = pc.binary_join(names, pa.scalar("\x1f", pa.large_string()))
    return batch.set_column(place, pa.field("rightsholders", pa.large_string()), joined)


def document(found: CroissantFacts, listing: Listing, stamp: Stamp) -> dict[str, Any]:
    """The JSON-LD."""
    data = found.data_set
    content: dict[str, Any] = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": ["http://mlcommons.org/croissant/1.1", "http://mlcommons.org/croissant/RAI/1.0"],
        "name": data.name,
        "description": _description(data) + " " + stamp.sentence() + ".",
        "identifier": {
            "@type": "sc:PropertyValue",
            "propertyID": "SHA-256 over the SHA-256 of its works in hexadecimal, sorted, one per line",
            "value": data.works_sha256,
        },
        "sdDatePublished": stamp.made_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "license": [_licence(terms) for terms in data.licences],
        "copyrightHolder": [_holder(owner) for owner in data.owners],
        # The registry knows only when a work was last registered, not when the data set was made.
        "dateModified": data.last_registered,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": LISTING,
                "name": listing.name,
                "description": "One row per work: which it is, whose, and under which terms. The pictures are not included.",
                "contentUrl": listing.name,
                "contentSize": f"{listing.size} B",
                "encodingFormat": "application/x-parquet",
                "sha256": listing.sha256,
            }
        ],
        "recordSet": [_record_set()],
        "rai:dataCollection": _collection(data),
        "rai:dataLimitations": _limitations(data),
    }
    content |= {field: data.supplied.get(fact) for field, (fact, _) in _SUPPLIED.items()}
    if content["creator"]:
        # Readers of Croissant refuse a creator without a type.
        kind = _KINDS.get(data.supplied.get("creator-kind", ""))
        content["creator"] = {"@type": kind, "name": content["creator"]} if kind else None
    if data.missing or data.described_only:
        content["rai:dataCollectionMissingData"] = _missing(data)
    return {name: value for name, value in content.items() if value not in (None, [])}


def left_out(found: CroissantFacts) -> list[str]:
    """Facts that Croissant asks for and the registry does not know."""
    data = found.data_set
    unknown = [
        f"{field} ({remark})" if remark else field
        for field, (fact, remark) in _SUPPLIED.items()
        if fact not in data.supplied
    ]
    if "creator" in data.supplied and "creator-kind" not in data.supplied:
        unknown.append("creator (its kind, person or organisation, is not supplied)")
    if not data.licences:
        unknown.insert(0, "license (no work has one on record)")
    if not data.owners:
        unknown.insert(0, "copyrightHolder (no work has a rightsholder on record)")
    return unknown


def file_stem(data_set: str) -> str:
    """A file name for a data set, valid on any file system."""
    stem = re.sub(r"[^A-Za-z0-9_-]+", "-", data_set)[:60].strip("-")
    return stem or f"data-set-{hashlib.sha256(data_set.encode()).hexdigest()[:12]}"


def _description(data: DataSetContent) -> str:
    return (
        f"{data.works:,} works ({data.bytes:,} bytes) that were registered in a provenance registry for training generative "
        f"image models, from a {data.kind}; the listing says of each which file it is, whose it is and under which licence."
    )


def _licence(terms: LicenceCount) -> str | dict[str, str]:
    if terms.spdx and is_identifier(terms.spdx):
        return f"https://spdx.org/licenses/{terms.spdx}"
    if terms.url and re.fullmatch(r"https?://[\x21-\x7e]{1,2000}", terms.url):
        return terms.url
    return {"@type": "sc:CreativeWork", "name": one_line(terms.spdx or terms.reference)}


def _holder(owner: RightsholderCount) -> dict[str, str]:
    """A rightsholder; the type only if the kind is on record."""
    kind = _KINDS.get(owner.kind or "")
    return {**({"@type": kind} if kind else {}), "name": owner.name}


def is_identifier(spdx: str) -> bool:
    """Whether an SPDX expression is one identifier of SPDX's own list."""
    return re.fullmatch(r"[A-Za-z0-9.-]+", spdx) is not None and not spdx.startswith(("LicenseRef-", "DocumentRef-"))


def _record_set() -> dict[str, Any]:
    fields = []
    for column, (data_type, name, description) in COLUMNS.items():
        each: dict[str, Any] = {
            "@type": "cr:Field",
            "@id": f"{WORKS}/{column}",
            "name": name,
            "description": description,
            "dataType": data_type,
            "source": {"fileObject": {"@id": LISTING}, "extract": {"column": column}},
        }
        if column == "rightsholders":
            each |= {"isArray": True, "arrayShape": "-1"}
        fields.append(each)
    return {
        "@type": "cr:RecordSet",
        "@id": WORKS,
        "name": "works",
        "description": "The works of the data set, by their number in the registry.",
        "key": {"@id": f"{WORKS}/asset_id"},
        "field": fields,
    }


def _collection(data: DataSetContent) -> str | None:
    if not data.works:
        return None
    return (
        f"Works were registered from a {data.kind} between {data.first_registered} and {data.last_registered}; files were "
        "hashed (SHA-256) and their embedded rights metadata read. Rightsholders and licences are as the supplier declared them, "
        "or as verified here; the column basis says which."
    )


def _missing(data: DataSetContent) -> str:
    return (
        f"{data.described_only:,} works are known by their metadata alone; {data.missing:,} were no longer found when the "
        "source was registered again."
    )


def _limitations(data: DataSetContent) -> list[str]:
    counts = ", ".join(f"{count:,} {permission}" for permission, count in data.permissions.items())
    found = [f"Whether the works may be trained on, by the registry: {counts or 'no works'}."]
    if data.without_licence:
        found.append(f"{data.without_licence:,} works have no licence on record.")
    if data.without_owner:
        found.append(f"{data.without_owner:,} works have no rightsholder on record.")
    for what, named, total in (
        ("licences", len(data.licences), data.licences_in_all),
        ("rightsholders", len(data.owners), data.owners_in_all),
    ):
        if named < total:
            found.append(f"Of {total:,} {what} the {named:,} with the most works are named; the listing has all.")
    return found
