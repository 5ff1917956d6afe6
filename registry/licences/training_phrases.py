"""Sentences for or against training on a work, in several languages.

    "kein ki-training", "l'entrainement d'ia est interdit", "ai学習禁止"    # against training
    "ai training is allowed", "no restrictions on ai training"            # for training

A table gives the words of each language. Three forms of a sentence forbid: *no ... use*,
*use ... forbidden* and *forbidden ... use*. Between the two words, no word may stand that turns the
meaning around ("no restrictions on AI training"). A sentence that only mentions AI ("created with
AI") has none of these forms. The bare words "no AI" forbid, too, if no longer sentence has them.
The words are folded: see :mod:`registry.licences.folding`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from registry.licences.training_languages import ACTS, AI, ENGLISH, GAP, LANGUAGES, MINING, NEVER, Language
from registry.licences.training_other_languages import OTHER_LANGUAGES
from registry.licences.words import FILLING

_WINDOW = 70


_SIGNS = (
    r"(?:\bii?\.? ?|\b)(?:§ ?44b|art(?:icle|\.|ikel)? ?4(?: ?\(3\))?)[^;!?\x1f]{0,60}?(?:reserv|vorbehalt|opt[ "
    r"-]?out|reserve|riserva)\w*",
    r"\w*(?:reserv|vorbehalt|opt[ -]?out|riserva)\w*[^;!?\x1f]{0,60}?(?:§ ?44b|art(?:icle|\.|ikel)? ?4(?: "
    r"?\(3\))?)(?:[^;!?\x1f]{0,40}(?:2019/790|dsm|urhg|directive|richtlinie|cdsm))?",
    r"\bno(?:image|gen)?ai\b",
    r"\bno[ -]?(?:gen(?:erative)?[ -]?)?ai(?: (?:please|allowed|permitted|thanks|thank you|ever|at all)\b|(?=[ "
    r"/,]+(?:no|or|and|&)\b))",
    r"\btdm[ -]?reservation ?[:=]? ?1\b|\btdm[ -]?(?:opt[ -]?out|reserved)\b|\bnutzungsvorbehalt\b",
    rf"{AI}(?: {ACTS})?[ -]*opt(?:ed)?[ -]?out|\bopt(?:ed|s)?[ -]?out (?:of|from) {AI}(?: {ACTS}\b)?",
    r"\bnot (?:an? )?(?:ai|genai) train(?:ing|able)\b",
    rf"{AI}(?: training| use| learning)? ?[:=] ?(?:no|not allowed|prohibited|forbidden|disallowed|notallowed|"
    rf"false|n)\b",
)
"""Signs against training that are no sentence."""
_NO = "keine|kein|geen|ingen|inga|pas d'|sans|sin|senza|sem|bez|no alla|no a la"
_BARE = (
    r"\bno[ -]?(?:gen(?:erative)?[ -]?)?(?:image[ -]?)?(?:ai\b|a\.i\b\.?)",
    rf"\b(?:(?:{_NO}) (?:ki|ia|ai)|no (?:ia|ai))\b",
    # These are also words of other languages: "noia", "Sakura no ki".
    rf"\b(?:{_NO}|no) ?(?:ki|ia|ai)\b(?![ -][a-z])",
)
"""The bare words "no AI". Whatever follows them may narrow them or belong to another sentence."""


_SURELY = (
    "explicitly|expressly|specifically|fully|freely|hereby|completely|entirely|clearly|gladly|absolutely|officially"
)
"""Adverbs that take nothing back, unlike "hardly" or "formerly"."""
_VERB = (
    r"(?: (?:is|are|ist|sind|est|sont|esta|e|jest|ar|is|also|and|ausdrucklich|always|"
    rf"{_SURELY}))*:?"
)
_ARTICLE = r"(?:(?:any|such|further|kinds? of|forms? of|de|do|di) |d')?"


def _between(without: str, longest: int = _WINDOW) -> str:
    return rf"(?:(?!{without}){GAP}){{0,{longest}}}?" if without else rf"{GAP}{{0,{longest}}}?"


def _prohibitions(language: Language) -> Iterator[str]:
    negated = rf"(?:{language.no}(?: \w+){{0,2}} )" if language.spaced else NEVER
    granted = (
        rf"(?!{GAP}{{0,12}}?(?<!not ){language.allowed})"
        if language.spaced
        else rf"(?!{GAP}{{0,3}}?{language.allowed})"
    )
    yield rf"{language.no}{_between(language.turning)}{language.use}{granted}"
    if language.spaced:  # "no AI training allowed" grants nothing
        yield rf"{language.no} {_ARTICLE}{language.use}(?:{_VERB} {language.allowed})?"
    yield rf"{language.use}(?:(?!{language.no}){GAP}){{0,{_WINDOW}}}?{language.forbidden}"
    if language.spaced:
        yield rf"(?P<undone>{negated})?{language.forbidden}{_between(language.no)}{language.use}{granted}"


def _permissions(language: Language) -> Iterator[str]:
    if not language.spaced:
        yield rf"{language.use}(?:への|での|の|을|를|에|用途)?(?:利用|使用)?(?:を|は|이|가)? ?{language.allowed}"
        if language is LANGUAGES["zh"]:
            yield rf"{language.allowed}(?:用于|用於)?{language.use}"
        return
    yield rf"{language.use}{_VERB} {language.allowed}"
    yield (
        rf"(?P<undone>{language.no}(?: \w+){{0,2}} "
        rf")?{language.allowed}(?P<gap>{_between(language.no, 30)}){language.use}"
    )


_MORE_PERMISSIONS = (
    rf"\b(?:no|without(?: any)?) (?:restrictions?|limitations?|limits?|objections?|problems?)(?: \w+)? (?:on|to|"
    rf"for|with|against|regarding|in){GAP}{{0,20}}?{ENGLISH}",
    rf"{ENGLISH} (?:is|are)(?: (?:{_SURELY}))? not (?:prohibited|forbidden|restricted|excluded|banned|"
    rf"disallowed)",
    rf"\b(?:may|can|free to|feel free to|permission to)(?: (?:be|also|you|freely|use|used|this|it|for|work|"
    rf"image|the))* {ENGLISH}",
    rf"\bkeine einschrankung(?:en)? (?:fur|bei|von) {LANGUAGES['de'].use}|{LANGUAGES['de'].use} ist nicht "
    rf"(?:verboten|untersagt)",
)


@dataclass(frozen=True)
class Said:
    """A sentence about training in a folded text."""

    start: int
    end: int
    forbids: bool
    bare_end: int | None = None
    """The end of the bare words "no AI", without a use and without a verb; None for a sentence."""
    is_narrowed: bool = False
    """A sentence that allows has words that may narrow it, so it was not understood."""


def _every_language() -> Iterator[Language]:
    yield from LANGUAGES.values()
    yield from OTHER_LANGUAGES.values()


@lru_cache(maxsize=2)
def _patterns(*, forbidding: bool) -> tuple[re.Pattern[str], ...]:
    """Compiled at first use: there are many, and most commands read no words about rights."""
    fixed, forms = (_SIGNS, _prohibitions) if forbidding else (_MORE_PERMISSIONS, _permissions)
    return tuple(map(re.compile, (*fixed, *(each for language in _every_language() for each in forms(language)))))


@lru_cache(maxsize=1)
def _bare() -> re.Pattern[str]:
    return re.compile("|".join(_BARE))


@lru_cache(maxsize=1)
def _words() -> re.Pattern[str]:
    """A cheap look first: every sentence about training has a sign, or the words of a use."""
    return re.compile("|".join((*_SIGNS, *_BARE, *(language.use for language in _every_language()))))


_CONTINUED = re.compile(
    rf"(?:(?:[ ,/&]|\b(?:or|and|any|und|oder|et|ou|y|o|e|en|of)\b)+(?:{ENGLISH}|{MINING}|{AI}|maschinelles "
    rf"lernen|mineria de datos|fouille de "
    r"donnees))+\b(?! (?:is|are)? ?(?:allowed|permitted|ok|fine|welcome))"
)
"""Further kinds of training after a sentence: "no AI training or machine learning"."""


_LIMITS = re.compile(
    r"\bnon|\b(?:only|solely|but|except|unless|until|till|after|before|once|when|while|if|where|provided|subject|"
    r"fee|fees|paid|pay\w*|charge|royalt\w*|commerci\w*|research\w*|academi\w*|scien\w*|educat\w*|school\w*|"
    r"personal|private|internal|licen[sc]\w*|contract\w*|agreement\w*|consent\w*|permission\w*|approv\w*|"
    r"request\w*|member\w*|partner\w*|certain|some|few|select\w*|(?<!not )(?:limited|restricted)|partial\w*|condition\w*|"
    r"hardly|rarely|barely|scarcely|seldom|former\w*|nobody|nur|kommerzi\w*|forschung\w*|privat\w*|gegen|entgelt\w*|"
    r"vertrag\w*|zustimmung|wenn|bis|uniquement|seulement|recherche|payant\w*|accord|si|solo|solamente|investigacion|"
    r"ricerca|pesquisa|alleen|onderzoek|tylko|endast|bara|только|лише)\b"
)
"""Words that narrow a permission, in the languages in which it has room for them."""


_ENGLISH_WORDS = frozenset(
    {
        *("ai", "a.i", "artificial", "intelligence", "machine", "learning", "ml", "llm", "llms", "language", "model"),
        *("models", "neural", "net", "nets", "network", "networks", "deep", "foundation", "diffusion", "generative"),
        *("gen", "genai", "midjourney", "stable", "train", "training", "trained", "fine", "tune", "tuning", "finetune"),
        *("finetuning", "teach", "teaching", "develop", "developing", "development", "feed", "feeding", "scrape"),
        *("scraping", "scraped", "text", "data", "mining", "mined", "tdm", "web", "set", "sets", "dataset", "datasets"),
        *("ingestion", "purpose", "purposes", "system", "systems", "crawl", "crawlers", "crawling", "bot", "bots"),
        *("tool", "tools", "software", "using", "allow", "allows", "allowed", "permit", "permits", "permitted"),
        *("welcome", "welcomes", "welcomed", "authorise", "authorises", "authorised", "authorize", "authorizes"),
        *("authorized", "encourage", "encouraged", "ok", "okay", "no", "not", "without", "any", "restriction"),
        *("restrictions", "limitation", "limitations", "limit", "limits", "objection", "objections", "problem"),
        *("problems", "against", "regarding", "prohibited", "forbidden", "restricted", "excluded", "banned"),
        *("disallowed", "free", "feel", "permission", "be", "also", "freely", "always", "and", "or", "anyone"),
        *("everyone", "everybody", "all", "every", *_SURELY.split("|")),
    }
)
"""Beside filling words, the words of an English permission of which each is understood."""
_WORD = re.compile(r"[^\W_]+(?:\.[^\W_]+)*")


def _is_narrowed(found: re.Match[str]) -> bool:
    """Whether a sentence that allows training may hold for some of it: "permits paid training"."""
    if _LIMITS.search(found[0]):
        return True
    said = found[0] if ENGLISH in found.re.pattern else found.groupdict().get("gap") or ""
    return any(word not in FILLING and word not in _ENGLISH_WORDS for word in _WORD.findall(said))


def about_training(key: str) -> Iterator[Said]:
    """The sentences of a folded text that forbid training, then those that allow it.

    They may overlap; one that forbids comes first. The bare words "no AI" come behind all others
    that forbid, so that a longer sentence has them: "no AI training".
    """
    if not _words().search(key):
        return
    for pattern in _patterns(forbidding=True):
        for found in pattern.finditer(key):
            if not found.groupdict().get("undone"):
                yield Said(found.start(), _continued(key, found.end()), forbids=True)
    for found in _bare().finditer(key):
        yield Said(found.start(), _continued(key, found.end()), forbids=True, bare_end=found.end())
    for pattern in _patterns(forbidding=False):
        for found in pattern.finditer(key):
            if not found.groupdict().get("undone"):
                yield Said(found.start(), found.end(), forbids=False, is_narrowed=_is_narrowed(found))


def _continued(key: str, end: int) -> int:
    more = _CONTINUED.match(key, end)
    return more.end() if more else end
