"""XMP packets in every shape that RDF allows, and packets made to break their reader."""

from __future__ import annotations

import time

import pytest

from registry.metadata.values import LONGEST_VALUE, Problems
from registry.metadata.xmp import XmpContent, read_xmp
from registry.signals import Category, Protocol, Use
from tests.registry.metadata.files import VOCABULARY, packet


def content(text: str | bytes) -> tuple[XmpContent, tuple[str, ...]]:
    problems = Problems()
    return read_xmp(text if isinstance(text, bytes) else text.encode(), problems), problems.lines


@pytest.mark.parametrize(
    "elements",
    [
        "<dc:creator><rdf:Seq><rdf:li>Ada</rdf:li><rdf:li>Ben</rdf:li></rdf:Seq></dc:creator>",
        "<dc:creator><rdf:Bag><rdf:li>Ada</rdf:li><rdf:li> Ben </rdf:li></rdf:Bag></dc:creator>",
        "<dc:creator>Ada; Ben</dc:creator>",
        "<dc:creator><rdf:Seq><rdf:li rdf:parseType='Resource'><rdf:value>Ada</rdf:value></rdf:li>"
        "<rdf:li><rdf:Description rdf:value='Ben'/></rdf:li></rdf:Seq></dc:creator>",
    ],
)
def test_creators_in_every_container(elements: str) -> None:
    """A property is read the same whether it is plain, in a Seq or Bag, or the main value of a
    structure.
    """
    found, problems = content(packet(elements))
    assert [part.strip() for part in found.fields["dc:creator"].split(";")] == ["Ada", "Ben"]
    assert problems == ()


def test_default_language_is_taken() -> None:
    """Of language alternatives the default counts, wherever it stands; without one the first."""
    german, english = "<rdf:li xml:lang='de'>Berg</rdf:li>", "<rdf:li xml:lang='x-default'>Mountain</rdf:li>"
    found, _ = content(packet(f"<dc:title><rdf:Alt>{german}{english}</rdf:Alt></dc:title>"))
    assert found.fields == {"dc:title": "Mountain"}
    found, _ = content(packet(f"<dc:title><rdf:Alt>{german}<rdf:li xml:lang='fr'>Mont</rdf:li></rdf:Alt></dc:title>"))
    assert found.fields == {"dc:title": "Berg"}


def test_attributes_and_elements() -> None:
    """Simple properties may be attributes of the description."""
    attributes = 'photoshop:Credit="Agency" xmpRights:WebStatement="https://a.example/r" plus:DataMining="DMI-ALLOWED"'
    found, _ = content(packet(attributes=attributes))
    assert found.fields == {
        "photoshop:Credit": "Agency",
        "xmpRights:WebStatement": "https://a.example/r",
        "plus:DataMining": "DMI-ALLOWED",
    }
    assert [signal.use for signal in found.signals] == [Use.ALLOWED]


def test_a_part_is_not_the_work() -> None:
    """A title inside a structure belongs to something else; a reservation counts wherever it
    stands.
    """
    nested = (
        "<xmpMM:Ingredients><rdf:Bag><rdf:li rdf:parseType='Resource'><dc:title>of a part</dc:title>"
        "<plus:DataMining>DMI-PROHIBITED</plus:DataMining></rdf:li></rdf:Bag></xmpMM:Ingredients>"
    )
    found, _ = content(packet(nested))
    assert "dc:title" not in found.fields
    assert [signal.use for signal in found.signals] == [Use.PROHIBITED]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-32-be"])
def test_encodings(encoding: str) -> None:
    """A packet is read in each encoding that XMP allows, with or without a byte order mark, and
    padded with NULs.
    """
    text = packet("<dc:title>Bäume 木</dc:title>", 'plus:DataMining="DMI-PROHIBITED"')
    found, problems = content(text.encode(encoding) + b"\0" * 8)
    assert (found.fields.get("dc:title"), problems) == ("Bäume 木", ())


def test_invalid_utf8_is_read_as_windows_and_said() -> None:
    """Bytes that are no UTF-8 cost a character, not the packet."""
    found, problems = content(packet("<dc:title>B?ume</dc:title>").encode().replace(b"B?", b"B\xe4"))
    assert found.fields["dc:title"] == "Bäume"
    assert len(problems) == 1
    assert "utf-8" in problems[0]


def test_unwanted_characters_are_taken_out() -> None:
    """Controls, NULs and direction overrides cannot reach a listing; what XML forbids does not cost
    the packet.
    """
    found, problems = content(packet("<dc:title>a\x00b\x07c&#x202E;d&#x85;e\tf</dc:title>"))
    assert found.fields["dc:title"] == "abcd…e f"
    assert problems == (
        "XMP has 2 characters that XML forbids; they are left out",
        "XMP dc:title has 1 control characters or marks of direction; they are left out",
        "XMP dc:title has control characters 80 to 9F; read as letters of Windows-1252",
    )


