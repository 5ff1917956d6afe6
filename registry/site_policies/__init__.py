"""Site policies: a site's statements about the use of its works, from files for its domain.

    policy = read_site_policy(data, kind="robots", domain="example.org", file_name="robots.txt")
    policy.signals_for(["/gallery/1.jpg", "/private/2.jpg?size=large"])

Nothing is fetched: the policy of the day of collection counts, and only the supplier has that one.

What may enter: formats of policies, and the works that they apply to.
"""

from __future__ import annotations

from collections.abc import Sequence

from registry.errors import InputError
from registry.site_policies.hosts import domain_of, normal_host, path_of
from registry.site_policies.interface import SitePolicy, text_of
from registry.site_policies.preferences import HeaderPolicy
from registry.site_policies.records import read_records
from registry.site_policies.robots import TRAINING_AGENTS, RobotsPolicy
from registry.site_policies.rsl import RslPolicy
from registry.site_policies.tdmrep import TdmrepPolicy

KINDS = ("tdmrep", "robots", "aipref", "rsl")

__all__ = [
    "KINDS",
    "TRAINING_AGENTS",
    "SitePolicy",
    "domain_of",
    "path_of",
    "read_site_policy",
]


def read_site_policy(data: bytes, *, kind: str, domain: str, file_name: str, agents: Sequence[str] = ()) -> SitePolicy:
    """Read one file that was supplied for a domain.

    ``agents`` are the crawlers that collected the works; without them, training crawlers and ``*``
    count. An ``aipref`` file is a header's value; with groups it is read as a robots.txt, because
    its preferences hold only where its other rules allow crawling.

    Raises:
        InputError: a file of another kind or too large, or the domain is no host name.
    """
    host = normal_host(domain)
    if host is None:
        raise InputError(f"{domain[:80]!r} is no host name; expected one such as example.org")
    if kind == "tdmrep":
        return TdmrepPolicy(data, domain=host, file_name=file_name)
    if kind == "robots":
        return RobotsPolicy(data, domain=host, file_name=file_name, agents=agents)
    if kind == "rsl":
        return RslPolicy(data, domain=host, file_name=file_name)
    if kind == "aipref":
        if read_records(text_of(data, file_name)).groups:
            return RobotsPolicy(data, domain=host, file_name=file_name, agents=agents)
        return HeaderPolicy(data, domain=host, file_name=file_name)
    raise InputError(f"the kind of policy {kind[:40]!r} is not known; expected one of {', '.join(KINDS)}")
