"""Pages: self-contained HTML without scripts or requests, escaped by default; an undefined name is
an error.
"""

from __future__ import annotations

import datetime
import re
from collections.abc import Sequence
from functools import cache

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from registry.ids import canonical_json
from reports.facts import NotMeasured
from reports.issuing.stamp import Stamp
from reports.outputs import totals
from reports.outputs.facts import AuditFacts, Gap, Landscape
from reports.rendering import licences, wording
from reports.rendering.limits import LIMITS
from reports.rendering.pictures import EXACT_SIDE, Picture, data_uri, thumbnail
from reports.rendering.plots import certainty_plot, influence_plot, shares_plot, tests_plot

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
)
"""Even if something foreign came through, the browser would neither run it nor fetch anything for
it."""


def report_page(audit: AuditFacts, file: str, stamp: Stamp) -> str:
    """The page of one audit. ``file``: the name of its files without their suffix."""
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            audit=audit,
            file=file,
            now=stamp.made_at,
            headline=wording.headline(audit),
            certainty=wording.certainty(audit),
            noun=wording.unit_noun(audit.ensemble),
            nouns=wording.unit_noun(audit.ensemble, 2),
            tests_plot=_plot(tests_plot(audit.by_evidence)),
            stamp=stamp,
            landscapes=[
                (kind, landscape, _landscape_plot(audit, landscape)) for kind, landscape in audit.landscapes.items()
            ],
            shares=totals.by_rightsholder([audit]),
            limits=LIMITS,
        )
    )


def index_page(
    audits: Sequence[AuditFacts],
    files: Sequence[str],
    gaps: Sequence[Gap],
    unaudited: Sequence[str],
    stamp: Stamp,
) -> str:
    """The page that lists all reports. ``files``: the name of each audit's files without their
    suffix.
    """
    generated = totals.of_outputs(audits)
    return (
        _environment()
        .get_template("index.html.j2")
        .render(
            entries=[(audit, file, wording.brief(audit)) for audit, file in zip(audits, files, strict=True)],
            gaps=gaps,
            unaudited=unaudited,
            now=stamp.made_at,
            stamp=stamp,
            generated=len(generated),
            traced=sum(bool(audit.passing) for audit in generated),
            tables=[
                (kind, shares, _plot(shares_plot(kind.lower(), shares, len(generated))))
                for kind, shares in (
                    ("Rightsholder", totals.by_rightsholder(generated)),
                    ("Licence", totals.by_licence(generated)),
                )
            ],
            certainty_plot=_plot(_certainty(generated)),
        )
    )


def _certainty(generated: Sequence[AuditFacts]) -> str | None:
    tested = [audit for audit in generated if audit.candidates]
    rates = {audit.test.false_discovery_rate for audit in tested}
    # Audits under several rates have no one line to be on one side of.
    return certainty_plot([audit.by_evidence[0].q_value for audit in tested], rates.pop()) if len(rates) == 1 else None


def _plot(svg: str | None) -> Markup | None:
    return None if svg is None else Markup(svg)  # noqa: S704  # drawn here, its texts escaped by the library


def _landscape_plot(audit: AuditFacts, landscape: Landscape | NotMeasured) -> Markup | None:
    if isinstance(landscape, NotMeasured) or isinstance(landscape.influences, NotMeasured):
        return None
    ranks = {candidate.unit_number: candidate.rank for candidate in audit.candidates}
    return _plot(influence_plot(landscape, landscape.influences, ranks))


def rendered(template: str, **values: object) -> str:
    """A page of its own values, see templates/."""
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
        "small": lambda picture: isinstance(picture, Picture) and max(picture.width, picture.height) <= EXACT_SIDE,
    }
    environment.globals |= {
        "policy": CONTENT_SECURITY_POLICY,
        "licence_link": licences.licence_link,
        "licence_name": licences.licence_name,
        "web_address": licences.web_address,
        "named": wording.named,
        "meaning_of_p": wording.meaning_of_p,
        "duties_of": wording.duties,
        "in_words": wording.permission,
        "taken_back": wording.taken_back,
        "not_recorded": totals.NOT_RECORDED,
    }
    return environment


def _moment(moment: datetime.datetime) -> str:
    return f"{moment.astimezone(datetime.UTC):%Y-%m-%d %H:%M} UTC"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds >= 10 else f"{wording.number(seconds, 2)} s"


def _tied(text: str) -> Markup:
    """``text`` with its figures kept on one line with their signs, and what stands between
    backticks set as code.
    """
    # A plain string: of a Markup, the pieces that a substitution puts in would be escaped, too.
    tied = str(escape(text.replace(" = ", "\u00a0=\u00a0").replace(" %", "\u00a0%")))
    return Markup(re.sub(r"`([^`]{1,120})`", r'<code class="mono">\1</code>', tied))  # noqa: S704  # escaped just above


def _setting(value: object) -> str:
    """A setting on one line: text as it is, everything else as JSON."""
    return wording.plain(value if isinstance(value, str) else canonical_json(value), 400)
