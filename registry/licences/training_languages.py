"""Words of training, of mining and of forbidding, language by language.

The words are regular expressions over folded text: see :mod:`registry.licences.folding`.
:mod:`registry.licences.training_phrases` builds sentences from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

GAP = r"[^.;!?\x1f]"
"""A character inside a sentence."""
NEVER = r"(?:(?!))"
"""An expression that nothing matches."""


@dataclass(frozen=True)
class Language:
    """Words of one language, as regular expressions over folded text."""

    use: str
    """Training, or text and data mining."""
    no: str
    """Words that negate what follows."""
    forbidden: str
    """Forbidden, as said of a use that was named before; or a verb that forbids what follows."""
    allowed: str
    """Allowed, as said of a use that was named before; or a verb that allows what follows."""
    turning: str
    """Words that turn a negation around, or show that it is about something else."""
    spaced: bool = True
    """The language puts spaces between words."""


AI = (
    r"(?:generative )?(?:\bgen(?:erative)?[ -]?ai\b|\bai\b|\ba\.i\.|artificial intelligence|machine[ "
    r"-]?learning|\bml\b|\bllms?\b|"
    r"language models?|neural net(?:work)?s?|deep learning|(?:foundation|diffusion|image) models?|generative models?|"
    r"midjourney|stable diffusion)"
)
ACTS = (
    r"(?:training|learning|scraping|mining|ingestion|development|purposes?|use|usage|models?|systems?|"
    r"crawl(?:ers?|ing)|bots?|data ?sets?)"
)
ENGLISH = (
    rf"(?:{AI}(?:[ ,/&+-]+(?:and|or|{AI}|model|system|company|companies|tool|software|data|based|"
    rf"related)s?)*[ ,/-]+{ACTS}\b"
    rf"|\b(?:train(?:ing|ed)?|fine[ -]?tun(?:e|ing)|teach(?:ing)?|develop(?:ing|ment)?|feed(?:ing)?|scrap(?:ed?|ing)|"
    rf"(?:used?|usage|input) (?:of|for|in|by|with|to))\b[^.;!?\x1f]{{0,40}}?{AI}(?: {ACTS}\b)?"
    rf"|\b(?:used?|using|usage)\b[^.;!?\x1f]{{0,30}}?\b(?:for|in|by|with|to|as)\b[^.;!?\x1f]{{0,20}}?{AI}(?: "
    rf"{ACTS}\b)?"
    r"|\bmachine[ -]?learning|\btext[ -]?(?:and|&|/|,)?[ -]?data[ -]?min(?:ing|ed)|\b(?:text|data|image)[ "
    r"-]?mining|\btdm\b"
    r"|\b(?:web|data|image|content)[ -]?scraping|\bscrap(?:ed?|ing)\b"
    r"|\bmodel training|\btrain(?:ing)?\b[^.;!?\x1f]{0,20}?\bmodels?\b|\btraining (?:data|set|data ?set|"
    r"material)s?\b)"
)
_KI = r"(?:\bki\b|kunstlicher? intelligenz|maschinelle[mns]?[ -]?lernens?|machine[ -]?learning|generative[rn]? (?:ki|ai)|\bai\b)"
_IA = (
    r"(?:\b(?:l|d)?'?(?:ia|iag|ai)\b|intelligen(?:ces?|cias?|z[ae]) artifici(?:elles?|al|ales|ais|ale|ali)|"
    r"inteligencias? artifici(?:al|ales|ais)|modeles? d'ia)"
)
MINING = r"text[ -]?(?:and|und|&|/|en|et|och)?[ -]?data[ -]?mining|data[ -]?mining|\btdm\b|text[ -]mining"

LANGUAGES: Mapping[str, Language] = MappingProxyType(
    {
        "en": Language(
            use=ENGLISH,
            no=r"\b(?:no(?!,)|not|never|cannot|without|nor|neither|don't|doesn't|can't|mustn't|won't|dont|n't)\b",
            forbidden=(
                r"\b(?:prohibit(?:s|ed|ing|ion)?|forbid(?:s|den|ding)?|forbade|disallow(?:s|ed)?|not (?:be "
                r")?(?:\w+ly )?(?:allowed|permitted|"
                r"authori[sz]ed|granted|licen[sc]ed|included|intended|ok|okay|welcome)|unauthori[sz]ed|ban(?:s|"
                r"ned)?|exclud(?:es?|ed|ing)|"
                r"except(?:ing|s)?(?: for)?|opt(?:s|ed|ing)?[ -]?(?:ed[ -])?out|reserv(?:es?|ed|ing|ation)|"
                r"refus(?:es?|ed)|den(?:y|ies|ied)|"
                r"object(?:s|ed)? to|against|withhold(?:s|ing)?|withheld|illegal|unlawful|restricted)\b"
            ),
            allowed=(
                r"\b(?:allow(?:s|ed)?|permit(?:s|ted)?|welcomes?d?|authori[sz](?:es?|ed)|granted|encouraged?|ok|"
                r"okay|fine)\b"
            ),
            turning=(
                r"\b(?:restrict|limit|prohibit|forbid|forbidden|ban|bans|banned|object|oppos|problem|issue|hesitat|"
                r"only|exclu|"
                r"except|creat|generat(?!ive)|made|produc|edit|condition|reservation|charge|fee|cost)"
            ),
        ),
        "de": Language(
            use=(
                rf"(?:{_KI}[- ]*(?:\w*(?:training|trainings?|trainieren|lernen|nutzung|verwendung|zwecke|modelle?n?|"
                rf"systeme?n?))\b|"
                rf"\b(?:trainieren|training|trainings|anlernen|trainiert)\b{GAP}{{0,30}}?(?:{_KI}|modellen?)(?:[ "
                rf"-]?(?:modellen?|systemen?))?|{MINING}|"
                rf"maschinelle[sm]? lernen|"
                rf"\b(?:nutzung|verwendung|verarbeitung|nutzen|verwenden|verwendet|genutzt)\b{GAP}{{0,30}}?\b(?:fur|durch|zum|zur|in|mit|als)\b"
                rf"{GAP}{{0,20}}?{_KI}(?:[- ]?(?:training|trainings?zwecke|lernen|zwecke|modelle?n?|systeme?n?))?\b)"
            ),
            no=r"\b(?:keine?[nrms]?|nicht|ohne|nie|niemals|weder)\b",
            forbidden=(
                r"\b(?:verboten|untersagt|untersagen|verbiete[nt]?|unzulassig|(?:nicht|niemals) (?:\w+ "
                r")?(?:gestattet|erlaubt|zulassig|genehmigt|"
                r"erwunscht|eingeschlossen)|ausgeschlossen|ausgenommen|vorbehalten|nutzungsvorbehalt|vorbehalt|"
                r"widersprochen|widerspruch|gegen|"
                r"ausser)\b"
            ),
            allowed=r"\b(?:erlaubt|gestattet|zulassig|genehmigt|willkommen)\b",
            turning=(
                r"\b(?:beschrank|einschrank|verbot|untersagt|nur|erstellt|erzeugt|generiert|einwand|gegen|"
                r"ausgeschlossen|bedenken)"
            ),
        ),
        "fr": Language(
            use=(
                rf"(?:(?:entrain(?:er|ement|ements)|apprentissage|exploitation|utilis(?:er|ation|ee?s?)|"
                rf"alimenter)\b{GAP}{{0,40}}?{_IA}|"
                rf"{_IA}{GAP}{{0,10}}?(?:entrainement|apprentissage)|apprentissage (?:automatique|machine)|"
                rf"(?:fouille|exploration) de (?:textes?|donnees)(?: et de donnees)?|{MINING})"
            ),
            no=r"\b(?:pas|sans|aucune?|jamais|ni|non)\b",
            forbidden=(
                r"\b(?:interdi(?:te?s?|re|sons|ction)|prohibee?s?|proscrite?s?|(?:pas|jamais|non) (?:autorisee?s?|"
                r"permise?s?)|exclu(?:e?s|ant)?|"
                r"sauf|opposition|s'oppose|reservee?s?|refusee?s?|hormis|excepte)\b"
            ),
            allowed=r"\b(?:autorisee?s?|permise?s?|bienvenue?s?)\b",
            turning=(
                r"\b(?:restriction|limit|interdi|seulement|uniquement|cre(?:e|er)|genere|objection|opposition|exclu|sauf)"
            ),
        ),
        "es": Language(
            use=(
                rf"(?:(?:entren(?:ar|amiento)|aprendizaje|us(?:o|ar|arse)|utiliz(?:ar|acion|arse))\b{GAP}{{0,40}}?{_IA}|"
                rf"aprendizaje (?:automatico|de maquinas?)|mineria de (?:textos?|datos)(?: y (?:de )?datos)?|{MINING})"
            ),
            no=r"\b(?:no|sin|ningun[ao]?|nunca|ni)\b",
            forbidden=(
                r"\b(?:prohibi(?:d[ao]s?|r|mos|cion|da)|prohibe|no (?:esta |se )?(?:permitid[ao]s?|permite|"
                r"autoriza(?:d[ao]s?)?)|exclu(?:id[ao]s?|ye)|excepto|"
                r"salvo|reservad[ao]s?|opos(?:icion|itor))\b"
            ),
            allowed=r"\b(?:permitid[ao]s?|permite|autorizad[ao]s?|autoriza)\b",
            turning=r"\b(?:restriccion|limit|prohib|solo|unicamente|cread|generad|objecion|exclu)",
        ),
        "it": Language(
            use=(
                rf"(?:(?:addestra(?:re|mento)|allena(?:re|mento)|apprendimento|us(?:o|are)|utilizz(?:o|are|ato|"
                rf"abile))\b{GAP}{{0,40}}?{_IA}|"
                rf"apprendimento automatico|estrazione di (?:testo|dati)(?: e (?:di )?dati)?|{MINING})"
            ),
            no=r"\b(?:no|non|senza|nessun[ao]?|mai|ne)\b",
            forbidden=(
                r"\b(?:vietat[aoie]|vieta|proibit[aoie]|divieto|non (?:e |sono )?(?:consentit[aoie]|permess[aoie]|"
                r"autorizzat[aoie]|ammess[aoie])|esclus[aoie]|"
                r"eccetto|tranne|salvo|riservat[aoie]|opposizione)\b"
            ),
            allowed=r"\b(?:consentit[aoie]|permess[aoie]|autorizzat[aoie]|ammess[aoie])\b",
            turning=r"\b(?:restrizion|limit|vieta|proibi|solo|soltanto|creat|generat|obiezion|esclus)",
        ),
        "pt": Language(
            use=(
                rf"(?:(?:trein(?:ar|o|amento)|aprendizagem|aprendizado|us(?:o|ar)|utiliz(?:ar|"
                rf"acao))\b{GAP}{{0,40}}?{_IA}|"
                rf"aprendiza(?:gem|do) (?:de maquina|automatic[ao])|mineracao de (?:textos?|dados)(?: e (?:de "
                rf")?dados)?|{MINING})"
            ),
            no=r"\b(?:nao|sem|nenhum[ao]?|nunca|nem)\b",
            forbidden=(
                r"\b(?:proibi(?:d[ao]s?|r|mos|cao)|proibe|vedad[ao]s?|nao (?:e |esta |sao )?(?:permitid[ao]s?|"
                r"autorizad[ao]s?)|exclu(?:id[ao]s?|i)|exceto|salvo|"
                r"reservad[ao]s?)\b"
            ),
            allowed=r"\b(?:permitid[ao]s?|permite|autorizad[ao]s?)\b",
            turning=r"\b(?:restric|limit|proib|so\b|somente|apenas|criad|gerad|objec|exclu)",
        ),
        "nl": Language(
            use=(
                rf"(?:{AI.replace('artificial intelligence', 'kunstmatige intelligentie|artificial intelligence')}[- ]*"
                r"(?:\w*(?:training|trainen|leren|gebruik|doeleinden|modellen))\b|"
                rf"\b(?:trainen|training|trainingsdata|getraind)\b{GAP}{{0,30}}?(?:\bai\b|kunstmatige "
                rf"intelligentie|modellen)(?:[ -]?modellen)?|"
                rf"tekst-? ?en datamining|datamining|machinaal leren|{MINING})"
            ),
            no=r"\b(?:geen|niet|zonder|nooit|noch)\b",
            forbidden=(
                r"\b(?:verboden|verbied(?:en|t)|(?:niet|nooit) (?:\w+ )?(?:toegestaan|toegelaten|geoorloofd|"
                r"gewenst)|uitgesloten|uitgezonderd|behalve|"
                r"voorbehouden|voorbehoud|tegen)\b"
            ),
            allowed=r"\b(?:toegestaan|toegelaten|geoorloofd|welkom)\b",
            turning=r"\b(?:beperk|verbod|alleen|slechts|gemaakt|gegenereerd|bezwaar|uitgesloten)",
        ),
        "pl": Language(
            use=(
                rf"(?:(?:trenowani\w*|trenowac|szkoleni\w*|treningu?|ucze(?:nia|niu|nie)|wykorzyst\w+|uzyw\w+|"
                rf"uzyci\w+)\b{GAP}{{0,40}}?"
                rf"(?:\b(?:ai|si)\b|sztuczn\w+ inteligencj\w+|modeli)|uczeni\w+ maszynow\w+|eksploracj\w+ "
                rf"(?:tekstow? i danych|danych|tekstu)|{MINING})"
            ),
            no=r"\b(?:nie|bez|zadn\w+|nigdy|ani)\b",
            forbidden=(
                r"\b(?:zabron\w+|zabrania|zakaz\w*|zastrzez\w+|nie (?:jest )?(?:dozwol\w+|wolno|zezwala\w*|zgadzam)|"
                r"wylacz\w+|wyklucz\w+|z wyjatkiem|sprzeciw\w*)\b"
            ),
            allowed=r"\b(?:dozwolon\w+|zezwala\w*|wolno)\b",
            turning=r"\b(?:ogranicz|zabron|zakaz|tylko|wylacznie|stworz|wygener)",
        ),
        "sv": Language(
            use=(
                rf"(?:\bai[- ]?(?:traning|inlarning|anvandning|modeller|syften)\w*|\b(?:trana|traning|tranas|"
                rf"anvandas|anvandning)\b{GAP}{{0,40}}?"
                rf"(?:\bai\b|artificiell intelligens|modeller)(?:[ -]?modeller)?|maskininlarning|text-? ?och "
                rf"data(?:utvinning|mining)|datautvinning|{MINING})"
            ),
            no=r"\b(?:inte|ej|icke|ingen|inget|inga|utan|aldrig|far ej)\b",
            forbidden=(
                r"\b(?:forbjud\w*|forbud\w*|(?:inte|ej) (?:\w+ )?(?:tillat\w*|medges|godkan\w*)|undantag\w*|"
                r"utesluts?|forbehall\w*|utom|mot)\b"
            ),
            allowed=r"\b(?:tillat\w*|medges|valkommen)\b",
            turning=r"\b(?:begrans|forbud|endast|bara|skapad|gjord|genererad)",
        ),
        "ru": Language(
            use=(
                rf"(?:(?:обучени\w+|обучать|тренировк\w+|использовани\w+|использовать)\b{GAP}{{0,40}}?(?:\b(?:ии|"
                rf"аи|ai)\b|искусственн\w+ интеллект\w*|"
                r"неиросет\w+|моделеи)|машинн\w+ обучени\w+|интеллектуальн\w+ анализ\w* (?:текстов и )?данных)"
            ),
            no=r"\b(?:не|нет|без|никак\w+|никогда|нельзя)\b",
            forbidden=r"\b(?:запрещ\w+|запрет\w*|не (?:разреш\w+|допуска\w+|дозвол\w+)|исключа\w+|кроме)\b",
            allowed=r"\b(?:разреш\w+|допуска\w+)\b",
            turning=r"(?:огранич|запре|только|создан)",
        ),
        "ja": Language(
            use=(
                r"(?:(?:生成)?(?:ai|人工知能|機械|ディープラーニング|深層)(?:[・/、, ]*(?:生成)?(?:ai|機械))*(?:の|"
                r"による|への|で|に)?(?:\w{0,8})?(?:の|による|への|で|に)?(?:学習|トレーニング|訓練|利用|使用|読み込み|スクレイピング)|"
                r"学習(?:データ|用途|目的)|(?:テキスト・?;?|データ)(?:データ)?マイニング|スクレイピング|追加学習|"
                r"無断学習)"
            ),
            no=NEVER,
            forbidden=(
                r"(?:禁止|禁じ(?:ます|る|られ)|不可|お断り|おことわり|厳禁|ngです|\bng\b|しないで|できません|"
                r"できない|認めません|認めない|許可しません|許可していません|許可しない|"
                r"許諾しません|許諾しない|(?:許可|許諾|認め|同意)(?:は|を)?(?:し|致し|いたし)?て?(?:おり|い)?(?:ません|ない)|(?:許可|許諾)(?:し|致し|いたし)かねます|"
                r"ご遠慮|除く|反対|拒否)(?:です|します|いたします|致します|とします|"
                r"ください|下さい|ます|る|られています|されています|されて|願います|いる|い)*"
            ),
            allowed=(
                r"(?:(?:許可|許諾|歓迎)(?:します|する|されて|しています)?|可能です|ok|可(?!能?で?き?な))"
                r"(?![^.;!?、,\x1f]{0,12}(?:ません|ない|なく|ず|ぬ))"
            ),
            turning=NEVER,
            spaced=False,
        ),
        "zh": Language(
            use=(
                r"(?:(?:生成式)?(?:ai|人工智能|人工智慧|机器|機器|大模型|模型|算法)(?:的|或|和|及|与|與|/|、|, "
                r")*(?:\w{0,4})?(?:训练|訓練|学习|學習|爬取|抓取|使用)|训练(?:ai|人工智能|模型|大模型|数据)|"
                r"訓練(?:ai|人工智慧|模型)|(?:文本|文字)?(?:和|与|及|與)?(?:数据|資料|数据)(?:挖掘|探勘))"
            ),
            no=(
                r"(?:不得|不可以?|不能|不许|不要|不允许|不允許|未经|未經|严禁|嚴禁|禁止|請勿|请勿|谢绝|謝絕|拒绝|拒絕|不同意|"
                r"不授权|不授權)"
            ),
            forbidden=r"(?:禁止|严禁|嚴禁|不允许|不允許|不许|不可|不得|谢绝|拒绝|除外)",
            allowed=r"(?<![不未沒没無无非])(?<!没有)(?<!沒有)(?:允许|允許|可以|许可|歡迎|欢迎|授权)",
            turning=r"(?:限制|创作|創作|生成的)",
            spaced=False,
        ),
        "ko": Language(
            use=(
                r"(?:(?:생성형 ?|생성 ?)?(?:ai|인공지능|인공 지능|기계|머신 ?러닝|딥 ?러닝)[ ·,/]*(?:\w{0,6} "
                r"?)?(?:학습|훈련|러닝|이용|사용|트레이닝)|머신 ?러닝|"
                r"기계 ?학습|(?:텍스트|데이터) ?(?:및 ?데이터 ?)?마이닝)"
            ),
            no=NEVER,
            forbidden=(
                r"(?:금지|불가|불허|금합니다|금함|허용하지|허락하지|허가하지|허용되지|할 수 없|될 수 없|하지 ?마|"
                r"하지 ?말|안 ?됩니다|안 ?됨|거부|제외)(?:합니다|됩니다|습니다|입니다|세요|십시오|아 ?주세요|시오|"
                r"음|다|함|됨)*"
            ),
            allowed=(
                r"(?:허용(?:합니다|됩니다|함|됨)?|허락(?:합니다|함)?|가능(?:합니다|함)?)"
                r"(?![^.;!?,\x1f]{0,10}(?:않|없|못|아니|안 ))"
            ),
            turning=r"(?:제한|만든|생성된)",
            spaced=False,
        ),
    }
)
