"""Words that stand where a name is missing: "Unknown", "N/A", "-". They name no rightsholder.

A cell with such a word counts as an empty cell. Otherwise the works of many unknown people would
become the works of one rightsholder, and such a word could replace a name.

    names_nobody("N/A")            # True
    names_nobody("unbekannter Fotograf")     # True
    names_nobody("Anna Nunn")      # False
"""

from __future__ import annotations

import re
import unicodedata
from itertools import product

from registry.errors import InputError
from registry.text import BLANKS, stated_text

_WORDS = """
    unknown, not known, unk, n/a, na, n/k, not applicable, not available, not specified, not stated, not provided, not given,
    not listed, not set, none, none given, none stated, no one, nobody, no name, no owner, no author, no rightsholder,
    no data, no info, no information, unspecified, undefined, unidentified, unnamed, unstated, unattributed, untitled owner,
    undisclosed, public domain, missing, null, nil, nan, nat, tbd, tba, tbc, to be determined, to be announced, todo,
    to be confirmed,
    anonymous, anon, various, various artists, various authors, various owners, see description, see source, 0
    unbekannt, nicht bekannt, unbekannte, unbekannter, unbek, anonym, niemand, keiner, keine, kein, keine angabe,
    keine angaben, ohne angabe, ohne angaben, ohne namen, k. a., k.a, nicht angegeben, nicht verfügbar, nicht vorhanden,
    entfällt, verschiedene, diverse, gemeinfrei, n. n., sine nomine, s. n., s/d
    inconnu, inconnue, inconnus, anonyme, aucun, aucune, personne, sans nom, sans auteur, non renseigné, non renseignée,
    non communiqué, non précisé, non spécifié, non disponible, non applicable, non indiqué, n.d., indéterminé
    desconocido, desconocida, desconocidos, se desconoce, anónimo, anónima, ninguno, ninguna, nadie, sin nombre, sin autor,
    sin datos, sin especificar, no disponible, no aplica, no especificado, no indicado, no consta
    desconhecido, desconhecida, anônimo, anônima, nenhum, nenhuma, ninguém, sem nome, sem autor, não informado,
    não disponível, não se aplica, não especificado
    sconosciuto, sconosciuta, ignoto, ignota, anonimo, anonima, nessuno, nessuna, senza nome, non specificato, non noto
    desconegut, anònim, descoñecido, ezezaguna
    onbekend, onbekende, niet bekend, anoniem, geen, niemand, niet van toepassing, n.v.t., geen naam, niet opgegeven
    okänd, okänt, ukjent, ukendt, ingen, inget, saknas, uppgift saknas, ikke oppgitt, ikke oplyst, óþekkt, óþekktur
    tuntematon, ei tiedossa, nimetön, anonyymi, ei ole, tundmatu, nezināms, nežinomas, nežinoma
    nieznany, nieznana, nieznane, nieznani, anonim, anonimowy, brak, brak danych, brak autora, nie dotyczy, nikt, nie podano
    neznámý, neznámá, neznámé, neznámy, neznáma, anonymní, žádný, nikdo, neuvedeno, neuvedené, neznan, nepoznat, nepoznato
    ismeretlen, névtelen, nincs, nincs adat, necunoscut, necunoscută, niciunul, i panjohur
    неизвестно, неизвестен, неизвестный, неизвестная, аноним, анонимно, анонимный, нет, нет данных, не указан, не указано,
    неизвестни, анонимен, непознат, невідомо, невідомий, невідома, анонімно, анонім, немає, не вказано, невядомы
    άγνωστος, άγνωστη, άγνωστο, ανώνυμος, κανένας, bilinmiyor, bilinmeyen, anonim, yok, belirtilmemiş, isimsiz
    未知, 不明, 不详, 不詳, 佚名, 匿名, 无, 無, 没有, 暂无, 无名, 無名, 未详, 未詳, 未署名, なし, 作者不明, 作者不詳,
    著者不明, 作者未詳,
    該当なし, 미상, 작자 미상, 작자미상, 알 수 없음, 불명, 익명, 없음, 해당 없음
    مجهول, غير معروف, لا يوجد, ناشناس, نامعلوم, لا أحد, לא ידוע, אנונימי, אין, अज्ञात, গুমনাম, অজ্ঞাত
    không rõ, vô danh, không có, khuyết danh, ไม่ทราบ, ไม่ระบุ, tidak diketahui, tidak ada, tanpa nama, hindi alam
"""
# Also with the noun, in the language's order: "unknown artist", "auteur inconnu".
_QUALIFIED = (
    (
        ("unknown", "anonymous", "unidentified", "unnamed", "unspecified", "no"),
        (
            *(
                "artist",
                "author",
                "creator",
                "owner",
                "rightsholder",
                "rights holder",
                "copyright holder",
                "copyright owner",
            ),
            *(
                "photographer",
                "illustrator",
                "maker",
                "source",
                "person",
                "user",
                "contributor",
                "uploader",
                "licensor",
            ),
        ),
    ),
    (
        ("unbekannter", "unbekannte", "anonymer"),
        (
            "künstler",
            "künstlerin",
            "autor",
            "autorin",
            "fotograf",
            "fotografin",
            "urheber",
            "urheberin",
            "rechteinhaber",
        ),
    ),
    (
        ("künstler", "autor", "autorin", "fotograf", "fotografin", "urheber", "rechteinhaber", "quelle", "name"),
        ("unbekannt", "nicht bekannt", "anonym"),
    ),
    (
        ("auteur", "artiste", "photographe", "créateur", "titulaire", "ayant droit"),
        ("inconnu", "inconnue", "anonyme", "non renseigné"),
    ),
    (("autor", "autora", "artista", "fotógrafo", "titular", "creador"), ("desconocido", "desconocida", "anónimo")),
    (("autor", "autora", "artista", "fotógrafo"), ("desconhecido", "desconhecida", "anônimo")),
    (("autore", "artista", "fotografo"), ("sconosciuto", "ignoto", "anonimo")),
    (("onbekende",), ("kunstenaar", "auteur", "fotograaf", "maker", "rechthebbende")),
    (("autor", "artysta", "fotograf"), ("nieznany",)),
    (("neznámý",), ("autor", "umělec", "fotograf")),
    (("неизвестный", "анонимный"), ("автор", "художник", "фотограф", "правообладатель")),
    (("автор", "художник"), ("неизвестен",)),
    (("невідомий",), ("автор", "художник")),
)
_EXCEL = frozenset({"#n/a", "#value!", "#ref!", "#name?", "#null!", "#num!", "#div/0!", "#####"})
_LONGEST = 64
"""Characters: no such phrase is longer."""


