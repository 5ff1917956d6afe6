"""Words without a meaning of their own in a sentence about rights, and words that have one.

A part of a text is understood if it consists of filling words, or names somebody. It names nobody
if it has a word about rights: such a part was not understood.
"""

from __future__ import annotations

import re
import unicodedata

from registry.licences.parts import (
    ENDING_SIGNS,
    JOINING,
    JOINING_SIGNS,
    PARTING_SIGNS,
    PLAIN_JOINING_SIGNS,
    any_word,
)


def _listed(words: str) -> frozenset[str]:
    return frozenset(words.split())


FILLING = _listed(
    """
    a an the this these that is are be been was has under of in for at by on to with from via see and it
    its as you your
    license licence licenses licences licensed licenced licensing lic terms term conditions condition
    legal deed
    work works image images photo photos photograph photographs picture pictures file files artwork
    content material media item
    available released published distributed provided made granted offered shared used according subject
    pursuant per unless otherwise noted
    details more information info please full copy view visit here link url web statement rights usage
    use
    copyright copr © ℗ ® tm c version v international unported generic
    uploaded source credit author creator photographer photo: attribution
    choice option either both multi dual l d do may can please we our my i they
    so me us
    lizenz lizenziert unter der die das dem den dieses werk bild foto fotos ist steht lizenzbedingungen
    siehe freigegeben veroffentlicht von gemass
    einer eine nach urheber quelle
    licence sous la le les l' cette oeuvre ce cet est image publie publiee mise disposition selon termes
    conditions droits auteur par de du des d' voir
    licencia bajo una esta este obra el los se encuentra publicado publicada derechos autor por
    licenza sotto con questa questo opera e distribuita distribuito rilasciato rilasciata secondo
    termini della del il diritti autore
    licenca sob esta obra o os disponibilizada licenciado licenciada direitos
    licentie onder een dit werk valt het gelicenseerd beschikbaar zie
    licencja licencji na pod tym to utwor jest dostepny dostepna udostepniony zdjecie
    licens licensen detta verk ar licensierad enligt bild foto
    ライセンス の で に は が を もと 下 この 作品 画像 提供 ライセンスの下で提供されています のもとで により 条件
    本 作品 采用 許可 许可 协议 许可协议 授权 進行 进行 以 根据 此
    라이선스 이 저작물은 에 따라 이용할 수 있습니다 라이선스에 하에
    """
)
"""Words that say nothing where everything else is understood."""

_NEVER_FILLING = frozenset({"no", "not", "only", "all", "unless", "otherwise", "they", "so", "and", "or", "with"})
"""Words that a negation or a scope may hang on."""
FILLING -= _NEVER_FILLING

_PARTING = re.compile(f"[{ENDING_SIGNS}{re.escape(PARTING_SIGNS)}{PLAIN_JOINING_SIGNS}]+")
_JOINT = re.compile(f"[{JOINING_SIGNS}]+|{any_word(JOINING - FILLING)}")
_ANY_JOINT = re.compile(f"[{JOINING_SIGNS}]+|{any_word(JOINING)}")

_BEFORE_A_NAME = re.compile(
    r"(?:©|℗|copyright|copr|credit|credits|author|creator|photographer|artist|owner|rightsholder|foto|photo|"
    r"photograph|image|picture|illustration|"
    r"bild|uploaded|taken|created|made|rights held|some rights reserved|licensed|source|courtesy|auteur|autor|"
    r"autore|urheber|fotograf)\b[:. ]*"
    r"(?:(?:by|of|von|par|por|di|door|av|przez)\b ?)?|(?:by|von|par|por|di|door|av) "
)
_SIGN = re.compile(r"[©℗®]|\bcopyright\b|\bcopr\b\.?")
_YEARS = re.compile(r"\b[12][0-9]{3}(?: ?[-/] ?(?:[12][0-9]{3}|[0-9]{2}|present|heute))?\b")
_NO_NAME = re.compile(
    r"\brights?\b|\bres\b|\bstatus\b|un(?:determined|known|clear|certain|resolved|decided|verified)|disput|pending|expire|"
    r"\bvarie[sd]|applies|protect|claim|ask\b|contact|inquir|enquir|restrict|limited to|\buntil\b|\bsee\b|unbekannt|"
    r"ungeklart|abgelaufen|geschutzt|inconnu|protege|desconocid|protegid|sconosciut|protett|onbekend|beschermd|nieznan"
)
"""Words behind © or "copyright" that say something about the rights and name nobody."""
_NAME = re.compile(r"(?:[^\W\d_][^\W\d_'.&@-]*[.'&@-]*(?:[^\W\d_]|[.'&@-])*[0-9]{0,4} ?){1,7}")

