"""The facts of an imitation audit, as the log's event keeps them and documents show them.

Lists about artists are in one order: the audited artists by name. An image names its artist by
place in this list. Shares carry Wilson's interval (Wilson 1927).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

SHA256 = "^[0-9a-f]{64}$"
MethodName = Literal["zero-shot", "prototype", "probe", "relative"]
"""A way to identify the artist of an image."""


class Part(BaseModel):
    """Facts that are immutable and without fields that the format does not name."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Missing(Part):
    """A figure that is not there."""

    not_measured: str = Field(description="Why.")


class Interval(Part):
    """A figure with its 95 % interval."""

    value: float
    low: float
    high: float


class Counted(Part):
    """A count out of a total, with Wilson's 95 % interval of the share."""

    count: int
    total: int
    share: float
    low: float
    high: float


class Encoder(Part):
    """The network that turns images into features."""

    name: str
    description: str
    sha256: str = Field(description="Of its weights.", pattern=SHA256)


class Settings(Part):
    """What was asked for."""

    by: str = Field(description="rightsholder, or the column of the works that names the artist.")
    size: int = Field(description="Pixels a side: images and works are compared at this size.")
    works_each: int = Field(description="Most works of an artist to compare with, drawn at random.")
    held_out: float = Field(description="Share of each artist's works that no classifier learns from.")
    distractors: int = Field(description="Most artists to add whom no image is meant to imitate.")
    text: str = Field(description="Template of the texts of the zero-shot question.")
    rate: float = Field(description="An artist is matched if its q is at or under this.")
    seed: int
    firm: int = Field(default=0, description="Images of each artist whose identifications are attacked; 0: none.")


class ArtistPart(Part):
    """One artist of the audit."""

    name: str
    rightsholders: list[int] = Field(description="Ids of the rightsholders of the works that were compared.")
    images: int = Field(description="Audited images that are meant to imitate the artist.")
    works: list[int] = Field(description="Ids of the works that the classifiers learned from.")
    works_held_out: list[int] = Field(description="Ids of the works that no classifier learned from.")


class Confusion(Part):
    """Another artist that images were taken for."""

    name: str
    images: int


class OfArtist(Part):
    """What one classifier says of one artist's images."""

    images: Counted | Missing
    works: Counted | Missing = Field(description="The same for the artist's own works.")
    among_artists: Counted | Missing = Field(description="The images again, with no distractor to choose.")
    taken_for: list[Confusion] = Field(description="Others that the images were taken for, most first, at most three.")


class Method(Part):
    """One way to identify the artist of an image."""

    name: MethodName
    description: str
    classes: int = Field(description="Names to choose from: the artists, and the distractors.")
    chance: float
    images: Counted | Missing
    works: Counted | Missing = Field(description="The ceiling: real works, identified in the same way.")
    among_artists: Counted | Missing
    chance_among_artists: float
    mean_of_artists: float | None = Field(description="Mean over artists of their images' shares; null: no image.")
    artists: list[OfArtist]


class Matched(Part):
    """How like an artist's works the images are that are meant to imitate the artist."""

    nearer: Interval | Missing = Field(
        description="How often an image is more like a work of the artist than like one of the others, after the common look "
        "of all images was taken out; 0.5: no more."
    )
    works_nearer: Interval | Missing = Field(description="The same for the artist's own works.")
    auc: Interval | Missing = Field(
        description="How often an image of the artist has a larger 'nearer' than an image of the others; Newcombe 2006."
    )
    p_value: float | None = Field(description="One-sided Mann-Whitney; null: no image.")
    q_value: float | None = Field(description="Benjamini and Hochberg over the artists.")
    passes: bool


class Assignment(Part):
    """Whether the images fit their own artists better than the same images, otherwise assigned."""

    p_value: float = Field(description="Share of the assignments of folders to artists that fit as well.")
    assignments: int = Field(description="Assignments that were compared, the real one among them.")


class Drop(Part):
    """One classifier's answers about the same seeds, with and without training on the artists."""

    method: MethodName
    with_training: Counted | Missing
    without_training: Counted | Missing
    others_left_out: Counted | Missing = Field(
        description="The control: as many members left out, drawn at random instead of those that saw the artist."
    )
    drop: Interval | Missing = Field(description="Difference of paired shares; interval by Bonett and Price 2012.")
    p_value: float | None = Field(description="Exact McNemar test, one-sided.")


