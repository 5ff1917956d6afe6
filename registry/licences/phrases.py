"""Phrases about rights in several languages: reservations, conditions, words without effect.

    "alle rechte vorbehalten"          # reserves all rights
    "for non-commercial use only"      # a condition
    "via wikimedia commons"            # changes nothing

:mod:`registry.licences.training_phrases` has the phrases about training.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from registry.licences.folding import fold


class Meaning(StrEnum):
    """The meaning of a phrase for the use of a work."""

    RESERVES = "all rights are reserved, so no licence is granted"
    NEEDS_PERMISSION = "use needs a permission, and the words grant none"
    NON_COMMERCIAL = "non-commercial"
    NO_DERIVATIVES = "no-derivatives"
    EDITORIAL = "editorial-use"
    EDUCATIONAL = "educational-use"
    PERSONAL = "personal-use"
    SHARE_ALIKE = "share-alike"
    ATTRIBUTION = "attribution"
    FREE_USE = "use is free, in words that do not name copying and adapting"
    SOME_RIGHTS = "some rights are reserved, and the words do not say which"
    NOTHING = "nothing"


@dataclass(frozen=True)
class Phrase:
    """A phrase in a folded text."""

    start: int
    end: int
    meaning: Meaning


_RESERVATIONS = (
    *(
        "all rights reserved",
        "all rights are reserved",
        "all rights strictly reserved",
        "all rights expressly reserved",
    ),
    *("all right reserved", "all rights reserverd", "all rigths reserved", "all reserved rights"),
    *("rights reserved", "all copyrights reserved", "all copyright reserved", "copyright reserved"),
    *(
        "alle rechte vorbehalten",
        "sämtliche rechte vorbehalten",
        "alle rechte bleiben vorbehalten",
        "urheberrechtlich geschützt",
    ),
    *("tous droits réservés", "tout droit réservé", "droits réservés", "todos los derechos reservados"),
    *(
        "reservados todos los derechos",
        "derechos reservados",
        "tutti i diritti riservati",
        "tutti i diritti sono riservati",
    ),
    *("diritti riservati", "todos os direitos reservados", "direitos reservados", "alle rechten voorbehouden"),
    *("wszelkie prawa zastrzeżone", "wszystkie prawa zastrzeżone", "alla rättigheter förbehållna"),
    *("alla rättigheter reserverade", "med ensamrätt", "alle rettigheder forbeholdes", "alle rettigheter reservert"),
    *("alle rettigheter forbeholdt", "kaikki oikeudet pidätetään", "všechna práva vyhrazena", "všetky práva vyhradené"),
    *("minden jog fenntartva", "tüm hakları saklıdır", "her hakkı saklıdır", "toate drepturile rezervate"),
    *("tots els drets reservats", "все права защищены", "все права сохранены", "усі права захищені"),
    *("με επιφύλαξη παντός δικαιώματος", "جميع الحقوق محفوظة", "כל הזכויות שמורות"),
    *("με την επιφύλαξη παντός δικαιώματος", "كل الحقوق محفوظة", "كافة الحقوق محفوظة", "حقوق النشر محفوظة"),
    *("تمامی حقوق محفوظ است", "کلیه حقوق محفوظ است", "جملہ حقوق محفوظ ہیں", "усі права захищено", "всі права захищені"),
    *("всички права запазени", "сва права задржана", "сите права се задржани", "усе правы абаронены"),
    *("барлық құқықтар қорғалған", "bütün hüquqlar qorunur", "barcha huquqlar himoyalangan", "ყველა უფლება დაცულია"),
    *("բոլոր իրավունքները պաշտպանված են", "सर्वाधिकार सुरक्षित", "सभी अधिकार सुरक्षित", "সর্বস্বত্ব সংরক্ষিত", "সর্বস্বত্ব সংরক্ষণ"),
    *("அனைத்து உரிமைகளும் பாதுகாக்கப்பட்டவை", "అన్ని హక్కులు ప్రత్యేకించబడినవి", "สงวนลิขสิทธิ์", "สงวนสิทธิ์ทั้งหมด"),
    *("bảo lưu mọi quyền", "mọi quyền được bảo lưu", "giữ toàn quyền", "đã đăng ký bản quyền"),
    *(
        "hak cipta dilindungi",
        "hak cipta dilindungi undang-undang",
        "seluruh hak cipta dilindungi",
        "hak cipta terpelihara",
    ),
    *(
        "semua hak dilindungi",
        "sva prava pridržana",
        "sva prava zadržana",
        "vse pravice pridržane",
        "visas tiesības aizsargātas",
    ),
    *("visas tiesības paturētas", "visos teisės saugomos", "visos teisės ginamos", "kõik õigused kaitstud"),
    *(
        "kõik õigused reserveeritud",
        "öll réttindi áskilin",
        "eskubide guztiak erreserbatuta",
        "todos os dereitos reservados",
    ),
    *(
        "të gjitha të drejtat e rezervuara",
        "id-drittijiet kollha riżervati",
        "gach ceart ar cosaint",
        "cedwir pob hawl",
    ),
    *(
        "haki zote zimehifadhiwa",
        "alle regte voorbehou",
        "ĉiuj rajtoj rezervitaj",
        "karapatang magpalathala ay nakalaan",
    ),
    *(
        "全著作権所有",
        "著作権所有",
        "無断転載禁止",
        "無断転載を禁じます",
        "無断転載・複製を禁じます",
        "無断複製禁止",
        "転載禁止",
        "不許複製",
    ),
    *(
        "すべての権利を留保します",
        "全ての権利を留保します",
        "版权所有",
        "版權所有",
        "保留所有权利",
        "保留所有權利",
        "保留一切权利",
    ),
    *(
        "保留一切權利",
        "翻印必究",
        "著作權所有",
        "禁止转载",
        "禁止轉載",
        "未经许可不得转载",
        "未经授权禁止转载",
        "모든 권리 보유",
        "모든 권리는 저작권자에게 있습니다",
    ),
    *(
        "무단 전재 금지",
        "무단전재 금지",
        "무단 복제 금지",
        "무단전재 및 재배포 금지",
        "무단 전재 및 재배포 금지",
        "저작권 보호",
    ),
)
_SOME_RIGHTS = (
    *("some rights reserved", "einige rechte vorbehalten", "certains droits réservés", "algunos derechos reservados"),
    *(
        "alcuni diritti riservati",
        "alguns direitos reservados",
        "sommige rechten voorbehouden",
        "niektóre prawa zastrzeżone",
    ),
)
_CHANGES_NOTHING = (
    *(
        "dual licensed",
        "dual-licensed",
        "dual licenced",
        "multi-licensed",
        "via wikimedia commons",
        "via flickr",
        "via openverse",
    ),
    *(
        "from wikimedia commons",
        "from flickr",
        "via unsplash",
        "via pexels",
        "to view a copy of this license",
        "to view a copy of this licence",
    ),
    *(
        "to view the license",
        "ai-generated",
        "ai generated",
        "ai-generated image",
        "ai generated image",
        "generated with ai",
    ),
    *(
        "generated by ai",
        "made with ai",
        "created with ai",
        "created by ai",
        "created using ai",
        "made by ai",
        "not ai-generated",
    ),
    *(
        "not ai generated",
        "made without ai",
        "created without ai",
        "no ai used",
        "no ai was used",
        "ki-generiert",
        "mit ki erstellt",
    ),
    *("marked with", "licensed with", "dedicated to the", "mit ki erzeugt"),
    *("généré par ia", "生成aiによる画像"),
)
_WITHOUT_PERMISSION = (
    r"(?:without|unless)(?: (?:the|an?|our|my|any|prior|express(?:ed|ly)?|explicit|written|with|by|you|have))* "
    r"(?:permission|consent|authori[sz]ation|approval|licen[sc]e|permitted|authori[sz]ed)"
    r"(?: (?:of|from|by) (?:the )?(?:copyright |rights)?(?:author|artist|photographer|owner|holder|rightsholder|"
    r"creator|me|us)s?)?"
)
_USES = (
    r"(?:use|usage|reproduction|reproduce|copying|copy|redistribut(?:ion|e)|distribut(?:ion|e)|"
    r"republish(?:ing)?|publication|download(?:ing)?|"
    r"repost(?:ing)?|reuse|re-use|duplication|transmission|display)"
)
_USES = rf"(?:{_USES}(?:(?:, (?:or |and )?| or | and |/){_USES})*)"
_PATTERNS: tuple[tuple[Meaning, str], ...] = (
    (
        Meaning.NOTHING,
        r"\b(?:used |photo )?(?:attribution|credit) (?:is )?not (?:required|necessary|needed)|\bno "
        r"(?:attribution|credit) (?:is )?(?:required|needed|necessary)",
    ),
    (
        Meaning.NEEDS_PERMISSION,
        rf"\b(?:no|any|all)(?: \w+)? {_USES}(?: (?:of this (?:image|work|photo|picture)|in any form|is|are|"
        rf"strictly|of any kind))* {_WITHOUT_PERMISSION}"
        r"(?:(?: is| are)?(?: strictly| expressly)? (?:prohibited|forbidden|not allowed|illegal))?"
        rf"|\b(?:may|must|can|do|should)[ ]?(?:not|n't) (?:be )?(?:used|use|copied|copy|reproduced|reproduce|"
        rf"distributed|distribute|republished|downloaded|download|reposted|repost|shared|share)"
        rf"(?:(?:,|,? or|,? and)? (?:used|use|copied|copy|reproduced|reproduce|distributed|distribute|"
        rf"republished|downloaded|reposted|repost|shared))*(?: {_WITHOUT_PERMISSION})?(?= ?(?:[.;!,)\x1f]|$))"
        rf"|\b(?:not to be|never to be) (?:used|copied|reproduced|distributed)(?: {_WITHOUT_PERMISSION})?"
        rf"|\bunauthori[sz]ed {_USES}(?: (?:of this (?:image|work|photo)|is|are|strictly|expressly))* "
        rf"(?:prohibited|forbidden|not permitted)"
        rf"|\b(?:prior |written |express )*(?:permission|consent|licen[sc]e)(?: is| must be| to use)?(?: \w+)? "
        rf"(?:required|needed|obtained)"
        rf"|\b{_USES} (?:only )?(?:by|with|upon) (?:the )?(?:prior |written |express )*(?:permission|consent|"
        rf"authori[sz]ation|agreement)(?: only)?"
        r"|\bcontact (?:me|us|the (?:author|artist|owner|photographer)) for (?:permission|licensing|usage "
        r"rights|a licen[sc]e)"
        r"|\b(?:nutzung|verwendung|vervielfaltigung|abdruck|veroffentlichung)(?: \w+)? nur (?:mit|nach) (?:\w+ "
        r")?(?:genehmigung|zustimmung|erlaubnis|absprache|rucksprache)(?: des urhebers| der urheberin)?"
        r"|\b(?:reproduction|utilisation|diffusion)(?: \w+)? (?:interdite|soumise a autorisation)(?: sans "
        r"(?:\w+ )?autorisation)?"
        r"|\bprohibida (?:su|la) (?:reproduccion|copia|uso)(?: total o parcial)?(?: sin (?:\w+ "
        r")?(?:autorizacion|permiso))?|\bqueda prohibida la reproduccion(?: \w+ \w+ \w+)?(?: sin \w+)?"
        r"|\b(?:riproduzione|e? ?vietata la riproduzione|riproduzione) ?(?:riservata|vietata)?(?: senza (?:\w+ "
        r")?(?:autorizzazione|permesso|consenso))?(?<!\briproduzione)"
        r"|\b(?:proibida a|e proibida a|reproducao) (?:reproducao|copia|proibida)(?: sem (?:\w+ "
        r")?(?:autorizacao|permissao))?"
        r"|\b(?:gebruik|reproductie) (?:alleen|uitsluitend) met (?:\w+ )?toestemming|\bniets (?:\w+ "
        r"){0,4}zonder toestemming"
        r"|\b(?:kopiowanie|rozpowszechnianie|wykorzystywanie)(?: \w+)? (?:bez zgody )?(?:autora )?zabronione|"
        r"\b(?:far inte|ej) (?:anvandas|kopieras)(?: utan (?:\w+ )?tillstand)?",
    ),
    (
        Meaning.NON_COMMERCIAL,
        r"\b(?:for |strictly |free for )*(?:personal (?:and|or|&|/) )?non[ -]?commercial(?: (?:use|uses|"
        r"purposes?|usage))?(?: only)?(?: only)?\b"
        r"|\b(?:not|no|never)(?: (?:for|to be used for|intended for|any))* commercial(?: (?:use|uses|purposes?|"
        r"usage|exploitation))?(?: allowed| permitted)?\b"
        r"|\bcommercial use(?: is)?(?: strictly)? (?:prohibited|forbidden|not (?:allowed|permitted))"
        r"|\b(?:nur )?(?:fur )?(?:die )?nicht[ -]?kommerzielle[nr]?(?: (?:nutzung|zwecke?n?|verwendung))?(?: "
        r"erlaubt| gestattet)?|\bkeine kommerzielle (?:nutzung|verwendung)"
        r"|\b(?:pour )?(?:un )?(?:usage|utilisation)s? non[ -]?commercial(?:e|es)?(?: uniquement| seulement)?|"
        r"\bpas d'utilisation commerciale"
        r"|\b(?:solo )?(?:para )?usos? no comercial(?:es)?|\b(?:solo )?(?:per )?us[oi] non commercial[ei]|"
        r"\b(?:apenas )?(?:para )?uso nao comercial"
        r"|\b(?:alleen )?(?:voor )?niet[ -]?commercieel gebruik|\b(?:tylko )?(?:do )?uzytku? niekomercyjn\w+|"
        r"\b(?:endast )?(?:for )?icke[ -]?kommersiell(?:t)? (?:bruk|anvandning)"
        r"|(?:非営利(?:目的)?(?:のみ|に限る|での使用のみ)?|商用利用(?:不可|禁止)|商用不可|非商业(?:用途|使用)?|"
        r"禁止商用|不得用于商业用途|비상업적(?: 용도| 이용)?(?:만| 목적)?|상업적 (?:이용|사용) 금지)",
    ),
    (
        Meaning.NO_DERIVATIVES,
        r"\bno[ -]deriv(?:ative)?s?(?: works?)?(?: (?:allowed|permitted))?\b|\b(?:do not|don't|not to be|may "
        r"not be|must not be) (?:modify|modified|alter|altered|edit|edited|crop|cropped|adapt|adapted)"
        r"|\bno (?:modifications?|editing|alterations?|adaptations?|changes?)(?: (?:allowed|permitted))?\b|"
        r"\bkeine (?:bearbeitung(?:en)?|veranderung(?:en)?)(?: erlaubt)?|\bpas de modifications?|改変禁止|"
        r"改変不可|禁止修改|변경 금지",
    ),
    (
        Meaning.EDITORIAL,
        r"\b(?:for )?(?:editorial|press|news) (?:use|usage|purposes?)(?: only)?\b|\b(?:nur )?(?:fur "
        r")?redaktionelle (?:nutzung|zwecke)|\b(?:usage|utilisation) editoriale?",
    ),
    (
        Meaning.EDUCATIONAL,
        r"\b(?:for )?(?:academic|educational|education|research|scientific|study|teaching)(?:(?: and |/| or |, "
        r")(?:academic|educational|research|scientific|study|teaching))*(?: (?:use|usage|purposes?))?(?: only)\b"
        r"|\bfor (?:academic|educational|research|scientific)(?: (?:and|or) (?:academic|educational|research|"
        r"scientific))* (?:use|purposes?)\b|\bnur fur (?:forschung|lehre|forschungszwecke)",
    ),
    (
        Meaning.PERSONAL,
        r"\b(?:for )?(?:personal|private|home) (?:use|usage|purposes?)(?: only)\b|\bonly for (?:personal|"
        r"private) use\b|\bnur (?:fur den |zum )?privat\w*(?: gebrauch)?",
    ),
    (Meaning.SHARE_ALIKE, r"\bshare[ -]?alike(?: required)?\b"),
    (
        Meaning.ATTRIBUTION,
        r"\b(?:with |please )?(?:attribution|credit|crediting)(?: (?:is|must be|required|needed|appreciated|"
        r"given|the author|the artist|the photographer|the photographers|requested|me|to the author))+"
        r"|\bwith (?:attribution|credit)\b|\bplease (?:credit|attribute)(?: (?:me|us|the (?:author|artist|"
        r"photographer)))?\b|\bnamensnennung erforderlich|\bmention obligatoire",
    ),
    (
        Meaning.FREE_USE,
        r"\b(?:completely |totally )?free (?:to|for)(?: (?:use|download|share|commercial|personal|any|all|and|"
        r"or|&|editorial|private|non-commercial|purposes?|uses?|projects?))+"
        r"|\broyalty[ -]free(?: (?:image|photo|licen[sc]e|use))?s?\b|\brights[ -]managed(?: licen[sc]e)?\b|"
        r"\bcopyright[ -]free\b|\bfree (?:use|download|image|stock(?: photo)?)s?\b"
        r"|\b(?:free )?(?:for )?(?:personal and commercial|commercial(?: and personal)?) use(?: allowed| ok)?\b|"
        r"\b(?:zur )?freien? (?:verwendung|nutzung)\b|\blibre de droits?\b|フリー素材|免费(?:使用|商用)|무료 "
        r"(?:이용|사용)",
    ),
)


def _any_of(listed: Sequence[str]) -> str:
    keys = sorted({fold(each).key for each in listed}, key=len, reverse=True)
    whole = (rf"(?<![^\W\d_]){re.escape(key)}(?![^\W\d_])" if key.isascii() else re.escape(key) for key in keys)
    return "|".join(whole)


@lru_cache(maxsize=1)
def _patterns() -> tuple[tuple[Meaning, re.Pattern[str]], ...]:
    reserved = rf"(?<!not )(?<!not all )(?<!no )(?<!some )(?<!certain )(?:{_any_of(_RESERVATIONS)})"
    return (
        (Meaning.NOTHING, re.compile(_any_of(_CHANGES_NOTHING))),
        (Meaning.SOME_RIGHTS, re.compile(_any_of(_SOME_RIGHTS))),
        (Meaning.RESERVES, re.compile(reserved)),
        *((meaning, re.compile(pattern)) for meaning, pattern in _PATTERNS),
    )


def phrases(key: str) -> Iterator[Phrase]:
    """The phrases in a folded text; they may overlap, and the one that comes first counts."""
    for meaning, pattern in _patterns():
        for found in pattern.finditer(key):
            if found.end() > found.start():
                yield Phrase(found.start(), found.end(), meaning)
