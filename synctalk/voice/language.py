"""Languages by both of their codes: `en_US` as voices are named, `en-us` as espeak calls its voices.

The two systems do not map by a rule (`de_DE` is `de`, `es_MX` is `es-419`, `zh_CN` is `cmn`), so they are a table: the
languages that voices are published for, and some more that espeak reads.
"""

from __future__ import annotations

import difflib

import msgspec

from synctalk.errors import InputError


class Language(msgspec.Struct, frozen=True, kw_only=True):
    """What the description of a voice says about its language.

    Attributes:
        code: For example `en_US`.
        espeak: The voice of espeak that reads it, for example `en-us`.
        name_native: As its speakers call it.
        name_english: As it is called in English.
        country_english: Of the region.
    """

    code: str
    espeak: str
    name_native: str
    name_english: str
    country_english: str

    @property
    def family(self) -> str:
        """For example `en`."""
        return self.code.partition("_")[0]

    @property
    def region(self) -> str:
        """For example `US`."""
        return self.code.partition("_")[2]

    @property
    def facts(self) -> dict[str, str]:
        """What the file beside an exported voice says."""
        return {
            "code": self.code,
            "family": self.family,
            "region": self.region,
            "name_native": self.name_native,
            "name_english": self.name_english,
            "country_english": self.country_english,
        }


# Where several regions share a family or a voice of espeak, the first one is meant by it.
_TABLE = """
ar_JO|ar|العربية|Arabic|Jordan
bg_BG|bg|български|Bulgarian|Bulgaria
bn_BD|bn|বাংলা|Bengali|Bangladesh
ca_ES|ca|Català|Catalan|Spain
cs_CZ|cs|Čeština|Czech|Czech Republic
cy_GB|cy|Cymraeg|Welsh|Great Britain
da_DK|da|Dansk|Danish|Denmark
de_DE|de|Deutsch|German|Germany
el_GR|el|Ελληνικά|Greek|Greece
en_US|en-us|English|English|United States
en_GB|en-gb-x-rp|English|English|Great Britain
es_ES|es|Español|Spanish|Spain
es_MX|es-419|Español|Spanish|Mexico
es_AR|es-419|Español|Spanish|Argentina
eu_ES|eu|Euskara|Basque|Spain
fa_IR|fa|فارسی|Farsi|Iran
fi_FI|fi|Suomi|Finnish|Finland
fr_FR|fr|Français|French|France
fr_BE|fr-be|Français|French|Belgium
he_IL|he|עברית|Hebrew|Israel
hi_IN|hi|हिन्दी|Hindi|India
hu_HU|hu|Magyar|Hungarian|Hungary
id_ID|id|Bahasa Indonesia|Indonesian|Indonesia
is_IS|is|íslenska|Icelandic|Iceland
it_IT|it|Italiano|Italian|Italy
ja_JP|ja|日本語|Japanese|Japan
ka_GE|ka|ქართული ენა|Georgian|Georgia
kk_KZ|kk|қазақша|Kazakh|Kazakhstan
ko_KR|ko|한국어|Korean|South Korea
ku_TR|ku|Kurdî|Kurdish|Turkey
lb_LU|lb|Lëtzebuergesch|Luxembourgish|Luxembourg
lv_LV|lv|Latviešu|Latvian|Latvia
ml_IN|ml|മലയാളം|Malayalam|India
ne_NP|ne|नेपाली|Nepali|Nepal
nl_NL|nl|Nederlands|Dutch|Netherlands
nl_BE|nl|Nederlands|Dutch|Belgium
no_NO|nb|Norsk|Norwegian|Norway
pl_PL|pl|Polski|Polish|Poland
pt_BR|pt-br|Português|Portuguese|Brazil
pt_PT|pt|Português|Portuguese|Portugal
ro_RO|ro|Română|Romanian|Romania
ru_RU|ru|Русский|Russian|Russia
sk_SK|sk|Slovenčina|Slovak|Slovakia
sl_SI|sl|Slovenščina|Slovenian|Slovenia
sq_AL|sq|Shqip|Albanian|Albania
sr_RS|sr|srpski|Serbian|Serbia
sv_SE|sv|Svenska|Swedish|Sweden
sw_CD|sw|Kiswahili|Swahili|Democratic Republic of the Congo
te_IN|te|తెలుగు|Telugu|India
th_TH|th|ภาษาไทย|Thai|Thailand
tr_TR|tr|Türkçe|Turkish|Turkey
uk_UA|uk|українська мова|Ukrainian|Ukraine
ur_PK|ur|اردو|Urdu|Pakistan
vi_VN|vi|Tiếng Việt|Vietnamese|Vietnam
yue_HK|yue|粵語|Cantonese|Hong Kong
zh_CN|cmn|简体中文|Chinese|China
"""


def _parse(line: str) -> Language:
    code, espeak, native, english, country = line.split("|")
    return Language(code=code, espeak=espeak, name_native=native, name_english=english, country_english=country)


LANGUAGES = tuple(_parse(line) for line in _TABLE.strip().splitlines())
_MOST_NEAR = 5


def find_language(name: str) -> Language:
    """The language called `name`, in either code, with `_` or `-`, in small or capital letters; a family is enough.

    Raises:
        InputError: It is not known; the hint names those that are written alike.

    Example:
        >>> find_language("en-us").code, find_language("de_DE").espeak
        ('en_US', 'de')
    """
    by_name = _by_name()
    wanted = _simple(name)
    if wanted in by_name:
        return by_name[wanted]
    near = difflib.get_close_matches(wanted, by_name, n=_MOST_NEAR, cutoff=0.5)
    codes = list(dict.fromkeys(by_name[each].code for each in near))
    codes += [each.code for each in LANGUAGES if each.family == wanted.partition("-")[0] and each.code not in codes]
    known = ", ".join(codes or (language.code for language in LANGUAGES))
    raise InputError(f"there is no language {name!r}", hint=f"set prepare.language to one of: {known}")


def _by_name() -> dict[str, Language]:
    """Every language by all its names, those that belong to it alone last."""
    by_name: dict[str, Language] = {}
    for names in (
        {_simple(language.name_english): language for language in reversed(LANGUAGES)},
        {language.family: language for language in reversed(LANGUAGES)},
        {_simple(language.espeak): language for language in reversed(LANGUAGES)},
        {_simple(language.code): language for language in LANGUAGES},
    ):
        by_name |= names
    return by_name


def _simple(name: str) -> str:
    return name.strip().lower().replace("_", "-")