class DroppedArtist(Part):
    """What leaving out the members that saw an artist's works does to the artist's images."""

    members_left: int = Field(description="Members that saw none of the artist's works; they made the images again.")
    not_measured: str | None = Field(description="Why there is no drop.")
    methods: list[Drop]
    nearer: Interval | Missing = Field(description="How much 'nearer' falls, over images.")


class Ablation(Part):
    """The same seeds, by the members that saw none of the imitated artist's works."""

    methods: list[Drop] = Field(description="Over all artists whose drop was measured.")
    artists: list[DroppedArtist]


class ImagePart(Part):
    """One audited image."""

    artist: int = Field(description="Place in the list of artists, from 0.")
    name: str
    sha256: str = Field(description="Of the file.", pattern=SHA256)
    identified: dict[str, str] = Field(description="By method, the artist or distractor that it was taken for.")
    nearer: float | None
    near_copy_of: int | None = Field(
        description="Id of a compared work whose file it is, or that it is a near duplicate of."
    )
    without: str | None = Field(description="SHA-256 of the picture that came without training on the artist.")
    identified_without: dict[str, str]


class FirmChange(Part):
    """The smallest change of an image that an attack found to turn its identification."""

    into: str = Field(description="The artist or distractor that the changed image is taken for.")
    l2: float = Field(description="Length of the change over all values, in grey levels of 255.")
    linf: int = Field(description="The largest change of a value, in grey levels.")


class FirmVerdict(Part):
    """How firm one classifier's identification of one image is."""

    image: int = Field(description="Place in the list of images, from 0.")
    method: MethodName
    taken_for: str
    smallest_l2: FirmChange | Missing
    smallest_linf: FirmChange | Missing
    benign: int = Field(description="Benign changes that were tried: JPEG, scaling, one pixel, a cut edge.")
    turned_by: list[str] = Field(description="Those that turn the identification.")


class Firm(Part):
    """How firm identifications are, on some images of each artist."""

    images_each: int = Field(description="Images asked for of each artist, drawn at random.")
    most_images: int = Field(description="Images that are attacked, at most.")
    invisible: int = Field(description="A change of at most so many grey levels in each value is called invisible.")
    order_l2: float = Field(
        description="Order of magnitude of the sensitivity theorem for images of this size, in grey levels (L2)."
    )
    source: str = Field(description="Of the theorem.")
    conditions: str = Field(description="Of the theorem.")
    verdicts: list[FirmVerdict]


class Distractor(Part):
    """An artist that no image is meant to imitate."""

    name: str
    works: list[int]


class ImitationFacts(Part):
    """An audit of how well images that were made to imitate artists are told to be theirs."""

    id: str
    source: Literal["folder", "samples"]
    named: str = Field(description="Name of the folder, or id of the ensemble.")
    ensemble: str | None
    encoder: Encoder
    settings: Settings
    artists: list[ArtistPart]
    distractors: list[Distractor]
    methods: list[Method] = Field(min_length=1)
    matching: list[Matched]
    assignment: Assignment
    ablation: Ablation | Missing
    images: list[ImagePart]
    firmness: Firm | Missing = Field(
        default=Missing(
            not_measured="it was not asked for; `creditline imitate --firm 1` attacks an image of each artist"
        ),
        description="How small a change of an image makes a classifier take it for another artist.",
    )
    findings: list[str] = Field(description="What was left out, and why.")
    versions: dict[str, str]
    seconds: float

    @model_validator(mode="after")
    def _about_the_same_artists(self) -> Self:
        """Every list about artists has an entry for each, so that readers need not look."""
        lists: list[Sequence[Part]] = [self.matching, *(method.artists for method in self.methods)]
        if isinstance(self.ablation, Ablation):
            lists.append(self.ablation.artists)
        if any(len(each) != len(self.artists) for each in lists):
            raise ValueError("lists about artists differ in length")
        if any(not 0 <= image.artist < len(self.artists) for image in self.images):
            raise ValueError("an image names an artist that is not in the list")
        attacked = [] if isinstance(self.firmness, Missing) else self.firmness.verdicts
        if any(not 0 <= each.image < len(self.images) for each in attacked):
            raise ValueError("firmness names an image that is not in the list")
        return self