ABOUT_RIGHTS = re.compile(
    r"licen[sczc]|lizenz|lisens|ライセンス|라이선스|许可|許可|授权|授權|permi(?:ssion|t|s|tt)|erlaub|genehmig|"
    r"gestatt|autori[sz]|authori[sz]|toestemming|"
    r"zgod[ay]|tillstand|\bus(?:e|es|age|o|ar|are|able)\b|nutz|verwend|utili[sz]|gebruik|uzyc|uzyw|"
    r"wykorzyst|anvand|使用|利用|転載|转载|사용|이용|"
    r"prohib|proib|forbid|forbud|forbju|verbot|verbie|untersag|interdi|vietat|verboden|zabron|zakaz|禁|不可|"
    r"不得|금지|불가|запре|разреш|kiellet|kielt|sallit|"
    r"forbudt|zakazan|tilos|yasak|απαγορ|reserv|vorbehalt|riserv|voorbeh|zastrz|forbehall|forbehold|保留|所有|"
    r"보유|защищ|"
    r"\btrain|entrain|entren|addestr|trein|trening|trenow|traning|koulut|обуч|学習|学习|訓練|训练|학습|훈련|"
    r"min(?:ing|eria|eracao)\b|tdm|scrap|noai|no[ -]ai|"
    r"learning|generativ|artifici|intelligen|kunstlich|\b(?:not|no|none|never|non|nicht|kein\w*|nur|only|ohne|"
    r"without|sans|pas|solo|senza|nao|sem|niet|geen|"
    r"alleen|zonder|nie|bez|tylko|inte|ej|endast|utan|sin|ei|vain|не|нет|без|только)\b|comm?erc|kommerz|komerc|"
    r"商用|商业|상업|非営利|"
    r"educational|editorial|research|personal|private|except|excluding|unless|\bmust\b|\bmay\b|\bshall\b|"
    r"\bcannot\b|can't|don't|do not|\bterms\b|condition|"
    r"reproduc|reproduk|redistribut|copying|copied|\bkopier|kopiow|derivative|modif|\bopt\b|opt-|royalty|\bcc\b|"
    r"commons|public domain|creative|attribution|"
    r"fair use|\bagreement|contract|vertrag|contrat|"
    r"حقوق|محفوظ|ترخيص|رخصة|استخدام|منع|محظور|يجوز|يسمح|تدريب|ذكاء|حق نشر|\bhaklar\w*|\bhakki\b|\bizin|kullan|"
    r"yapay|egitim|\bprav[ao]\b|vyhraz|vyhrad|zakaz|souhlas|suhlas|povol|trenov|inteligen|прав[ао]|захищ|заборон|"
    r"дозвіл|дозвол|використ|навч|штучн|δικαιωμα|αδεια|χρηση|επιτρεπ|εκπαιδευσ|νοημοσυν|זכויות|אסור|מותר|שימוש|"
    r"מלאכותית|tilalm|engedely|felhasznal|mesterseges|drept(?:uri|urile)|interzis|permis|antrena|"
    r"dilarang|hak cipta|izinkan|kecerdasan|pelatihan|ban quyen|\bquyen\b|su dung|huan luyen|tri tue|"
    r"rettighe|tillad|kunstig|oikeude|tekoaly|koneopp|ません|しない|않|없습|अधिकार|अनुमति|प्रशिक्षण|ลิขสิทธิ์|สงวน|ห้าม|"
    r"tiesib|teises|oigused|pravice|eskubide|rettindi"
)
"""Words about rights, in the languages of this room and some more."""


def is_filling(part: str) -> bool:
    """Whether a folded part has no word with a meaning of its own.

    Signs that part or join it may stand beside a word or apart from it: "is{the" is read as "is {
    the". Words that join do so between two others.
    """
    return all(map(_says_nothing, _PARTING.split(part)))


def _says_nothing(piece: str) -> bool:
    joined = _JOINT.split(piece)
    if len(joined) > 1 and not all(map(str.strip, joined)):
        return False  # it joins nothing
    return all(word in FILLING or not any(map(_means_something, word)) for each in joined for word in _bare(each))


def _means_something(character: str) -> bool:
    """Letters, digits, pictures such as emoji, and lost characters; not punctuation."""
    return character.isalnum() or (unicodedata.category(character)[0] in "SMC" and character not in "+=<>|~^`©®")


def is_a_joint(part: str) -> bool:
    """Whether a folded part has only words such as "and", or "&", which join nothing there."""
    rest = _ANY_JOINT.sub(" ", part)
    return rest != part and not any(map(_means_something, rest))


def filling_ends(part: str) -> tuple[int, int]:
    """How many words at the start and at the end of a folded part are filling words."""
    words = _bare(part)
    lead = next((place for place, word in enumerate(words) if word not in FILLING), len(words))
    trail = next((place for place, word in enumerate(reversed(words)) if word not in FILLING), len(words))
    return lead, trail


_CREDITS = (
    re.compile(r"(?P<name>[^,;<>()\x1f]{1,80}), .*\bvia wikimedia commons\.?"),
    re.compile(r'"(?P<name>[^"\x1f]{0,200}" by [^"\x1f]{1,80}?) (?:is )?(?:licensed|marked|dedicated)\b.*'),
    re.compile(r".*\bsome rights reserved by (?P<name>[^,;<>()\x1f]{1,60})\.?"),
)
"""Credits as Wikimedia Commons, Openverse and Flickr write them: names stand where they stand."""


def credited(key: str) -> tuple[int, int] | None:
    """The place of the names in a folded sentence, or None where it is no such credit."""
    for pattern in _CREDITS:
        found = pattern.fullmatch(key)
        if found and not ABOUT_RIGHTS.search(found["name"]):
            return found.span("name")
    return None


def names_somebody(part: str) -> bool:
    """Whether a folded part is a name behind ©, a year, or such words as "photo by"."""
    if ABOUT_RIGHTS.search(part):
        return False
    rest = part.strip(" .,:-")
    found = _BEFORE_A_NAME.match(rest)
    # The sign of a name stands before it: "until 2030" and "not mine © Ada" say something else.
    signed = bool(found) or bool(_SIGN.match(rest)) or bool(_YEARS.match(rest))
    rest = _YEARS.sub(" ", _SIGN.sub(" ", rest[found.end() :] if found else rest)).strip(" .,:-")
    rest = re.sub(r"^(?:by|von|par|por|di|door|av) ", "", " ".join(rest.split()))
    return signed and not _NO_NAME.search(rest) and (not rest or bool(_NAME.fullmatch(rest)))


def _bare(part: str) -> list[str]:
    return [word for word in (each.strip(".,:;'\"()[]<>/-_*#") for each in part.split()) if word]
