"""What an imitation audit says, in sentences: for its page, the command line and statements."""

from __future__ import annotations

from registry.imitations.facts import Counted, Drop, Firm, ImitationFacts, Interval, Matched, Method, Missing
from reports.rendering.wording import count, number, percent, plain

NOT_A_CAUSE = (
    "Likeness says that images resemble works. It does not say that a model was trained on them: a model can come close to a "
    "style by works of others, and by a description."
)
METHODS = {
    "zero-shot": "by texts",
    "relative": "by a linear probe, after the common look of all images is taken out,",
}


def first_method(facts: ImitationFacts) -> Method:
    """The classifier of the headline: zero-shot where it was asked, else the relative probe.

    A generator's own look, such as a blur, would hide differences between artists from the plain
    probe.
    """
    by_name = {method.name: method for method in facts.methods}
    return by_name.get("zero-shot") or by_name.get("relative") or facts.methods[0]


def drop_of(facts: ImitationFacts) -> Drop | None:
    """The drop of the headline's classifier over all artists, if one was measured."""
    if isinstance(facts.ablation, Missing):
        return None
    name = first_method(facts).name
    return next((drop for drop in facts.ablation.methods if drop.method == name), None)


def headline(facts: ImitationFacts) -> str:
    """The answer in one sentence."""
    found = first_method(facts).images
    if isinstance(found, Missing):
        return f"No image was identified: {found.not_measured}."
    said = f"{counted(found)} are identified as the artist that they are meant to imitate"
    drop = drop_of(facts)
    if drop is None or isinstance(drop.without_training, Missing):
        return f"{said}."
    again = drop.without_training
    same = "" if again.total == found.total else f" {again.total:,} of them were made again:"
    return f"{said};{same} without training on that artist, {again.count:,} of {again.total:,}."


def sentences(facts: ImitationFacts) -> list[str]:
    """What supports the headline, and what it does not say."""
    method = first_method(facts)
    how = METHODS.get(method.name, "by works")
    found = [
        f"The images are identified {how} among {count(method.classes, 'name')}, so chance alone gives "
        f"{percent(method.chance)}. {ceiling(method.works)}",
        *left_in(facts),
        f"The images of {sum(each.passes for each in facts.matching):,} of {count(len(facts.artists), 'artist')} are more like "
        f"the artist's works than the other images are, by a rank test (q at most {number(facts.settings.rate, 2)}).",
    ]
    found.append(
        f"Assigned to the artists in another way, the same images fit as well in {percent(facts.assignment.p_value)} of "
        f"{facts.assignment.assignments:,} ways (p {number(facts.assignment.p_value, 2)})."
    )
    if copies := sum(image.near_copy_of is not None for image in facts.images):
        found.append(
            f"{count(copies, 'image is a near duplicate', 'images are near duplicates')} of a compared work: copies, and not "
            "only imitations."
        )
    if not isinstance(facts.firmness, Missing):
        found.append(firmness(facts.firmness))
    return [*found, cause(facts)]


def firmness(firm: Firm) -> str:
    """How small the changes are that turn identifications."""
    changes = [each.smallest_linf for each in firm.verdicts if not isinstance(each.smallest_linf, Missing)]
    invisible = sum(change.linf <= firm.invisible for change in changes)
    tried = count(len({each.image for each in firm.verdicts}), "image")
    said = (
        f"Identifications are easily turned: on {tried}, {len(changes):,} of {count(len(firm.verdicts), 'identification')} "
        "turned into another artist's under attack"
        if changes
        else f"No attack on {tried} turned an identification, which does not show that none can"
    )
    if changes:
        said += f", {invisible:,} by an invisible change of at most {count(firm.invisible, 'grey level')} of 255 in each value"
    benign = sum(bool(each.turned_by) for each in firm.verdicts)
    return f"{said}. Benign changes, such as JPEG or a move by one pixel, turn {benign:,} of them."


def left_in(facts: ImitationFacts) -> list[str]:
    """How many are identified if the common look of all images counts, too."""
    found = next((method.images for method in facts.methods if method.name == "probe"), None)
    if first_method(facts).name != "relative" or not isinstance(found, Counted):
        return []
    return [
        f"With the common look left in, {found.count:,} of {found.total:,} are: the less, the more all images look alike, and "
        "unlike works."
    ]


