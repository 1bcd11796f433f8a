"""Languages: parse a language code, tag or name, and map a code to Whisper's English name.

Codes are DashScope's: ISO 639-1 where it exists, `yue` for Cantonese and `fil` for Filipino (`tl` in Whisper and
Fun-ASR). Names are those of OpenAI's `verbose_json`. DashScope supports Qwen-ASR's 27 languages (API reference of
qwen3-asr-flash, 2026-01) and those that Fun-ASR adds (model page, 2026-05). The other rows are Whisper's remaining
languages, the rest of ISO 639-1 (`kr` is read as Korean), and Asturian and Cebuano, which DashScope translates into.
"""

from __future__ import annotations

import re

QWEN = frozenset(
    "zh yue en ja de ko ru fr pt ar it es hi id th tr uk vi cs da fil fi is ms no pl sv".split()  # noqa: SIM905
)
UNDETERMINED = frozenset({"auto", "auto-detect", "autodetect", "detect", "multi", "mul", "und"})
"""What clients send instead of a language to have it detected, in lower case."""

FUN = frozenset(
    "zh en ja ko vi th id ms fil hi ar fr de es pt ru it nl sv da fi no el pl cs hu ro bg hr sk".split()  # noqa: SIM905
)
"""The languages of fun-asr and qwen-audio-3, which call Filipino `tl` (Model Studio, client events, 2026-08)."""
DASHSCOPE = QWEN | FUN
"""Languages that at least one DashScope model accepts as a parameter; all others rely on language detection."""

ENGINES = {"moonshine": frozenset({"en"}), "tones": frozenset({"en"})}
"""The languages of the engines that replace DashScope. Others take any language, and context."""

UNSPACED = frozenset({"zh", "zh-tw", "yue", "ja", "th", "lo", "km", "my", "bo"})
"""Languages written without spaces between words."""

_ROWS = """
en english: eng
zh chinese: zho, chi, cmn, mandarin, mandarin chinese, putonghua, simplified chinese, traditional chinese, wuu, nan
yue cantonese: zh-yue, zh-hk, zh-mo, cantonese chinese
ja japanese: jpn, jp
de german: deu, ger
ko korean: kor, kr
ru russian: rus
fr french: fra, fre
pt portuguese: por, brazilian portuguese
ar arabic: ara, arb
it italian: ita
es spanish: spa, castilian
hi hindi: hin
id indonesian: ind, in, bahasa indonesia
th thai: tha
tr turkish: tur
uk ukrainian: ukr
vi vietnamese: vie
cs czech: ces, cze
da danish: dan
fil tagalog: tl, tgl, filipino, pilipino
fi finnish: fin
is icelandic: isl, ice
ms malay: msa, may, zsm, bahasa melayu
no norwegian: nor, nb, nob, nn, nno, bokmål, bokmal, norwegian bokmål, nynorsk, norwegian nynorsk
pl polish: pol
sv swedish: swe
nl dutch: nld, dut, flemish
el greek: ell, gre
hu hungarian: hun
ro romanian: ron, rum, moldavian, moldovan
bg bulgarian: bul
hr croatian: hrv
sk slovak: slk, slo
af afrikaans: afr
am amharic: amh
as assamese: asm
az azerbaijani: aze
ba bashkir: bak
be belarusian: bel
bn bengali: ben, bangla
bo tibetan: bod, tib
br breton: bre
bs bosnian: bos
ca catalan: cat, valencian
cy welsh: cym, wel
et estonian: est
eu basque: eus, baq
fa persian: fas, per, farsi
fo faroese: fao
gl galician: glg
gu gujarati: guj
ha hausa: hau
haw hawaiian:
he hebrew: heb, iw
ht haitian creole: hat, haitian
hy armenian: hye, arm
jw javanese: jv, jav
ka georgian: kat, geo
kk kazakh: kaz
km khmer: khm
kn kannada: kan
la latin: lat
lb luxembourgish: ltz, letzeburgesch
ln lingala: lin
lo lao: lao
lt lithuanian: lit
lv latvian: lav
mg malagasy: mlg
mi maori: mri, mao
mk macedonian: mkd, mac
ml malayalam: mal
mn mongolian: mon
mr marathi: mar
mt maltese: mlt
my myanmar: mya, bur, burmese
ne nepali: nep
oc occitan: oci
pa punjabi: pan, panjabi
ps pashto: pus, pushto
sa sanskrit: san
sd sindhi: snd
si sinhala: sin, sinhalese
sl slovenian: slv, slovene
sn shona: sna
so somali: som
sq albanian: sqi, alb
sr serbian: srp
su sundanese: sun
sw swahili: swa, swh, kiswahili
ta tamil: tam
te telugu: tel
tg tajik: tgk
tk turkmen: tuk
tt tatar: tat
ur urdu: urd
uz uzbek: uzb
yi yiddish: yid
yo yoruba: yor
aa afar: aar
ab abkhazian: abk, abkhaz
ae avestan: ave
ak akan: aka
an aragonese: arg
av avaric: ava, avar
ay aymara: aym
bi bislama: bis
bm bambara: bam
ce chechen: che
ch chamorro: cha
co corsican: cos
cr cree: cre
cu church slavic: chu
cv chuvash: chv
dv divehi: div, dhivehi, maldivian
dz dzongkha: dzo
ee ewe:
eo esperanto: epo
ff fulah: ful, fula
fj fijian: fij
fy western frisian: fry, frisian
ga irish: gle, irish gaelic
gd scottish gaelic: gla, gaelic
gn guarani: grn
gv manx: glv
ho hiri motu: hmo
hz herero: her
ia interlingua: ina
ie interlingue: ile
ig igbo: ibo
ii sichuan yi: iii, nuosu
ik inupiaq: ipk
io ido:
iu inuktitut: iku
kg kongo: kon
ki kikuyu: kik
kj kuanyama: kua
kl kalaallisut: kal, greenlandic
kau kanuri:
ast asturian:
ceb cebuano:
ks kashmiri: kas
ku kurdish: kur, kmr, ckb
kv komi: kom
kw cornish: cor
ky kyrgyz: kir, kirghiz
lg ganda: lug, luganda
li limburgish: lim
lu luba-katanga: lub
mh marshallese: mah
na nauru: nau
nd north ndebele: nde
ng ndonga: ndo
nr south ndebele: nbl
nv navajo: nav
ny nyanja: nya, chichewa, chewa
oj ojibwa: oji, ojibwe
om oromo: orm
or odia: ori, ory, oriya
os ossetian: oss, ossetic
pi pali: pli
qu quechua: que
rm romansh: roh
rn rundi: run, kirundi
rw kinyarwanda: kin
sc sardinian: srd
se northern sami: sme
sg sango: sag
sm samoan: smo
ss swati: ssw
st southern sotho: sot, sesotho
ti tigrinya: tir
tn tswana: tsn, setswana
to tongan: ton
ts tsonga: tso
tw twi:
ty tahitian: tah
ug uyghur: uig, uighur
ve venda: ven
vo volapük: vol
wa walloon: wln
wo wolof: wol
xh xhosa: xho
za zhuang: zha
zu zulu: zul
"""

