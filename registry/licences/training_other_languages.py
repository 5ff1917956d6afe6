"""Words of training, of mining and of forbidding in further languages.

The table has fewer forms of each language than :mod:`registry.licences.training_languages`: those
of the sentences that rightsholders use most. Arabic and Hebrew are folded without vowel signs.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from registry.licences.training_languages import GAP, MINING, NEVER, Language

OTHER_LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "ar": Language(
            use=(
                rf"(?:\w{{0,3}}(?:تدريب|تعليم|تغذية|استخدام)\w*{GAP}{{0,40}}?(?:ال)?(?:ذكاء (?:ال)?اصطناعي|نماذج)|"
                rf"\w{{0,3}}(?:تدريب|استخدام)\w*{GAP}{{0,40}}?\bai\b|"
                r"التعلم الالي|تعلم الالة|التنقيب (?:في|عن) (?:النصوص و)?البيانات)"
            ),
            no=r"\b(?:لا|ليس\w*|بدون|دون|عدم|غير|لن)\b",
            forbidden=(
                r"(?:\b[يت]?منع\b|ممنوع\w*|محظور\w*|\b[يت]حظر\b|\b[يت]حرم\b|(?:لا|لن) (?:يجوز|يسمح|نسمح|اسمح)|"
                r"غير (?:مسموح|مصرح|مرخص)\w*|باستثناء|ما عدا)"
            ),
            allowed=r"(?:\bيسمح\b|مسموح\w*|\bيجوز\b)",
            turning=NEVER,
        ),
        "tr": Language(
            use=(
                rf"(?:(?:\bai\b|yapay zeka\w*|makine ogrenim\w*|makine ogrenme\w*){GAP}{{0,30}}?(?:egit\w*|ogren\w*|"
                rf"kullan\w*|model\w*)|(?:metin ve )?veri madenciligi\w*|{MINING})"
            ),
            no=NEVER,
            forbidden=(
                r"\b(?:yasak\w*|\w+(?:amaz|emez|ilamaz|ilemez)(?:lar|ler)?|izin (?:verilme\w+|vermiyor\w*|yok\w*)|"
                r"haric\w*|disinda)\b"
            ),
            allowed=r"\b(?:serbest\w*|izin verilir|izinlidir)\b",
            turning=NEVER,
        ),
        "cs": Language(
            use=(
                rf"(?:(?:trenovan\w*|trening\w*|trenova\w+|uceni|ucenie|vyuzi\w+|pouzi\w+)\b{GAP}{{0,40}}?(?:\bai\b|"
                rf"umel\w+ inteligenc\w*|modelu|modelov|strojov\w+)|strojov\w+ uceni\w*|(?:vy)?tez\w+ (?:textu a "
                rf")?dat|{MINING})"
            ),
            no=r"\b(?:bez|zadn\w+|nikdy|ani|nelze|neni|nie je|nesmi\w*)\b",
            forbidden=(
                r"\b(?:zakaz\w*|(?:neni|nie je) (?:dovolen\w*|povolen\w*)|nepovol\w*|nedovol\w*|nesmi\w*|"
                r"vyhrazen\w*|vyhraden\w*|vyjma|krome|okrem|s v[yi]\w*nimkou|vyloucen\w*|nesouhlas\w*|nesuhlas\w*)\b"
            ),
            allowed=r"\b(?:povolen\w*|dovolen\w*)\b",
            turning=r"\b(?:omezen|obmedzen|zakaz|pouze|jen|vytvoren)",
        ),
        "uk": Language(
            use=(
                rf"(?:(?:навчанн\w+|навчати|тренуванн\w+|тренувати|використанн\w+|використовувати)\b{GAP}{{0,40}}?"
                r"(?:\b(?:ші|аі|ai)\b|штучн\w+ інтелект\w*|неиромереж\w*|моделеи)|машинн\w+ навчанн\w+|"
                r"інтелектуальн\w+ аналіз\w* (?:текстів і )?даних)"
            ),
            no=r"\b(?:не|немає|без|ніколи|жодн\w+)\b",
            forbidden=r"\b(?:заборон\w+|не (?:дозвол\w+|допуска\w+)|окрім|крім|виключ\w*)\b",
            allowed=r"\b(?:дозвол\w+)\b",
            turning=r"(?:обмеж|заборон|лише|тільки|створен)",
        ),
        "el": Language(
            use=(
                rf"(?:(?:εκπαιδευσ\w+|χρησ\w+)\b{GAP}{{0,40}}?(?:τεχνητη\w* νοημοσυνη\w*|\bai\b|μοντελων)|"
                r"μηχανικη\w* μαθηση\w*|εξορυξη\w* (?:κειμενου και )?δεδομενων)"
            ),
            no=r"\b(?:δεν|μη|χωρισ|οχι)\b",
            forbidden=r"\b(?:απαγορευ\w+|δεν επιτρεπ\w+|εκτοσ|εξαιρ\w+)\b",
            allowed=r"\b(?:επιτρεπ\w+)\b",
            turning=r"\b(?:περιορισ|μονο|δημιουργ)",
        ),
        "he": Language(
            use=r"(?:\w?(?:אימון|שימוש)\b[^.;!?\x1f]{0,40}?(?:בינה מלאכותית|\bai\b|מודלים)|למידת מכונה|כריית (?:טקסט ו)?נתונים)",
            no=r"\b(?:אין|לא|ללא|בלי)\b",
            forbidden=r"(?:אסור\w*|\bאין (?:להשתמש|לאמן)|למעט)",
            allowed=r"\b(?:מותר\w*)\b",
            turning=NEVER,
        ),
        "hu": Language(
            use=(
                rf"(?:(?:\bmi\b|\bai\b|mesterseges intelligencia|modellek){GAP}{{0,30}}?(?:tanitas\w*|betanitas\w*|"
                rf"kepzes\w*|trening\w*|felhasznal\w*)|gepi tanulas\w*|(?:szoveg- es )?adatbanyaszat\w*|{MINING})"
            ),
            no=r"\b(?:nem|nelkul|soha)\b",
            forbidden=r"\b(?:tilos|tiltott|tiltjuk|nem (?:engedely\w*|hasznalhato\w*|megengedett)|kiveve)\b",
            allowed=r"\b(?:engedelyezett|megengedett|hasznalhato)\b",
            turning=r"\b(?:korlat|csak|keszult)",
        ),
        "ro": Language(
            use=(
                rf"(?:(?:antrena\w+|instrui\w+|utiliza\w+|folosi\w+)\b{GAP}{{0,40}}?(?:\bai\b|\bia\b|inteligent\w+ "
                rf"artificial\w+|modele\w*)|invatare\w* automata|{MINING})"
            ),
            no=r"\b(?:nu|fara|niciodata|nici)\b",
            forbidden=r"\b(?:interzi\w+|nu (?:este |se |e )?(?:permi\w+|autoriz\w+)|cu exceptia|exclus\w*)\b",
            allowed=r"\b(?:permis\w*|autorizat\w*)\b",
            turning=r"\b(?:restrict|limit|doar|numai|creat|generat)",
        ),
        "id": Language(
            use=(
                rf"(?:(?:pelatihan|melatih|penggunaan|digunakan|menggunakan)\b{GAP}{{0,40}}?(?:\bai\b|kecerdasan "
                rf"buatan|\bmodel\b)|pembelajaran mesin|penambangan (?:teks dan )?data|{MINING})"
            ),
            no=r"\b(?:tidak|bukan|tanpa|jangan)\b",
            forbidden=r"\b(?:dilarang|larangan|tidak (?:diizinkan|boleh|diperbolehkan|mengizinkan)|kecuali)\b",
            allowed=r"\b(?:diizinkan|diperbolehkan|boleh)\b",
            turning=r"\b(?:pembatasan|hanya|dibuat)",
        ),
        "vi": Language(
            use=(
                rf"(?:(?:huan luyen|dao tao|su dung)\b{GAP}{{0,40}}?(?:\bai\b|tri tue nhan tao|mo hinh)|hoc may|khai "
                r"(?:pha|thac) du lieu)"
            ),
            no=r"\b(?:khong|chua)\b",
            forbidden=r"\b(?:nghiem cam|cam|khong (?:duoc|cho phep)|ngoai tru|tru)\b",
            allowed=r"\b(?:duoc phep|cho phep)\b",
            turning=r"\b(?:han che|chi|tao boi)",
        ),
        "da": Language(
            use=(
                rf"(?:\b(?:ai|ki)[- ]?(?:traening|trening|modeller|formal|brug|bruk)\w*|\b(?:traene|traening|trene|"
                rf"trening|opplaering|brug|bruk|anvendelse|bruges|brukes)\b{GAP}{{0,40}}?(?:\bai\b|\bki\b|kunstig "
                rf"intelligens|modeller)|maskinlaering|tekst- og data\w+|{MINING})"
            ),
            no=r"\b(?:ikke|ingen|intet|uden|uten|aldrig|aldri)\b",
            forbidden=r"\b(?:forbud\w*|forby\w*|ikke (?:\w+ )?(?:tillad\w*|tillat\w*)|undtag\w*|unntatt|frabed\w*)\b",
            allowed=r"\b(?:tilladt|tillatt|velkommen)\b",
            turning=r"\b(?:begraens|begrens|kun|bare|skabt|laget|lavet)",
        ),
        "fi": Language(
            use=(
                rf"(?:(?:tekoaly\w*|\bai\b|malli\w+){GAP}{{0,30}}?(?:koulut\w*|opet\w*|kaytt\w*|kaytet\w*)|"
                rf"(?:koulut\w*|opet\w*|kaytt\w*|kayto\w*){GAP}{{0,30}}?tekoaly\w*|koneoppimi\w*|tiedonlouhin\w*|{MINING})"
            ),
            no=r"\b(?:ei|eika|ilman|ala)\b",
            forbidden=r"\b(?:kiellet\w*|ei (?:ole )?(?:sallit\w*|saa)|lukuun ottamatta|paitsi)\b",
            allowed=r"\b(?:sallit\w*)\b",
            turning=r"\b(?:rajoit|vain|luotu|tehty)",
        ),
    }
)
