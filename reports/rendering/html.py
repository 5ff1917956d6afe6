"""Self-contained HTML pages, no scripts, no requests; values are escaped, undefined names fail."""

from __future__ import annotations

import datetime
import re
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from registry.ids import canonical_json
from reports.facts import NotMeasured
from reports.rendering import licences, wording
from reports.rendering.pictures import Picture, data_uri, thumbnail

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""If foreign markup gets through, the browser neither runs it nor fetches anything for it."""


def rendered(template: str, **values: object) -> str:
    """The page of a template in templates/, with its values; each needs ``stamp``."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("templates", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters |= {
        "plain": wording.plain,
        "number": wording.number,
        "percent": wording.percent,
        "count": wording.count,
        "moment": _moment,
        "duration": _duration,
        "picture": data_uri,
        "thumbnail": thumbnail,
        "setting": _setting,
        "tied": _tied,
    }
    environment.tests |= {
        "not_measured": lambda value: isinstance(value, NotMeasured),
        "coarse": lambda picture: isinstance(picture, Picture) and picture.coarse,
    }
    environment.globals |= {
        "policy": CONTENT_SECURITY_POLICY,
        "licence_link": licences.licence_link,
        "licence_name": licences.licence_name,
        "web_address": licences.web_address,
        "in_words": wording.permission,
        "members_listed": wording.members_listed,
        "synthetic": wording.synthetic,
    }
    return environment


def _moment(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{wording.number(seconds, 2)} s"


def _tied(text: str) -> Markup:
    """``text`` with numbers kept on one line with their signs, and backticks as code."""
    # A plain string: Markup would escape the pieces of a substitution again.
    tied = str(escape(text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")))
    return Markup(re.sub(r"`([^`]{1,120})`", r'<code class="mono">\1</code>', tied))  # noqa: S704  # escaped just above


def _setting(value: object) -> str:
    """A setting on one line: text as it is, everything else as JSON."""
    return wording.plain(value if isinstance(value, str) else canonical_json(value), 400)
