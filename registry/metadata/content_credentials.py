"""C2PA manifests: their signers, and the uses that they reserve.

``c2pa-python`` (extra ``c2pa``) reads and validates, and is asked only about files with a manifest.
Nothing is fetched (remote manifest, revocation list, identity document): a file must not cause a
network connection.

A manifest that does not validate proves nothing about its signer, but a reservation in it is still
a reservation. So its signals are kept, and say where they are from.

Sources: C2PA 1.4, 19.16 (``c2pa.training-mining``); CAWG Training and Data Mining Assertion 1.1.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from registry.metadata.values import LARGEST_REPORT, ContentCredentials, Problems, clean
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use

OFFLINE = {
    "verify": {"remote_manifest_fetch": False, "ocsp_fetch": False},
    "core": {"allowed_network_hosts": []},
}
_PROTOCOLS = {"c2pa.training-mining": Protocol.C2PA, "cawg.training-mining": Protocol.CAWG}
_CATEGORIES = {
    "data_mining": Category.ALL,
    "ai_training": Category.AI_TRAINING,
    "ai_generative_training": Category.GENERATIVE_TRAINING,
    "ai_inference": Category.AI_INFERENCE,
}
_VERSIONS = ("1",)
_ABOUT_TRAINING = re.compile(r"(?:training|data)[-_. ]?(?:and[-_. ])?(?:data[-_. ])?mining", re.IGNORECASE)
_CONSTRAINTS = ("constraint_info", "constraints_info")
_USES = {"allowed": Use.ALLOWED, "notallowed": Use.PROHIBITED, "constrained": Use.CONSTRAINED}


def read_credentials(
    data: bytes, media_type: str, problems: Problems
) -> tuple[ContentCredentials | None, tuple[RightsSignal, ...], tuple[str, ...]]:
    """The manifests in a file, their signals, and the digital source types of their actions.

    An unreadable one is a problem, never an error.
    """
    try:
        import c2pa
    except Exception as error:  # without the extra, or its library does not load on this system
        problems.add_error("it has a C2PA manifest; to read it, install creditline[c2pa]", error)
        return None, (), ()
    try:
        with (
            c2pa.Context.from_dict(OFFLINE) as context,
            c2pa.Reader(media_type, io.BytesIO(data), context=context) as reader,
        ):
            store = json.loads(reader.json())
        return _credentials(store, problems), tuple(_signals(store, problems)), tuple(_source_types(store))
    except Exception as error:
        problems.add_error("the C2PA manifest cannot be read", error)
        return None, (), ()


def _source_types(store: Mapping[str, Any]) -> dict[str, None]:
    """What the actions of all manifests say the file, or a part of it, was made from."""
    found: dict[str, None] = {}
    for manifest in _mapping(store.get("manifests")).values():
        for assertion in _listed(_mapping(manifest).get("assertions")):
            if str(_mapping(assertion).get("label")).startswith("c2pa.actions"):
                for action in _listed(_mapping(_mapping(assertion).get("data")).get("actions")):
                    if source := _text(_mapping(action).get("digitalSourceType")):
                        found[source] = None
    return found


def _credentials(store: Mapping[str, Any], problems: Problems) -> ContentCredentials:
    active = _active(store)
    signature = _mapping(active.get("signature_info"))
    statuses = store.get("validation_status")
    codes = {str(_mapping(status).get("code")) for status in statuses} if isinstance(statuses, list) else set()
    return ContentCredentials(
        issuer=_text(signature.get("issuer")),
        common_name=_text(signature.get("common_name")),
        signed_at=_text(signature.get("time")),
        validation_state=_state(store),
        validation_codes=tuple(sorted(clean(code)[:200] for code in codes))[:64],
        active_manifest=_text(store.get("active_manifest")),
        claim_generator=_claim_generator(active),
        report=_report(store, active, problems),
    )


def _active(store: Mapping[str, Any]) -> Mapping[str, Any]:
    return _mapping(_mapping(store.get("manifests")).get(str(store.get("active_manifest"))))


def _state(store: Mapping[str, Any]) -> str:
    return _text(store.get("validation_state")) or "Invalid"


def _claim_generator(manifest: Mapping[str, Any]) -> str | None:
    generators = manifest.get("claim_generator_info")
    for generator in generators if isinstance(generators, list) else ():
        known = _mapping(generator)
        if known.get("name"):
            return _text(f"{known['name']} {known.get('version') or ''}")
    return _text(manifest.get("claim_generator"))


def _report(store: Mapping[str, Any], active: Mapping[str, Any], problems: Problems) -> str:
    report = json.dumps(store, separators=(",", ":"), sort_keys=True)
    if len(report) <= LARGEST_REPORT:
        return report
    problems.add(f"the C2PA report has {len(report):,} characters; only what it says of signature and state is kept")
    kept = {key: store.get(key) for key in ("active_manifest", "validation_state", "validation_status")}
    kept["signature_info"] = active.get("signature_info")
    report = json.dumps(kept, separators=(",", ":"), sort_keys=True)
    return report if len(report) <= LARGEST_REPORT else "{}"


def _signals(store: Mapping[str, Any], problems: Problems) -> Iterator[RightsSignal]:
    valid = "" if _state(store) in ("Valid", "Trusted") else " (not valid)"
    active = str(store.get("active_manifest"))
    for label, manifest in _mapping(store.get("manifests")).items():
        if label == active:
            yield from _signals_of(_mapping(manifest), f"c2pa manifest{valid}", problems)
        else:
            # A part's reservation binds the whole; a part's permission does not free it.
            for signal in _signals_of(_mapping(manifest), f"c2pa manifest of an ingredient{valid}", problems):
                if signal.use in (Use.PROHIBITED, Use.CONSTRAINED, Use.UNCLEAR):
                    yield signal


def _signals_of(manifest: Mapping[str, Any], found_in: str, problems: Problems) -> Iterator[RightsSignal]:
    for assertion in _listed(manifest.get("assertions")):
        # A label may end in a version (.v2) and in a number where there are several (__1).
        label = str(_mapping(assertion).get("label")).split("__", 1)[0]
        if not _ABOUT_TRAINING.search(label):
            continue
        name, _, version = label.partition(".v")
        protocol = _PROTOCOLS.get(name)
        if protocol is None or (version and version not in _VERSIONS):
            problems.add(
                f"C2PA: the assertion {label[:200]!r} is of no known kind or version; read as one that is known"
            )
        entries = list(_entries(_mapping(assertion).get("data")))
        if not entries:
            problems.add(f"C2PA: the assertion {label[:200]!r} has no entries that are understood")
            yield _signal(protocol or Protocol.C2PA, "", _mapping(assertion).get("data"), found_in, problems)
        for purpose, entry in entries:
            yield _signal(protocol or Protocol.C2PA, purpose, entry, found_in, problems)


def _entries(data: object) -> Iterator[tuple[str, object]]:
    """Each purpose with its statement: under ``entries``, or flat beside it."""
    nested = _mapping(data).get("entries")
    yield from _mapping(nested).items()
    if nested is not None and not isinstance(nested, dict):
        yield "entries", nested
    for name, entry in _mapping(data).items():
        if name.rsplit(".", 1)[-1] in _CATEGORIES or (name != "entries" and "use" in _mapping(entry)):
            yield name, entry


def _signal(protocol: Protocol, name: str, entry: object, found_in: str, problems: Problems) -> RightsSignal:
    category = _CATEGORIES.get(name.rsplit(".", 1)[-1])
    stated = str(_mapping(entry).get("use") or entry).strip()
    raw = clean(json.dumps({name: entry}, ensure_ascii=False, sort_keys=True))[:LONGEST_RAW]
    constraint = next((text for key in _CONSTRAINTS if (text := _text(_mapping(entry).get(key)))), None)
    use = _USES.get(stated.replace(" ", "").replace("_", "").lower())
    if use is None:
        problems.add(f"C2PA: the use in {raw[:200]} is not understood")
        # Of an unknown use only the start is read.
        use = Use.PROHIBITED if stated.lower().startswith("not") else Use.UNCLEAR
    elif use is Use.ALLOWED and constraint:
        problems.add(f"C2PA: {raw[:200]} allows a use and constrains it; it counts as constrained")
        use = Use.CONSTRAINED
    if category is None and name:
        problems.add(f"C2PA: the purpose {name[:200]!r} is not known; it says nothing about training")
        use = Use.UNSPECIFIED
    return RightsSignal(
        protocol=protocol,
        category=category or Category.ALL,
        use=use,
        constraint=constraint,
        raw=raw,
        found_in=found_in,
    )


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str | None:
    return (clean(value[: 2 * LONGEST_RAW])[:LONGEST_RAW] or None) if isinstance(value, str) else None