def test_long_values_are_cut() -> None:
    """A title of 100 kB is cut, and that is said."""
    found, problems = content(packet(f"<dc:title>{'x' * 100_000}</dc:title>"))
    assert found.fields["dc:title"] == "x" * LONGEST_VALUE
    assert problems == ("XMP dc:title has 100,000 characters; the first 4,096 are kept",)


LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]>' + packet("<dc:title>&l9;</dc:title>"),
    "quadratic blowup": f'<!DOCTYPE x [<!ENTITY a "{"a" * 50_000}">]>'
    + packet(f"<dc:title>{'&a;' * 5_000}</dc:title>"),
    "external entity": '<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>' + packet("<dc:title>&a;</dc:title>"),
    "external DTD": '<!DOCTYPE x SYSTEM "http://198.51.100.1/x.dtd">' + packet("<dc:title>a</dc:title>"),
    "deep nesting": packet("<dc:title>" * 50_000 + "</dc:title>" * 50_000),
    "many elements": packet("<dc:title/>" * 60_000),
    "cut off": packet("<dc:title>a</dc:title>")[:-60],
    "no XML": "hello " * 1_000,
    "nothing": "",
}


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_hostile_packets_are_a_problem(text: str) -> None:
    """A packet made to exhaust its reader is refused quickly, in one line, and nothing of it is
    believed.
    """
    started = time.process_time()
    found, problems = content(text.replace("plus:DataMining", "plus:Other"))
    assert time.process_time() - started < 2
    assert found == XmpContent()
    assert len(problems) == 1
    assert problems[0].startswith("XMP cannot be read: ")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_reservation_survives_a_broken_packet(encoding: str) -> None:
    """Damage lifts no reservation, and gives no permission either."""
    for term, uses in (("DMI-PROHIBITED-AIMLTRAINING", [Use.PROHIBITED]), ("DMI-ALLOWED", [])):
        broken = packet(f"<plus:DataMining>{VOCABULARY}{term}</plus:DataMining>").replace("</rdf:RDF>", "")
        found, problems = content(broken.encode(encoding))
        assert [signal.use for signal in found.signals] == uses
        assert {signal.found_in for signal in found.signals} <= {"xmp (not readable)"}
        assert len(problems) == 1


def test_conflicting_reservations_all_count() -> None:
    """A packet with two values, or a list of them, yields a signal for each."""
    items = "<rdf:li xml:lang='x-default'>DMI-ALLOWED</rdf:li><rdf:li>DMI-PROHIBITED</rdf:li>"
    found, _ = content(packet(f"<plus:DataMining><rdf:Alt>{items}</rdf:Alt></plus:DataMining>"))
    assert [signal.use for signal in found.signals] == [Use.ALLOWED, Use.PROHIBITED]


RSL = 'xmlns:rsl="https://rslstandard.org/rsl"'
_TRAIN = '<rsl:permits type="usage">ai-train</rsl:permits>'
_NO_TRAINING = '<rsl:prohibits type="usage">ai-train</rsl:prohibits>'


def _rsl(inside: str, attributes: str = 'url="https://e.org/1"') -> str:
    return f"<rsl:rsl {RSL}><rsl:content {attributes}><rsl:license>{inside}</rsl:license></rsl:content></rsl:rsl>"


@pytest.mark.parametrize(
    ("elements", "uses"),
    [
        (_rsl(_TRAIN), {Use.ALLOWED}),
        (_rsl(_NO_TRAINING), {Use.PROHIBITED}),
        (_rsl(_TRAIN + '<rsl:payment type="royalty"/>'), {Use.CONSTRAINED}),
        (_rsl(_TRAIN, 'url="/" server="https://e.org/api"'), {Use.CONSTRAINED}),
        (_rsl(_TRAIN) + _rsl(_NO_TRAINING), {Use.ALLOWED, Use.PROHIBITED}),
        (f"<rsl:rsl {RSL}/>", {Use.CONSTRAINED}),
        (f"<rsl:license {RSL}>https://e.org/l.xml</rsl:license>", {Use.CONSTRAINED}),
        (f'<dc:title {RSL} rsl:license="https://e.org/l.xml">Harbour</dc:title>', {Use.CONSTRAINED}),
        ('<x:rsl xmlns:x="http://www.rslstandard.org/rsl/"/>', {Use.CONSTRAINED}),
        (_rsl(_NO_TRAINING) + "<dc:title>", {Use.CONSTRAINED}),
    ],
    ids=["free", "forbidden", "paid", "server", "two", "empty", "loose", "attribute", "other address", "broken XML"],
)
def test_rsl_in_a_file_is_a_signal(elements: str, uses: set[Use]) -> None:
    """Its licences are read as on a site; what is not understood constrains and is told."""
    found, problems = content(packet(elements))
    about_training = [signal for signal in found.signals if signal.category is Category.AI_TRAINING]
    assert {signal.use for signal in about_training} == uses
    assert {signal.protocol for signal in about_training} == {Protocol.RSL}
    if Use.CONSTRAINED in uses and "rsl:content" not in elements:
        assert problems
