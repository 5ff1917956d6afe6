"""One registration of files in progress: inspected files in, batches into the registry out."""

from __future__ import annotations

import time
from array import array
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from registry.captions.beside import is_beside, is_text
from registry.captions.sources import Source
from registry.image_files.inspection import KnownWork, Refusal, Result, Work
from registry.ingest.findings import Finding, FindingLog, Kind
from registry.ingest.owners.declarations import Declaration, NoDeclaration, OwnerSource
from registry.ingest.reading.folder_texts import FolderTexts
from registry.ingest.reading.shard_facts import contradicting_licence, hash_conflict, with_facts
from registry.ingest.store.files import Changes, FileStore, Item, Place
from registry.metadata.embedded import NOTHING
from registry.rightsholders.no_names import names_nobody

BATCH_SECONDS = 10.0
"""After this time a batch is stored even if it is small, so that a killed run loses little."""
BATCH_BYTES = 2**26
"""Approximate bytes of embedded metadata in a batch, after which it is stored."""


class Intake:
    """Takes inspected files, asks the owner source about each, and stores them batch by batch."""

    def __init__(self, store: FileStore, owners: OwnerSource, texts: FolderTexts) -> None:
        self.store = store
        self.owners = owners
        self.texts = texts
        self.known = store.known_hashes()
        """The hash of the work that was last registered from each path."""
        self.findings = FindingLog()
        self._licence: str | None = getattr(owners, "licence", None)
        self._total = Changes()
        self._present = array("q")
        self._known_hashes = frozenset(self.known.values())
        self._unstated: list[tuple[str, str, NoDeclaration]] = []  # files with known bytes, path and hash
        self._kept: set[str] = set()  # paths of known works without an owner now: not missing
        self._batch: list[Item] = []
        self._bytes = 0
        self._stored_at = time.monotonic()

    def take_all(self, results: Iterable[Result], on_progress: Callable[[int], object], batch: int) -> int:
        """Take results one by one, storing at most ``batch`` together; returns their number."""
        done = 0
        for result in results:
            done += 1
            self._take(result)
            full = len(self._batch) >= batch or self._bytes > BATCH_BYTES
            if full or time.monotonic() - self._stored_at > BATCH_SECONDS:
                self._store()
            on_progress(done)
        return done

    def finish(self) -> Changes:
        """Store the rest; then find works that moved within the source, and missing works."""
        self._store()
        candidates: dict[int, list[tuple[str, Declaration]]] = {}
        for path, declaration, place in self._total.elsewhere:
            candidates.setdefault(place.asset_id, []).append((path, declaration))
        present = np.frombuffer(self._present, np.int64) if self._present else np.empty(0, np.int64)
        absent = [place for place in self.store.absent(present) if place.path not in self._kept]
        moved = {place.asset_id: candidates[place.asset_id][0] for place in absent if place.asset_id in candidates}
        moved |= self._renamed({place.asset_id: place for place in absent if place.asset_id not in moved})
        self._count(self.store.move([(asset_id, path, stated) for asset_id, (path, stated) in moved.items()]))
        gone = [place for place in absent if place.asset_id not in moved]
        if gone:
            self.store.mark_missing([place.asset_id for place in gone])
        self.findings.extend(
            Finding(
                place.path,
                Kind.MISSING,
                "registered earlier from this source, but no file with that content was found this time",
            )
            for place in gone
        )
        self._record_duplicates(moved)
        self.findings.extend(self.owners.findings)
        self.findings.extend(self.owners.unused())
        self.findings.extend(self.texts.unread())
        return self._total

    def _take(self, result: Result) -> None:
        if isinstance(result, Refusal):
            self.findings.add(self._finding_of(result))
            return
        declaration = self.owners.declare(result.path, result.sha256)
        if isinstance(declaration, NoDeclaration):
            if isinstance(result, KnownWork) or self.known.get(result.path) == result.sha256:
                self._kept.add(result.path)
            elif result.sha256 in self._known_hashes:
                self._unstated.append((result.path, result.sha256, declaration))  # perhaps a renamed work
                return
            self.findings.add(Finding(result.path, Kind.REFUSED, declaration.reason))
            return
        stated = self._with_text(result.path, declaration)
        facts = self._facts(result.path, result)
        declaration = self._with_facts(result.path, stated, facts, result.sha256)
        signals = contradicting_licence(stated, facts, self._licence)
        self.findings.extend(Finding(result.path, Kind.CONFLICT, f"{each.found_in}: {each.raw}") for each in signals)
        if signals and isinstance(result, Work):
            embedded = result.embedded or NOTHING
            result = replace(result, embedded=replace(embedded, signals=(*embedded.signals, *signals)))
        if isinstance(result, Work) and result.embedded:
            self._bytes += len(result.embedded.xmp or b"") + 2_000
        self._batch.append((result, declaration))

    def _finding_of(self, refusal: Refusal) -> Finding:
        """A refused file as a finding; a text that is no caption is no damaged image."""
        if is_beside(refusal.path) and (reason := self.texts.why_no_caption(refusal.path)):
            return Finding(refusal.path, Kind.CAPTION, reason)
        return Finding(refusal.path, Kind.CAPTION if is_text(refusal.path) else Kind.REFUSED, refusal.reason)

    def _with_text(self, path: str, declaration: Declaration) -> Declaration:
        """The declaration with the caption of a text file beside the file."""
        if (found := self.texts.read(path)) is None:
            return declaration
        text_path, caption = found
        if caption.note:
            self.findings.add(Finding(text_path, Kind.CAPTION, caption.note))
        if caption.text is None:
            return declaration
        return replace(declaration, captions={**declaration.captions, Source.TEXT_FILE: caption.text})

    def _facts(self, path: str, result: Work | KnownWork | None = None) -> Mapping[str, Any]:
        """The facts of the .json of a file, in its shard or archive, or beside it in the folder."""
        if isinstance(result, Work) and result.facts:
            return result.facts
        found = self.texts.facts(path)
        if found is None:
            return {}
        beside, facts = found
        if isinstance(facts, str):
            self.findings.add(Finding(beside, Kind.CAPTION, facts))
            return {}
        return facts

    def _with_facts(
        self, path: str, declaration: Declaration, facts: Mapping[str, Any], sha256: str | None = None
    ) -> Declaration:
        self._note_nobody(path, declaration, facts)
        if note := facts.get("caption_note"):
            self.findings.add(Finding(path, Kind.CAPTION, note))
        if sha256 and (conflict := hash_conflict(facts, sha256)):
            self.findings.add(Finding(path, Kind.CONFLICT, conflict))
        return with_facts(declaration, facts, self._licence)

    def _renamed(self, absent: Mapping[int, Place]) -> dict[int, tuple[str, Declaration]]:
        """Works that lie where the owner source states nothing: their new paths and declarations.

        What is stated for the old path counts, else what is recorded. Every such file is a finding.
        """
        places = self.store.places_of([sha256 for _, sha256, _ in self._unstated]) if self._unstated else {}
        moved: dict[int, tuple[str, Declaration]] = {}
        for path, sha256, unstated in self._unstated:
            place = places.get(sha256)
            if place is None or place.asset_id not in absent or place.asset_id in moved:
                self.findings.add(Finding(path, Kind.REFUSED, unstated.reason))
                continue
            declaration = self.owners.declare(place.path, sha256)
            if isinstance(declaration, Declaration):
                declaration = self._with_facts(path, self._with_text(path, declaration), self._facts(path))
            if isinstance(declaration, NoDeclaration):
                declaration = Declaration("registered before")
                reason = (
                    f"{unstated.reason}; it is the registered work {place.path}, whose record stays, at its new path"
                )
                self.findings.add(Finding(path, Kind.REFUSED, reason))
            else:
                reason = f"the registered work now lies at {path}; correct the path where its owner is stated"
                self.findings.add(Finding(place.path, Kind.ROW, reason))
            moved[place.asset_id] = path, declaration
        return moved

    def _note_nobody(self, path: str, declaration: Declaration, facts: Mapping[str, Any]) -> None:
        said = facts.get("rightsholder")
        if declaration.rightsholder is None and said and names_nobody(said):
            self.findings.add(
                Finding(path, Kind.ROW, f"its .json says {said[:80]!r}, which names nobody: no rightsholder")
            )

    def _record_duplicates(self, moved: dict[int, tuple[str, Declaration]]) -> None:
        elsewhere = [each for each in self._total.elsewhere if not self._is_moved(each, moved)]
        rightsholders = self.store.rightsholders_of([place.asset_id for _, _, place in elsewhere]) if elsewhere else {}
        self._count(self.store.declare_elsewhere(elsewhere))
        for found, declaration, place in elsewhere:
            path, _ = moved.get(place.asset_id, (place.path, None))
            where = path if place.data_set == self.store.data_set.name else f"{path} of the data set {place.data_set!r}"
            reason = f"the same bytes as {where}, which is registered"
            stated, registered = declaration.rightsholder, rightsholders[place.asset_id]
            if stated is not None and stated != registered:
                reason += f" for {registered or 'nobody'}, not for {stated}"
            self.findings.add(Finding(found, Kind.DUPLICATE, reason))

    def _is_moved(self, found: tuple[str, Declaration, Place], moved: dict[int, tuple[str, Declaration]]) -> bool:
        path, _, place = found
        return place.data_set == self.store.data_set.name and moved.get(place.asset_id, (place.path,))[0] == path

    def _store(self) -> None:
        if self._batch:
            changes, present = self.store.add(self._batch)
            self._present.frombytes(present.tobytes())
            self._count(changes)
        self._batch, self._bytes = [], 0
        self._stored_at = time.monotonic()

    def _count(self, changes: Changes) -> None:
        self.findings.extend(changes.findings)
        changes.findings = []
        self._total.add(changes)
