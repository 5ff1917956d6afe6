"""From answers about images to the facts of an audit: shares, intervals, tests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Int64

from attribution.imitation.ablation import WithoutArtist
from attribution.imitation.classifiers import DESCRIPTIONS, Answers
from attribution.imitation.intervals import auc_interval, fewer_than_before_p, mean_interval, paired_difference
from attribution.imitation.matching import assignment_test, rank_test
from attribution.metrics.statistics import benjamini_hochberg, share_of
from registry.imitations.facts import (
    Ablation,
    Assignment,
    Confusion,
    Counted,
    Drop,
    DroppedArtist,
    Interval,
    Matched,
    Method,
    MethodName,
    Missing,
    OfArtist,
)

MOST_CONFUSIONS = 3


@dataclass(frozen=True, eq=False)
class Group:
    """Images, or works, of known artists, with the answers about them."""

    artist: Int64[np.ndarray, " image"]
    answers: Answers

    def chosen(self, artist: int) -> Bool[np.ndarray, " image"]:
        """Those of one artist."""
        return np.asarray(self.artist == artist)


def counted(right: Bool[np.ndarray, " image"]) -> Counted | Missing:
    """A share with Wilson's interval, or why there is none."""
    share = share_of(right)
    if not share.total:
        return Missing(not_measured="there is none")
    low, high = share.wilson()
    return Counted(count=share.count, total=share.total, share=share.count / share.total, low=low, high=high)


def method_facts(name: MethodName, images: Group, works: Group, names: Sequence[str], artists: int) -> Method:
    """How often images and held-out works are taken for their artist.

    ``names``: of the artists and then the distractors; ``artists``: how many are audited.
    """
    of_images, of_works = (group.answers.right(name, group.artist) for group in (images, works))
    among = images.answers.among_artists[name] == images.artist
    own = works.artist < artists
    by_artist = []
    for number in range(artists):
        mine = images.chosen(number)
        taken = Counter(images.answers.identified[name][mine & ~of_images].tolist())
        by_artist.append(
            OfArtist(
                images=counted(of_images[mine]),
                works=counted(of_works[works.chosen(number)]),
                among_artists=counted(among[mine]),
                taken_for=[
                    Confusion(name=names[other], images=count)
                    for other, count in sorted(taken.items(), key=lambda item: (-item[1], item[0]))[:MOST_CONFUSIONS]
                ],
            )
        )
    shares = [each.images.share for each in by_artist if isinstance(each.images, Counted)]
    return Method(
        name=name,
        description=DESCRIPTIONS[name],
        classes=len(names),
        chance=1 / len(names),
        images=counted(of_images),
        works=counted(of_works[own]),
        among_artists=counted(among),
        chance_among_artists=1 / artists,
        mean_of_artists=float(np.mean(shares)) if shares else None,
        artists=by_artist,
    )


def matching_facts(images: Group, works: Group, artists: int, rate: float, seed: int) -> list[Matched]:
    """The rank test of each artist, with q over the artists."""
    tests = {}
    for number in range(artists):
        mine = images.chosen(number)
        if mine.any() and not mine.all():
            nearer = images.answers.nearer[:, number]
            tests[number] = rank_test(nearer[mine], nearer[~mine])
    q_values = dict(zip(tests, benjamini_hochberg(np.array([each.p_value for each in tests.values()])), strict=True))
    found = []
    for number in range(artists):
        mine, own = images.chosen(number), works.chosen(number)
        test, q = tests.get(number), q_values.get(number)
        auc: Interval | Missing = Missing(not_measured="there is no image to compare")
        if test is not None:
            low, high = auc_interval(test.auc, int(mine.sum()), int((~mine).sum()))
            auc = Interval(value=test.auc, low=low, high=high)
        found.append(
            Matched(
                nearer=mean_interval(images.answers.nearer[mine, number], seed),
                works_nearer=mean_interval(works.answers.nearer[own, number], seed),
                auc=auc,
                p_value=None if test is None else test.p_value,
                q_value=None if q is None else float(q),
                passes=q is not None and bool(q <= rate),
            )
        )
    return found


def assignment_facts(images: Group, seed: int) -> Assignment:
    """The test of all artists together."""
    p_value, assignments = assignment_test(images.answers.nearer, images.artist, seed)
    return Assignment(p_value=p_value, assignments=assignments)


def ablation_facts(
    images: Group,
    rows: Int64[np.ndarray, " again"],
    without: Answers,
    control_rows: Int64[np.ndarray, " control"],
    control: Answers,
    of_artists: Sequence[WithoutArtist],
    seed: int,
) -> Ablation:
    """What the images lose without training on their artist.

    Args:
        images: all audited images.
        rows: of the images that were made again without their artist.
        without: answers about these, in the same order.
        control_rows: of the images that were made again as a control.
        control: answers about these.
        of_artists: what was done for each artist.
        seed: of the bootstrap.
    """
    artist, control_artist = images.artist[rows], images.artist[control_rows]

    def drops(chosen: Bool[np.ndarray, " again"], of_control: Bool[np.ndarray, " control"]) -> list[Drop]:
        found = []
        for name in images.answers.identified:
            before = images.answers.right(name, images.artist)[rows][chosen]
            after = without.right(name, artist)[chosen]
            found.append(
                Drop(
                    method=name,
                    with_training=counted(before),
                    without_training=counted(after),
                    others_left_out=counted(control.right(name, control_artist)[of_control]),
                    drop=paired_difference(before, after),
                    p_value=fewer_than_before_p(before, after) if len(before) else None,
                )
            )
        return found

    each = []
    for number, done in enumerate(of_artists):
        mine = artist == number
        fall = images.answers.nearer[rows, number][mine] - without.nearer[mine, number]
        each.append(
            DroppedArtist(
                members_left=done.members_left,
                not_measured=done.not_measured,
                methods=drops(mine, control_artist == number) if done.not_measured is None else [],
                nearer=mean_interval(fall, seed)
                if done.not_measured is None
                else Missing(not_measured=done.not_measured),
            )
        )
    everyone = drops(np.ones(len(rows), np.bool_), np.ones(len(control_rows), np.bool_)) if len(rows) else []
    return Ablation(methods=everyone, artists=each)
