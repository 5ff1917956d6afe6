"""The verdict and its limits, for readers without statistics."""

from __future__ import annotations

from collections.abc import Sequence

from registry.encodings.probes import kept_out
from reports.facts import BasePart, OverAllImages
from reports.rendering.wording import count, members_listed, number, other_members, percent
from reports.statements.facts import ModelPart, TestedPart, WorkItem, WorksPart

LIMITS: tuple[tuple[str, str], ...] = (
    (
        "Only what was tested is known.",
        "An image counts here if the models in this registry generated the image and an audit tested it. Images that "
        "were not tested, or not recorded, may have drawn on your works as well.",
    ),
    (
        "Only the works most similar to an image are tested.",
        "Each test has a shortlist. A work that was not on the list was not tested for that image; nothing is known of its "
        "influence there. Similarity makes the list, and similarity is not influence.",
    ),
    (
        "A finding is not certain, and no finding does not rule out influence.",
        "The test of an image limits the expected share of chance findings for that image alone. Among the findings of one "
        "rightsholder over many images, that share can be larger: so the number expected by chance stands beside them. The "
        "test over all images limits the expected share of chance among the rightsholders that it names. Both assume that "
        "the images were not chosen by what their tests found. A work with a small influence can go unnoticed.",
    ),
    (
        "A share is of what separates the members, not of the image’s worth.",
        "It says what part of the differences between the members’ predictions a work explains. The rest is "
        "unattributed: works that were not tested, earlier training, and the randomness of training. A share does not measure "
        "what anyone is owed.",
    ),
    (
        "Others stay unnamed.",
        "This statement is for you. It names neither the works of other rightsholders found in the same images nor "
        "other claimants of your works.",
    ),
    (
        "Only these works.",
        "This statement does not count copies of your works that are registered under another name, or not at all. If "
        "a work of yours is missing here, claim it.",
    ),
    (
        "This is a record, not a legal opinion.",
        "Permissions and licences are shown as they were declared, verified or decided. What follows from an "
        "influence is for people to decide.",
    ),
)
"""(statement, explanation) pairs; part of every statement."""


def limits(bases: Sequence[BasePart]) -> tuple[tuple[str, str], ...]:
    """The limits of a statement; those of base models come first."""
    return (*(("Only the fine-tuning is tested.", f"{base.scope} {base.unknown}") for base in bases), *LIMITS)


def verdict(
    works: WorksPart,
    tested: TestedPart,
    models: Sequence[ModelPart],
    generations: int,
    over_all: Sequence[OverAllImages] = (),
    bases: Sequence[BasePart] = (),
) -> str:
    """The verdict sentence; ``generations``: members of any generation that saw a work.

    The test over all images is told with the count of images: it alone does not depend on their
    number.
    """
    if not works.total:
        return "No work is registered as yours."
    if tested.found:
        found = f"{_found(works, tested)} found in {tested.found:,} of {_images(tested.audited)} tested"
        return f"{found}{_taken_together(over_all)}."
    if over_all:
        verb = "made a difference" if any(each.passes for each in over_all) else "showed no effect"
        images = "one image" if (most := max(each.images for each in over_all)) == 1 else count(most, "image")
        return f"Tested together over {images}, your works {verb}; no single work was found."
    one = works.total == 1
    subject = "Your one registered work was" if one else f"None of your {count(works.total, 'work')} was"
    if not generations and not any(model.reference and model.reference.works for model in models):
        used = "used to train or fine-tune" if bases else "used to train"
        besides = " What base models were trained on stands below." if bases else ""
        return f"{subject} {'not ' if one else ''}{used} any of the models in this registry.{_kept_out(works)}{besides}"
    if not tested.audited:
        return f"No image has been tested yet, so nothing is known about the influence of your {count(works.total, 'work')}."
    if not tested.tested:
        return f"{subject} {'not ' if one else ''}among those tested for any of {_images(tested.audited)}."
    return f"{subject} {'not ' if one else ''}found in any of {_images(tested.audited)} tested."


