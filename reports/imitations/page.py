"""The page of an imitation audit: cards of artists with pictures, then the tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from registry.imitations.facts import Counted, ImitationFacts, Interval, Missing
from registry.imitations.record import KeptImitation
from reports.facts import NotMeasured
from reports.imitations import words
from reports.rendering.pictures import Picture
from reports.rendering.wording import percent

CARDS = 24
"""Artists with pictures; the tables have all."""
SHOWN = 4
"""Works, and images, of a card."""
MOST_ROWS = 200
Shown = Picture | NotMeasured


@dataclass(frozen=True)
class Figure:
    """One number at the head of the page."""

    name: str
    value: str
    note: str


@dataclass(frozen=True)
class Card:
    """One artist."""

    name: str
    said: str
    without: str | None
    works: Sequence[Shown]
    images: Sequence[tuple[Shown, Shown | None]]

    @property
    def made_again(self) -> bool:
        """Whether there are pictures without training on the artist."""
        return any(other is not None for _, other in self.images)


def page_values(
    kept: KeptImitation,
    works: Mapping[int, Sequence[Shown]],
    images: Mapping[int, Sequence[tuple[Shown, Shown | None]]],
) -> Mapping[str, object]:
    """Template values beside the facts."""
    facts = kept.facts
    return {
        "kept": kept,
        "audit": facts,
        "headline": words.headline(facts),
        "sentences": words.sentences(facts),
        "figures": _figures(facts),
        "cards": [
            Card(
                artist.name,
                words.of_artist(facts, place),
                words.without(facts, place),
                works.get(place, ()),
                images.get(place, ()),
            )
            for place, artist in enumerate(facts.artists[:CARDS])
        ],
        "methods": facts.methods,
        "shares": words.share,
        "intervals": words.interval,
        "most_rows": MOST_ROWS,
        "drops": [] if isinstance(facts.ablation, Missing) else facts.ablation.artists,
        "first": words.first_method(facts).name,
        "not_measured_drop": facts.ablation.not_measured if isinstance(facts.ablation, Missing) else None,
        "settings": _settings(facts),
        "attacked": firm_rows(facts),
        "firm": None if isinstance(facts.firmness, Missing) else facts.firmness,
        "not_firm": facts.firmness.not_measured if isinstance(facts.firmness, Missing) else None,
    }


def _figures(facts: ImitationFacts) -> list[Figure]:
    method, drop = words.first_method(facts), words.drop_of(facts)
    found = [
        _figure("Images identified", method.images, "as the artist that they are meant to imitate"),
        Figure("By chance", percent(method.chance), f"one of {method.classes:,} names"),
        _figure("Real works identified", method.works, "held-out works of the artists: the ceiling"),
    ]
    if drop is not None:
        found.append(_figure("Without training on the artist", drop.without_training, "the same seeds"))
    return found


def _figure(name: str, found: Counted | Missing, note: str) -> Figure:
    if isinstance(found, Missing):
        return Figure(name, "not measured", found.not_measured)
    return Figure(name, percent(found.share), f"{note}; {words.between(found)}")


def _settings(facts: ImitationFacts) -> list[tuple[str, object]]:
    return [
        ("images", f"{facts.source}: {facts.named}"),
        ("encoder", f"{facts.encoder.name}: {facts.encoder.description}"),
        ("encoder's weights, SHA-256", facts.encoder.sha256),
        *facts.settings.model_dump().items(),
        ("distractors compared", [each.name for each in facts.distractors]),
        ("versions", facts.versions),
        ("seconds", facts.seconds),
    ]


def artist_rows(facts: ImitationFacts) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """A row per artist, as plain values, and the meaning of each column."""
    legend = {"artist": "", "images": "", "works": "Works compared, of these some held out."}
    for method in facts.methods:
        legend[f"identified {method.name}"] = f"Share of the images: {method.description}."
        if method.name != "relative":  # works have no common look to take out
            legend[f"works {method.name}"] = "The same for held-out works: the ceiling."
    legend |= {
        "nearer": "How often an image, without the common look of all images, is more like a work of the artist than like "
        "one of the others; 0.5: no more.",
        "auc": "How often an image of the artist has a larger 'nearer' than an image of the others.",
        "p": "Rank test: how often images dealt at random do as well.",
        "q": "p, corrected for the number of artists.",
    }
    if not isinstance(facts.ablation, Missing):
        legend["without"] = f"Share identified {words.first_method(facts).name} without training on the artist."
        legend["drop"] = "What training on the artist added."
    rows = [dict(zip(legend, _row(facts, place), strict=True)) for place in range(len(facts.artists))]
    return rows, legend


def _row(facts: ImitationFacts, place: int) -> list[object]:
    artist, matched = facts.artists[place], facts.matching[place]
    row: list[object] = [artist.name, artist.images, len(artist.works) + len(artist.works_held_out)]
    for method in facts.methods:
        row.append(_share(method.artists[place].images))
        if method.name != "relative":
            row.append(_share(method.artists[place].works))
    row += [_value(matched.nearer), _value(matched.auc), _rounded(matched.p_value), _rounded(matched.q_value)]
    if not isinstance(facts.ablation, Missing):
        name = words.first_method(facts).name
        drop = next((each for each in facts.ablation.artists[place].methods if each.method == name), None)
        row += [None, None] if drop is None else [_share(drop.without_training), _value(drop.drop)]
    return row


def image_rows(facts: ImitationFacts) -> list[dict[str, Any]]:
    """A row per image, for the table."""
    return [
        {
            "artist": facts.artists[image.artist].name,
            "image": image.name,
            "sha256": image.sha256,
            **{f"identified {method.name}": image.identified.get(method.name) for method in facts.methods},
            "nearer": _rounded(image.nearer),
            "near_copy_of": image.near_copy_of,
            **{f"without {method.name}": image.identified_without.get(method.name) for method in facts.methods},
        }
        for image in facts.images
    ]


def firm_rows(facts: ImitationFacts) -> list[dict[str, Any]]:
    """A row per attacked identification; empty: none was attacked."""
    if isinstance(facts.firmness, Missing):
        return []
    found = []
    for each in facts.firmness.verdicts:
        image = facts.images[each.image]
        least, shortest = each.smallest_linf, each.smallest_l2
        row: dict[str, Any] = {
            "artist": facts.artists[image.artist].name,
            "image": image.name,
            "sha256": image.sha256,
            "method": each.method,
            "taken_for": each.taken_for,
            "turned_into": None,
            "grey_levels": None,
            "length": None,
            "not_turned": None,
            "benign_changes": each.benign,
            "turned_by_benign": len(each.turned_by),
            "which": "; ".join(each.turned_by),
        }
        if isinstance(least, Missing):
            row["not_turned"] = least.not_measured
        else:
            row |= {"turned_into": least.into, "grey_levels": least.linf}
        if not isinstance(shortest, Missing):
            row["length"] = _rounded(shortest.l2)
        found.append(row)
    return found


def _share(found: Counted | Missing) -> float | None:
    return None if isinstance(found, Missing) else _rounded(found.share)


def _value(found: Interval | Missing) -> float | None:
    return None if isinstance(found, Missing) else _rounded(found.value)


def _rounded(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.3g}")