_ASCII_SIGNS = {code: None for code in range(128) if not chr(code).isalnum()}
_YEARS = re.compile(r"(?:c|ca|circa)?[0-9]{4}(?:[0-9]{2,4})?")
"""One year or two, folded."""
_BETWEEN = (re.compile(r"[,;|&+]|\s(?:and|or|und|oder|et|ou|y|e|o)\s"), re.compile("/"))


def _folded(text: str) -> str:
    """Letters and digits alone, without case and accents."""
    if text.isascii():
        return text.lower().translate(_ASCII_SIGNS)
    decomposed = unicodedata.normalize("NFKD", unicodedata.normalize("NFKC", text).casefold())
    return "".join(each for each in decomposed if unicodedata.category(each)[0] in "LN" or _kept(each))


def _kept(character: str) -> bool:
    """Signs of scripts that need them to tell words apart, and pictures: not accents or dashes."""
    return unicodedata.category(character) in ("Mc", "So")


_NOBODY = frozenset(
    _folded(word)
    for word in (
        *_WORDS.replace("\n", ",").split(","),
        *(f"{first} {second}" for firsts, seconds in _QUALIFIED for first, second in product(firsts, seconds)),
    )
)
"""With the empty text: signs alone name nobody either."""


def names_nobody(text: str) -> bool:
    """Whether a text that stands for a rightsholder's name says that there is none, or none known.

    Case, accents, spaces and punctuation do not count. A text of signs alone names nobody, and so
    do several such words, also with years ("unknown, 1890").
    """
    if len(text) > _LONGEST:
        return False
    if _folded(text) in _NOBODY or text.strip(BLANKS).casefold() in _EXCEL:
        return True
    separator = next((each for each in _BETWEEN if each.search(text)), None)
    if separator is None:
        return False
    parts = [part for part in separator.split(text) if not _YEARS.fullmatch(_folded(part))]
    return bool(parts) and all(map(names_nobody, parts))


def stated_rightsholder(value: str | None, what: str = "rightsholder") -> str:
    """The name of a rightsholder as it was entered, in one spelling.

    Raises:
        InputError: it is empty, names nobody, or is refused by :func:`registry.text.stated_text`.
    """
    name = stated_text(value, what)
    if name is None:
        raise InputError(f"the {what} is empty; give a name")
    if names_nobody(name):
        raise InputError(f"got the {what} {name!r}, which names nobody; give a name")
    return name
