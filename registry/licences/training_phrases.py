"""Sentences for or against training on a work, in several languages.

    "kein ki-training", "l'entrainement d'ia est interdit", "ai学習禁止"    # against training
    "ai training is allowed", "no restrictions on ai training"            # for training

A table gives the words of each language. Three forms of a sentence forbid: *no ... use*,
*use ... forbidden* and *forbidden ... use*. Between the two words, no word may stand that turns the
meaning around ("no restrictions on AI training"). A sentence that only mentions AI ("created with
AI") has none of these forms. The words are folded: see :mod:`registry.licences.folding`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

_GAP = r"[^.;!?\x1f]"
"""A character inside a sentence."""
_WINDOW = 70


@dataclass(frozen=True)
class _Language:
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


_AI = (
    r"(?:generative )?(?:\bgen(?:erative)?[ -]?ai\b|\bai\b|\ba\.i\.|artificial intelligence|machine[ "
    r"-]?learning|\bml\b|\bllms?\b|"
    r"language models?|neural net(?:work)?s?|deep learning|(?:foundation|diffusion|image) models?|generative models?|"
    r"midjourney|stable diffusion)"
)
_ACTS = (
    r"(?:training|learning|scraping|mining|ingestion|development|purposes?|use|usage|models?|systems?|"
    r"crawl(?:ers?|ing)|bots?|data ?sets?)"
)
_ENGLISH = (
    rf"(?:{_AI}(?:[ ,/&+-]+(?:and|or|{_AI}|model|system|company|companies|tool|software|data|based|"
    rf"related)s?)*[ ,/-]+{_ACTS}\b"
    rf"|\b(?:train(?:ing|ed)?|fine[ -]?tun(?:e|ing)|teach(?:ing)?|develop(?:ing|ment)?|feed(?:ing)?|scrap(?:ed?|ing)|"
    rf"(?:used?|usage|input) (?:of|for|in|by|with|to))\b[^.;!?\x1f]{{0,40}}?{_AI}(?: {_ACTS}\b)?"
    rf"|\b(?:used?|using|usage)\b[^.;!?\x1f]{{0,30}}?\b(?:for|in|by|with|to|as)\b[^.;!?\x1f]{{0,20}}?{_AI}(?: "
    rf"{_ACTS}\b)?"
    r"|\bmachine[ -]?learning|\btext[ -]?(?:and|&|/|,)?[ -]?data[ -]?min(?:ing|ed)|\b(?:text|data|image)[ "
    r"-]?mining|\btdm\b"
    r"|\b(?:web|data|image|content)[ -]?scraping|\bscrap(?:ed?|ing)\b"
    r"|\bmodel training|\btrain(?:ing)?\b[^.;!?\x1f]{0,20}?\bmodels?\b|\btraining (?:data|set|data ?set|"
    r"material)s?\b)"
)
_KI = r"(?:\bki\b|kunstlicher? intelligenz|maschinelle[mns]?[ -]?lernens?|machine[ -]?learning|generative[rn]? (?:ki|ai)|\bai\b)"
_IA = r"(?:\b(?:l|d)?'?(?:ia|iag|ai)\b|intelligen(?:ce|cia|za) artifici(?:elle|al|ale)|inteligencia artificial|modeles? d'ia)"
_MINING = r"text[ -]?(?:and|und|&|/|en|et|och)?[ -]?data[ -]?mining|data[ -]?mining|\btdm\b|text[ -]mining"

_LANGUAGES = {
    "en": _Language(
        use=_ENGLISH,
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
    "de": _Language(
        use=(
            rf"(?:{_KI}[- ]*(?:\w*(?:training|trainings?|trainieren|lernen|nutzung|verwendung|zwecke|modelle?n?|"
            rf"systeme?n?))\b|"
            rf"\b(?:trainieren|training|trainings|anlernen|trainiert)\b{_GAP}{{0,30}}?(?:{_KI}|modellen?)(?:[ "
            rf"-]?(?:modellen?|systemen?))?|{_MINING}|"
            rf"maschinelle[sm]? lernen)"
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
    "fr": _Language(
        use=(
            rf"(?:(?:entrain(?:er|ement|ements)|apprentissage|exploitation|utilis(?:er|ation|ee?s?)|"
            rf"alimenter)\b{_GAP}{{0,40}}?{_IA}|"
            rf"{_IA}{_GAP}{{0,10}}?(?:entrainement|apprentissage)|apprentissage (?:automatique|machine)|"
            rf"(?:fouille|exploration) de (?:textes?|donnees)(?: et de donnees)?|{_MINING})"
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
    "es": _Language(
        use=(
            rf"(?:(?:entren(?:ar|amiento)|aprendizaje|us(?:o|ar|arse)|utiliz(?:ar|acion|arse))\b{_GAP}{{0,40}}?{_IA}|"
            rf"aprendizaje (?:automatico|de maquinas?)|mineria de (?:textos?|datos)(?: y (?:de )?datos)?|{_MINING})"
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
    "it": _Language(
        use=(
            rf"(?:(?:addestra(?:re|mento)|allena(?:re|mento)|apprendimento|us(?:o|are)|utilizz(?:o|are|ato|"
            rf"abile))\b{_GAP}{{0,40}}?{_IA}|"
            rf"apprendimento automatico|estrazione di (?:testo|dati)(?: e (?:di )?dati)?|{_MINING})"
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
    "pt": _Language(
        use=(
            rf"(?:(?:trein(?:ar|o|amento)|aprendizagem|aprendizado|us(?:o|ar)|utiliz(?:ar|"
            rf"acao))\b{_GAP}{{0,40}}?{_IA}|"
            rf"aprendiza(?:gem|do) (?:de maquina|automatic[ao])|mineracao de (?:textos?|dados)(?: e (?:de "
            rf")?dados)?|{_MINING})"
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
    "nl": _Language(
        use=(
            rf"(?:{_AI.replace('artificial intelligence', 'kunstmatige intelligentie|artificial intelligence')}[- ]*"
            r"(?:\w*(?:training|trainen|leren|gebruik|doeleinden|modellen))\b|"
            rf"\b(?:trainen|training|trainingsdata|getraind)\b{_GAP}{{0,30}}?(?:\bai\b|kunstmatige "
            rf"intelligentie|modellen)(?:[ -]?modellen)?|"
            rf"tekst-? ?en datamining|datamining|machinaal leren|{_MINING})"
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
    "pl": _Language(
        use=(
            rf"(?:(?:trenowani\w*|trenowac|szkoleni\w*|treningu?|ucze(?:nia|niu|nie)|wykorzyst\w+|uzyw\w+|"
            rf"uzyci\w+)\b{_GAP}{{0,40}}?"
            rf"(?:\b(?:ai|si)\b|sztuczn\w+ inteligencj\w+|modeli)|uczeni\w+ maszynow\w+|eksploracj\w+ "
            rf"(?:tekstow? i danych|danych|tekstu)|{_MINING})"
        ),
        no=r"\b(?:nie|bez|zadn\w+|nigdy|ani)\b",
        forbidden=(
            r"\b(?:zabron\w+|zabrania|zakaz\w*|zastrzez\w+|nie (?:jest )?(?:dozwol\w+|wolno|zezwala\w*|zgadzam)|"
            r"wylacz\w+|wyklucz\w+|z wyjatkiem|sprzeciw\w*)\b"
        ),
        allowed=r"\b(?:dozwolon\w+|zezwala\w*|wolno)\b",
        turning=r"\b(?:ogranicz|zabron|zakaz|tylko|wylacznie|stworz|wygener)",
    ),
    "sv": _Language(
        use=(
            rf"(?:\bai[- ]?(?:traning|inlarning|anvandning|modeller|syften)\w*|\b(?:trana|traning|tranas|"
            rf"anvandas|anvandning)\b{_GAP}{{0,40}}?"
            rf"(?:\bai\b|artificiell intelligens|modeller)(?:[ -]?modeller)?|maskininlarning|text-? ?och "
            rf"data(?:utvinning|mining)|datautvinning|{_MINING})"
        ),
        no=r"\b(?:inte|ej|icke|ingen|inget|inga|utan|aldrig|far ej)\b",
        forbidden=(
            r"\b(?:forbjud\w*|forbud\w*|(?:inte|ej) (?:\w+ )?(?:tillat\w*|medges|godkan\w*)|undantag\w*|"
            r"utesluts?|forbehall\w*|utom|mot)\b"
        ),
        allowed=r"\b(?:tillat\w*|medges|valkommen)\b",
        turning=r"\b(?:begrans|forbud|endast|bara|skapad|gjord|genererad)",
    ),
    "ru": _Language(
        use=(
            rf"(?:(?:обучени\w+|обучать|тренировк\w+|использовани\w+|использовать)\b{_GAP}{{0,40}}?(?:\b(?:ии|"
            rf"аи|ai)\b|искусственн\w+ интеллект\w*|"
            r"неиросет\w+|моделеи)|машинн\w+ обучени\w+|интеллектуальн\w+ анализ\w* (?:текстов и )?данных)"
        ),
        no=r"\b(?:не|нет|без|никак\w+|никогда|нельзя)\b",
        forbidden=r"\b(?:запрещ\w+|запрет\w*|не (?:разреш\w+|допуска\w+|дозвол\w+)|исключа\w+|кроме)\b",
        allowed=r"\b(?:разреш\w+|допуска\w+)\b",
        turning=r"(?:огранич|запре|только|создан)",
    ),
    "ja": _Language(
        use=(
            r"(?:(?:生成)?(?:ai|人工知能|機械|ディープラーニング|深層)(?:[・/、, ]*(?:生成)?(?:ai|機械))*(?:の|"
            r"による|への|で|に)?(?:\w{0,6})?(?:学習|トレーニング|訓練|利用|使用|読み込み|スクレイピング)|"
            r"学習(?:データ|用途|目的)|(?:テキスト・?;?|データ)(?:データ)?マイニング|スクレイピング|追加学習|"
            r"無断学習)"
        ),
        no=r"(?:(?!))",
        forbidden=(
            r"(?:禁止|禁じ(?:ます|る|られ)|不可|お断り|おことわり|厳禁|ngです|\bng\b|しないで|できません|"
            r"できない|認めません|認めない|許可しません|許可していません|許可しない|"
            r"許諾しません|許諾しない|ご遠慮|除く|反対|拒否)(?:です|します|いたします|致します|とします|"
            r"ください|下さい|ます|る|られています|されています|されて|願います|いる|い)*"
        ),
        allowed=r"(?:(?:許可|許諾|歓迎)(?:します|する|されて|しています)?|可能です|ok|可(?!能?で?き?な))",
        turning=r"(?:(?!))",
        spaced=False,
    ),
    "zh": _Language(
        use=(
            r"(?:(?:生成式)?(?:ai|人工智能|人工智慧|机器|機器|大模型|模型|算法)(?:的|或|和|及|与|與|/|、|, "
            r")*(?:\w{0,4})?(?:训练|訓練|学习|學習|爬取|抓取|使用)|训练(?:ai|人工智能|模型|大模型|数据)|"
            r"訓練(?:ai|人工智慧|模型)|(?:文本|文字)?(?:和|与|及|與)?(?:数据|資料|数据)(?:挖掘|探勘))"
        ),
        no=(
            r"(?:不得|不可以?|不能|不许|不要|不允许|不允許|未经|未經|严禁|嚴禁|禁止|請勿|请勿|谢绝|拒绝|不同意|"
            r"不授权|不授權)"
        ),
        forbidden=r"(?:禁止|严禁|嚴禁|不允许|不允許|不许|不可|不得|谢绝|拒绝|除外)",
        allowed=r"(?:允许|允許|可以|许可|歡迎|欢迎|授权)",
        turning=r"(?:限制|创作|創作|生成的)",
        spaced=False,
    ),
    "ko": _Language(
        use=(
            r"(?:(?:생성형 ?|생성 ?)?(?:ai|인공지능|인공 지능|기계|머신 ?러닝|딥 ?러닝)[ ·,/]*(?:\w{0,6} "
            r"?)?(?:학습|훈련|러닝|이용|사용|트레이닝)|머신 ?러닝|"
            r"기계 ?학습|(?:텍스트|데이터) ?(?:및 ?데이터 ?)?마이닝)"
        ),
        no=r"(?:(?!))",
        forbidden=(
            r"(?:금지|불가|불허|금합니다|금함|허용하지|허락하지|허가하지|허용되지|할 수 없|될 수 없|하지 ?마|"
            r"하지 ?말|안 ?됩니다|안 ?됨|거부|제외)(?:합니다|됩니다|습니다|입니다|세요|십시오|아 ?주세요|시오|"
            r"음|다|함|됨)*"
        ),
        allowed=r"(?:허용(?:합니다|됩니다|함|됨)?|허락(?:합니다|함)?|가능(?:합니다|함)?)",
        turning=r"(?:제한|만든|생성된)",
        spaced=False,
    ),
}
_SIGNS = (
    r"(?:\bii?\.? ?|\b)(?:§ ?44b|art(?:icle|\.|ikel)? ?4(?: ?\(3\))?)[^;!?\x1f]{0,60}?(?:reserv|vorbehalt|opt[ "
    r"-]?out|reserve|riserva)\w*",
    r"\w*(?:reserv|vorbehalt|opt[ -]?out|riserva)\w*[^;!?\x1f]{0,60}?(?:§ ?44b|art(?:icle|\.|ikel)? ?4(?: "
    r"?\(3\))?)(?:[^;!?\x1f]{0,40}(?:2019/790|dsm|urhg|directive|richtlinie|cdsm))?",
    r"\bno(?:image|gen)?ai\b",
    r"\bno[ -]?(?:gen(?:erative)?[ -]?)?(?:image)?ai\b(?![ -][a-z])",
    r"\bno[ -]?(?:gen(?:erative)?[ -]?)?ai(?: (?:please|allowed|permitted|thanks|thank you|ever|at all)\b|(?=[ "
    r"/,]+(?:no|or|and|&)\b))",
    r"\b(?:keine|kein|geen|ingen|inga|pas d'|sans|sin|senza|sem|bez|no alla|no a la|no) ?(?:ki|ia|ai)\b(?![ -][a-z])",
    r"\btdm[ -]?reservation ?[:=]? ?1\b|\btdm[ -]?(?:opt[ -]?out|reserved)\b|\bnutzungsvorbehalt\b",
    rf"{_AI}(?: {_ACTS})?[ -]*opt(?:ed)?[ -]?out|\bopt(?:ed|s)?[ -]?out (?:of|from) {_AI}(?: {_ACTS}\b)?",
    r"\bnot (?:an? )?(?:ai|genai) train(?:ing|able)\b",
    rf"{_AI}(?: training| use| learning)? ?[:=] ?(?:no|not allowed|prohibited|forbidden|disallowed|notallowed|"
    rf"false|n)\b",
)
"""Signs against training that are no sentence."""


def _between(without: str, longest: int = _WINDOW) -> str:
    return rf"(?:(?!{without}){_GAP}){{0,{longest}}}?" if without else rf"{_GAP}{{0,{longest}}}?"


def _prohibitions(language: _Language) -> Iterator[str]:
    negated = rf"(?:{language.no}(?: \w+){{0,2}} )" if language.spaced else r"(?:(?!))"
    granted = (
        rf"(?!{_GAP}{{0,12}}?(?<!not ){language.allowed})"
        if language.spaced
        else rf"(?!{_GAP}{{0,3}}?{language.allowed})"
    )
    yield rf"{language.no}{_between(language.turning)}{language.use}{granted}"
    yield rf"{language.use}(?:(?!{language.no}){_GAP}){{0,{_WINDOW}}}?{language.forbidden}"
    if language.spaced:
        yield rf"(?P<undone>{negated})?{language.forbidden}{_between(language.no)}{language.use}{granted}"


def _permissions(language: _Language) -> Iterator[str]:
    if not language.spaced:
        yield rf"{language.use}(?:への|での|の|을|를|에|用途)?(?:利用|使用)?(?:を|は|이|가)? ?{language.allowed}"
        if language is _LANGUAGES["zh"]:
            yield rf"{language.allowed}(?:用于|用於)?{language.use}"
        return
    verb = r"(?: (?:is|are|ist|sind|est|sont|esta|e|jest|ar|is|also|and|explicitly|expressly|ausdrucklich|\w+ly|always))*:?"
    yield rf"{language.use}{verb} {language.allowed}"
    yield (
        rf"(?P<undone>{language.no}(?: \w+){{0,2}} "
        rf")?{language.allowed}{_between(language.no, 30)}{language.use}"
    )


_MORE_PERMISSIONS = (
    rf"\b(?:no|without(?: any)?) (?:restrictions?|limitations?|limits?|objections?|problems?)(?: \w+)? (?:on|to|"
    rf"for|with|against|regarding|in){_GAP}{{0,20}}?{_ENGLISH}",
    rf"{_ENGLISH} (?:is|are)(?: \w+ly)? not(?: \w+ly)? (?:prohibited|forbidden|restricted|excluded|banned|"
    rf"disallowed)",
    rf"\b(?:may|can|free to|feel free to|permission to)(?: (?:be|also|you|freely|use|used|this|it|for|work|"
    rf"image|the))* {_ENGLISH}",
    rf"\bkeine einschrankung(?:en)? (?:fur|bei|von) {_LANGUAGES['de'].use}|{_LANGUAGES['de'].use} ist nicht "
    rf"(?:verboten|untersagt)",
)


@dataclass(frozen=True)
class Said:
    """A sentence about training in a folded text."""

    start: int
    end: int
    forbids: bool


@lru_cache(maxsize=2)
def _patterns(*, forbidding: bool) -> tuple[re.Pattern[str], ...]:
    """Compiled at first use: there are many, and most commands read no words about rights."""
    fixed, forms = (_SIGNS, _prohibitions) if forbidding else (_MORE_PERMISSIONS, _permissions)
    return tuple(map(re.compile, (*fixed, *(each for language in _LANGUAGES.values() for each in forms(language)))))


_WORTH_A_LOOK = re.compile(
    r"\b(?:ai|a\.i|noai|noimageai|ki|ia|si|ml|tdm|llms?)\b|ai|artificial|artific|intelli[gz]en|learning|mining|"
    r"scrap|train|entrain|"
    r"entren|addestr|trein|lernen|trana|traning|trenow|aprendi|apprend|kunstmatig|sztuczn|maskin|maszyn|машин|"
    r"обуч|интеллект|ии|"
    r"学習|學習|学习|训练|訓練|智能|智慧|機械|マイニング|挖掘|探勘|학습|훈련|인공|머신|마이닝|스크|44b|2019/790|"
    r"vorbehalt|fouille|mineria|mineracao|eksplor|utvinning"
)


_CONTINUED = re.compile(
    rf"(?:(?:[ ,/&]|\b(?:or|and|any|und|oder|et|ou|y|o|e|en|of)\b)+(?:{_ENGLISH}|{_MINING}|{_AI}|maschinelles "
    rf"lernen|mineria de datos|fouille de "
    r"donnees))+\b(?! (?:is|are)? ?(?:allowed|permitted|ok|fine|welcome))"
)
"""Further kinds of training after a sentence: "no AI training or machine learning"."""


def about_training(key: str) -> Iterator[Said]:
    """The sentences of a folded text that forbid training, then those that allow it.

    They may overlap; one that forbids comes first.
    """
    if not _WORTH_A_LOOK.search(key):
        return
    for forbids in (True, False):
        for pattern in _patterns(forbidding=forbids):
            for found in pattern.finditer(key):
                if not found.groupdict().get("undone"):
                    more = _CONTINUED.match(key, found.end()) if forbids else None
                    yield Said(found.start(), more.end() if more else found.end(), forbids)