def cause(facts: ImitationFacts) -> str:
    """The drop, or that nothing is known of a cause."""
    drop = drop_of(facts)
    if isinstance(facts.ablation, Missing):
        return f"{NOT_A_CAUSE} No drop was measured: {facts.ablation.not_measured}."
    if drop is None or isinstance(drop.drop, Missing):
        reasons = sorted({each.not_measured for each in facts.ablation.artists if each.not_measured})
        return f"{NOT_A_CAUSE} No drop was measured: {'; '.join(reasons) or 'no image was made again'}."
    said = (
        "The same seeds were used again, with only the members that saw none of the artist's works. Training on the artist "
        f"added {points(drop.drop)} of the images"
    )
    if isinstance(drop.others_left_out, Counted):
        said += (
            f". As a control, as many members were left out at random: then {drop.others_left_out.count:,} of "
            f"{drop.others_left_out.total:,} are identified"
        )
    return f"{said}. {NOT_A_CAUSE}"


def of_artist(facts: ImitationFacts, place: int) -> str:
    """What was found about one artist."""
    found, matched = first_method(facts).artists[place], facts.matching[place]
    if isinstance(found.images, Missing):
        return "No image was audited."
    said = f"{counted(found.images)} are identified as this artist's ({between(found.images)})."
    if found.taken_for:
        others = ", ".join(f"{plain(each.name, 60)} ({each.images:,})" for each in found.taken_for)
        said += f" The others are taken for {others}."
    return f"{said} {match(matched)}"


def match(matched: Matched) -> str:
    """The rank test of one artist."""
    if matched.q_value is None or isinstance(matched.auc, Missing):
        return "No rank test was possible."
    verdict = (
        "more like the artist's works than the other images are" if matched.passes else "not shown to be more alike"
    )
    return f"By the rank test they are {verdict} (q {number(matched.q_value, 2)})."


def without(facts: ImitationFacts, place: int) -> str | None:
    """What training on one artist added, or why that is unknown; None: images from outside."""
    if isinstance(facts.ablation, Missing):
        return None
    found = facts.ablation.artists[place]
    if found.not_measured is not None:
        return f"What training on the artist added was not measured: {found.not_measured}."
    drop = next((drop for drop in found.methods if drop.method == first_method(facts).name), None)
    if drop is None or isinstance(drop.without_training, Missing) or isinstance(drop.drop, Missing):
        return None
    left = count(found.members_left, "member")
    return (
        f"From the same seeds, the {left} that saw none of the artist's works: {counted(drop.without_training)} are identified. "
        f"Training on the artist added {points(drop.drop)}."
    )


def ceiling(works: Counted | Missing) -> str:
    """How well real works are identified."""
    if isinstance(works, Missing):
        return "No work was held out to compare with."
    return (
        f"Of the artists' own works that were held out, {works.count:,} of {works.total:,} are identified "
        f"({percent(works.share)}, {between(works)})."
    )


def counted(found: Counted) -> str:
    """``71 of 96 images``."""
    return f"{found.count:,} of {count(found.total, 'image')}"


def between(found: Counted) -> str:
    """The interval of a share."""
    return f"95 % interval {percent(found.low)} to {percent(found.high)}"


def share(found: Counted | Missing) -> str:
    """``74 % (64 % to 82 %)``, for a cell."""
    return (
        "not measured"
        if isinstance(found, Missing)
        else f"{percent(found.share)} ({percent(found.low)} to {percent(found.high)})"
    )


def interval(found: Interval | Missing, digits: int = 2) -> str:
    """``0.93 (0.88 to 0.97)``, for a cell."""
    if isinstance(found, Missing):
        return "not measured"
    return f"{number(found.value, digits)} ({number(found.low, digits)} to {number(found.high, digits)})"


def points(found: Interval) -> str:
    """``61 percentage points (95 % interval 50 to 70)``."""
    value, low, high = (number(round(100 * each, 1), 3) for each in (found.value, found.low, found.high))
    return f"{value} percentage points (95 % interval {low} to {high})"