def _kept_out(works: WorksPart) -> str:
    """The works that no member saw by choice; empty: there are none."""
    if not works.kept_out:
        return ""
    if works.kept_out == works.total:
        subject = "It was" if works.total == 1 else "All of them were"
    else:
        subject = f"{works.kept_out:,} of them {'was' if works.kept_out == 1 else 'were'}"
    return f" {subject} {kept_out(works.kept_out)}: images from outside are compared with such works."


def _taken_together(over_all: Sequence[OverAllImages]) -> str:
    if not over_all:
        return ""
    made = any(each.passes for each in over_all)
    return f"; taken together, your works {'made a difference' if made else 'showed no effect'}"


def _images(amount: int) -> str:
    return f"the {count(amount, 'image')}" if amount > 1 else "the one image"


def _found(works: WorksPart, tested: TestedPart) -> str:
    single, groups = tested.works_found, tested.groups_found
    parts = []
    if single:
        parts.append(f"{single:,} of your {count(works.total, 'work')}")
    if groups:
        parts.append(f"{count(groups, 'group')} of works with yours among them")
    return f"{' and '.join(parts)} {'was' if single + groups == 1 else 'were'}"


def over_all_images(tests: Sequence[OverAllImages]) -> str:
    """The test of the rightsholder's works over all images, in a few sentences for each."""
    return " ".join(_over_all(each, named=len({one.name for one in tests}) > 1) for each in tests)


def over_all_in_short(tests: Sequence[OverAllImages]) -> list[str]:
    """The outcomes of these tests, a sentence each, with no figure that needs statistics."""
    named = len({one.name for one in tests}) > 1
    said = []
    for test in tests:
        works = f"your works recorded as {test.name}" if named else "your works"
        images = count(test.images, "image")
        found = (
            f"{works} made a difference that chance hardly explains"
            if test.passes
            else f"no effect of {works} was found"
        )
        said.append(f"Over {images} together, {found}." if test.images != 1 else f"For one image, {found}.")
    return said


def _over_all(test: OverAllImages, *, named: bool) -> str:
    works = f"Your works recorded as {test.name}" if named else "Your works"
    scope = (
        f"{works} were tested once over {count(test.images, 'image')}, by the first test of each: do the models that saw "
        "them pull these images towards them more strongly than groups of models drawn at random?"
    )
    drawn = f"At most {percent(test.p_value)} of random draws do as well."
    if test.passes:
        outcome = (
            f"An effect was found. {drawn} Repeated with works dealt to the models anew, this test names on average at most "
            f"{percent(test.rate)} of rightsholders by chance, of those that it names; naming nobody counts as 0 %."
        )
    else:
        outcome = f"No effect was found. {drawn} That does not prove that they had none."
        if _least_q(test) > test.rate:
            outcome += " With so few codes to compare with, no single rightsholder could have been found alone."
    left = []
    if test.images_left_out:
        left.append(f"{count(test.images_left_out, 'audited image')} could not be used")
    if test.images_since:
        left.append(
            f"{count(test.images_since, 'image')} audited since {'is' if test.images_since == 1 else 'are'} not in it"
        )
    return f"{scope} {outcome}" + (f" Of this test: {'; '.join(left)}." if left else "")


def _least_q(test: OverAllImages) -> float:
    """The smallest q that one rightsholder could reach if all others were at 1."""
    return test.smallest_p * test.rightsholders * sum(1 / place for place in range(1, test.rightsholders + 1))


NOT_OVER_ALL = (
    "No test of your works over all images together is on record. It needs audits of this version, of works or of "
    "rightsholders: audit the images again."
)


def by_chance(findings: int, expected: float) -> str:
    """How many of some findings chance explains, at most on average."""
    return (
        f"{count(findings, 'finding')}; at most about {number(expected, 2)} would be expected by chance if none of your works "
        "had made a difference"
    )


