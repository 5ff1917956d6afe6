"""TDM Reservation Protocol (W3C Community Group final report, 10 May 2024).

``/.well-known/tdmrep.json`` is a list of rules. The first rule with a ``location`` that matches a
path decides, in the file's order: unlike RFC 9309, the report takes "the first in sequence" as the
most specific. ``tdm-reservation`` 1 reserves all mining, so without a licence it is prohibited; a
``tdm-policy`` is the address of a licence on offer, not a licence. 0 does not reserve mining. A
path without a matching rule gets no signal. A rule with another value is not understood: it
constrains mining on its paths, and what the other rules say of them counts as well.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import ClassVar

from registry.errors import InputError
from registry.ids import each_once
from registry.signals import LONGEST_RAW, Category, Protocol, RightsSignal, Use, reservation, short
from registry.site_policies.hosts import domain_of
from registry.site_policies.interface import SitePolicy, check_counts, text_of
from registry.site_policies.paths import PathPatterns, fault_of, normal_path, normal_pattern

_KEYS = ("location", "tdm-reservation", "tdm-policy")


class TdmrepPolicy(SitePolicy):
    """The rules of one ``tdmrep.json``."""

    kind: ClassVar[str] = "tdmrep"

    def __init__(self, data: bytes, *, domain: str, file_name: str) -> None:
        super().__init__(data, domain=domain, file_name=file_name)
        rules: dict[bool, list[tuple[str, RightsSignal]]] = {True: [], False: []}
        for number, entry in enumerate(self._entries(data), start=1):
            try:
                pattern, signal = self._rule(number, entry)
            except _RuleError as error:
                self._problem(f"rule {number}{error}")
                if isinstance(entry, dict) and reservation(entry.get("tdm-reservation")) is Use.ALLOWED:
                    continue
                pattern, signal = "*", self._not_understood(f"rule {number}{error}")
            rules[signal.use is not Use.CONSTRAINED].append((pattern, signal))
        check_counts(file_name, [pattern for each in rules.values() for pattern, _ in each])
        self._rules = [
            (PathPatterns([pattern for pattern, _ in each]), [said for _, said in each]) for each in rules.values()
        ]

    def signals_for(self, paths: Sequence[str]) -> list[tuple[RightsSignal, ...]]:
        found = []
        for path in paths:
            written = normal_path(path or "/")
            places = ((patterns.first(written), signals) for patterns, signals in self._rules)
            found.append(tuple(signals[place] for place, signals in places if place is not None))
        return found

    def _entries(self, data: bytes) -> list[object]:
        try:
            found: object = json.loads(text_of(data, self.file_name), object_pairs_hook=each_once)
        except RecursionError as error:
            raise InputError(f"{self.file_name} is nested too deeply to be a tdmrep.json") from error
        except ValueError as error:
            raise InputError(f"{self.file_name} is not the JSON of a tdmrep.json: {error}") from error
        if isinstance(found, dict) and "location" in found:
            self._problem("one rule outside a list; the report wants a list, it was read as a list of one")
            return [found]
        if not isinstance(found, list):
            raise InputError(f"{self.file_name} holds no list of rules; a tdmrep.json is [{{'location': …}}, …]")
        return found

    def _rule(self, number: int, entry: object) -> tuple[str, RightsSignal]:
        if not isinstance(entry, dict):
            raise _RuleError(" is no object")
        location, stated_use, policy = (entry.get(key) for key in _KEYS)
        if not isinstance(location, str):
            raise _RuleError(" has no location")
        fault = fault_of(location)
        if fault is not None:
            raise _RuleError(f": {fault}")
        use, condition = reservation(stated_use), None
        if use is None:
            said = f"tdm-reservation is {ascii(stated_use)[:40]}, not 0 or 1"
            self._problem(f"rule {number}: {said}")
            use, condition = Use.CONSTRAINED, f"{said}: it is not understood"
        elif use is Use.PROHIBITED and policy is not None:
            condition = self._address(policy)
            if condition is None:
                self._problem(f"rule {number}: tdm-policy is not an address; the reservation stands")
        stated = {"location": location, "tdm-reservation": stated_use}
        raw = json.dumps(stated | ({"tdm-policy": policy} if isinstance(policy, str) else {}))
        return normal_pattern(location), RightsSignal(
            Protocol.TDMREP, Category.ALL, use, condition, short(raw), self.file_name
        )

    def _not_understood(self, fault: str) -> RightsSignal:
        """A rule without a usable place may be a reservation of any work of the site."""
        condition = short(f"{fault}: it is not understood")
        return RightsSignal(Protocol.TDMREP, Category.ALL, Use.CONSTRAINED, condition, short(fault), self.file_name)

    def _address(self, policy: object) -> str | None:
        if not isinstance(policy, str) or len(policy) > LONGEST_RAW or not policy.isprintable() or " " in policy:
            return None
        address = f"https://{self.domain}{policy}" if policy.startswith("/") and policy[1:2] != "/" else policy
        return None if domain_of(address) is None else address


class _RuleError(Exception):
    """Why one rule is left out."""