_LONGEST = 100  # characters; the expressions below take time that grows with the square of the length
_TAG = re.compile(r"[a-z]{2,3}(-[a-z0-9]{1,8})+")
_TRADITIONAL = re.compile(r"(zh|cmn)-(hant|tw)(-.*)?|traditional chinese|chinese \((traditional|taiwan)\)")
_LABEL = re.compile(r"([^()]+?) ?\([^()]+\)")
_CANTONESE = re.compile(r"(zh|chinese)\b.*\b(yue|cantonese|hk|hong kong|mo|macau|macao)\b")
TRADITIONAL = "zh-tw"
"""Chinese as written in Taiwan: a target of translation, never a spoken language."""


def _table() -> tuple[dict[str, str], dict[str, str]]:
    names: dict[str, str] = {}
    codes: dict[str, str] = {}
    for row in _ROWS.strip().splitlines():
        head, _, others = row.partition(":")
        code, name = head.split(" ", 1)
        names[code] = name
        for spelling in (code, name, *filter(None, map(str.strip, others.split(",")))):
            codes[spelling] = code
    return names, codes


_NAMES, _CODES = _table()


def sendable(engine: str, supported: frozenset[str]) -> frozenset[str]:
    """Return the languages that a request may name: those that the model supports; with an engine on this machine,
    those of both; with an engine elsewhere, all."""
    if engine in ENGINES:
        return supported & ENGINES[engine]
    return frozenset(_NAMES) if engine else supported


def parse(text: str) -> str:
    """Return the code for a code, a tag (`zh-CN`, `en_US`) or an English name, in any case. A region in parentheses
    after a name is treated like the region of a tag.

    A code outside `DASHSCOPE` cannot be passed to DashScope. The region is dropped, except that Chinese of Hong Kong or
    Macau becomes Cantonese. Raises ValueError, with a message for the client, if `text` is not a language.
    """
    spelling = _spelled(text)
    code = _CODES.get(spelling)
    if code is None and (label := _LABEL.fullmatch(spelling)):
        code = "yue" if _CANTONESE.match(spelling) else _CODES.get(label[1])
    if code is None and _TAG.fullmatch(spelling):
        code = "yue" if _CANTONESE.match(spelling) else _CODES.get(spelling.partition("-")[0])
    if code is None:
        raise _unknown(text)
    return code


def written(text: str) -> str:
    """Return the code of a language to translate to: as `parse`, and also TRADITIONAL. Raises ValueError."""
    return TRADITIONAL if _TRADITIONAL.fullmatch(_spelled(text)) else parse(text)


def _spelled(text: str) -> str:
    """Return `text` in lower case with hyphens, without a locale's encoding (`en_US.UTF-8`). Raises ValueError if it is
    too long for a language."""
    if len(text) > _LONGEST:
        raise _unknown(text)
    return re.sub(r"[.@][a-z0-9.@-]*$", "", " ".join(text.split()).lower().replace("_", "-"))


def _unknown(text: str) -> ValueError:
    return ValueError(f"{text[:40]!r} is not a language. Known are ISO 639-1 codes, tags like zh-CN and English names.")


def name(code: str) -> str:
    """Return Whisper's English name in lower case; an unknown code is returned unchanged, in lower case."""
    return "traditional chinese" if code == TRADITIONAL else _NAMES.get(_CODES.get(code.lower(), ""), code.lower())