def explanation(tested: TestedPart) -> str:
    """The scope of the findings image by image, in a few sentences."""
    if not tested.audited:
        return (
            f"The registry records {count(tested.generated, 'generated image')}, and none was tested. The test asks, for "
            "each work, whether the models that saw the work pull an image towards it more than other models do."
        )
    denominator = (
        f"The registry records {count(tested.generated, 'image')} that these models made; {tested.audited:,} "
        f"{'was' if tested.audited == 1 else 'were'} tested. For {tested.tested:,} of them {unit_of_theirs(tested)} was similar "
        "enough to be tested"
    )
    if tested.found:
        return (
            f"{denominator}, and in {tested.found:,} it was found: the models that saw it pull the image towards it, compared "
            "with the models that did not, more strongly than chance usually would. Each image is tested separately, and a work "
            f"can be found by chance: there are {by_chance(tested.findings, tested.findings_by_chance)}."
            + (
                " For the others, your works are similar to the image; no effect was found."
                if tested.tested > tested.found
                else ""
            )
        )
    return (
        f"{denominator}; it was found in none. This does not prove that your works had no effect: an effect can be too small to "
        "notice, or spread over many works."
    )


def unit_of_theirs(tested: TestedPart) -> str:
    """The tested thing: a work, or a group of works as one."""
    if not tested.groups_tested:
        return "a work of yours"
    return "a work of yours, or a group of works with yours among them,"


def together(tested: TestedPart) -> str | None:
    """Findings of the joint tests of all works; None without such a test."""
    if not tested.joint_tested:
        return None
    separately = (
        " Records that were merged since were tested separately: an image counts once, and as a finding if one of the tests "
        "found an effect."
        if tested.joint_tests > tested.joint_tested
        else ""
    )
    return (
        f"A model may learn a little from each of many works. So all works of a rightsholder are also tested together. An "
        f"effect of yours was found in {tested.joint_found:,} of {count(tested.joint_tested, 'image')}; at most about "
        f"{number(tested.joint_by_chance, 2)} would be expected by chance. This separate test says whether your "
        f"works together made a difference, not which of them.{separately}"
    )


def service(works: WorksPart, models: Sequence[ModelPart], bases: Sequence[BasePart]) -> str:
    """The number of members that saw the works, and of these in service; probes; what bases saw."""
    return " ".join((f"{_service(models)}{_kept_out(works)}", *(base.unknown for base in bases)))


def of_unseen(work: WorkItem) -> str:
    """A work that no member saw, in a few words."""
    return f"no member saw it: {kept_out(1)}" if work.probe_of else "no member saw it"


def _service(models: Sequence[ModelPart]) -> str:
    if not models:
        return "No model of this registry was trained on any of these works."
    serving = sum(model.in_service_that_saw for model in models)
    saw = sum(model.members_that_saw for model in models)
    ensembles = count(len(models), "model")
    if not saw:
        return (
            f"{ensembles} {'was' if len(models) == 1 else 'were'} prepared with works of yours; "
            "no current member has seen any."
        )
    state = "all of them are" if serving == saw else "none of them is" if not serving else f"{serving:,} of these are"
    return (
        f"Works of yours were used to train {count(saw, 'member')} of {ensembles}; {state} in service now. Each model is made "
        "of several members, and every work is given to some of them only, so that its influence can be measured and removed."
    )


def leaving(model: ModelPart) -> str:
    """The members that the works can be in, and what a withdrawal of all of them does."""
    n = model.members_in_all
    if model.support is None:
        where = f"Works of yours can be in any of its {count(n, 'member')}."
    elif len(model.support) == n:
        where = (
            f"Works of yours can be in any of its {count(n, 'member')}: some of them were encoded with those of another "
            "rightsholder, or without one."
        )
    else:
        where = (
            f"Works of yours can be in {members_listed(model.support)} only, of {n} in all. "
            f"{other_members(n - len(model.support))} trained on none of them."
        )
    if not model.in_service:
        return f"{where} No member is in service now."
    stay = model.in_service - model.in_service_that_saw
    if not model.in_service_that_saw:
        return f"{where} No member in service saw a work of yours, so a withdrawal takes none out of service."
    last = f"{stay:,} would serve on" if stay else "none would be left until members are trained without your works"
    return (
        f"{where} If all your works were withdrawn now, {model.in_service_that_saw:,} of the "
        f"{count(model.in_service, 'member')} in service would go out of service at once, and {last}."
    )
