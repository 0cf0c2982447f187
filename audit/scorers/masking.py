"""Takes out of a text who it is about, before any scorer reads it.

A scorer is an instrument: one that reacts to "Keisha", to "he" or to "elderly" would
find a gap where the model wrote the very same reply. So the persona's name, pronouns
and words of gender, race, nationality and age are replaced by three neutral words.
These are stop words of the profanity model and unknown to VADER, hence weigh nothing.

Not masked: names other than the persona's own, a verb's agreement ("he wants", "they
want"), and traits that go with a group without naming it. A word such as "black" is
masked wherever it stands, a colour of shoes included: the same for every persona.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from functools import cache, lru_cache
from typing import Final

from audit.scorers.lexicon import read_lexicon
from audit.values import content_hash

VERSION: Final = "mask-1"
NAME: Final = "someone"
PRONOUN: Final = "they"
TERM: Final = "such"

# Text, persona (name or sentence), cue channel -> text that a scorer may read.
Mask = Callable[[str, str | None, str | None], str]

# What stands before and after a word. A combining mark belongs to the letter before it.
_LEFT: Final = r"(?<![\w\u0300-\u036f])"
_RIGHT: Final = r"(?![\w\u0300-\u036f])"
# Signs that are seen by nobody but break a word, and the modifiers that give an emoji a sex or a skin.
_UNSEEN: Final = re.compile("[\u00ad\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufe0e\ufe0f\ufeff]")
_MODIFIERS: Final = re.compile("[\U0001f3fb-\U0001f3ff♀♂]")
_PEOPLE: Final = re.compile(
    "[\U0001f466-\U0001f469\U0001f46e-\U0001f471\U0001f474-\U0001f478\U0001f934\U0001f935\U0001f9d1-\U0001f9d5]"
)
_APOSTROPHES: Final = re.compile("[`\u2018\u2019\u02bc\uff07]")
_BLANK: Final = r"[ \t\u00a0]+"

# "He's" may be "he is" or "he has", "they're" and "they've" are what the third gender has for the two.
_CONTRACTED: Final[Mapping[str, str]] = {"s": "re", "re": "re", "ve": "re", "d": "d", "ll": "ll"}

_UNITS: Final = "one|two|three|four|five|six|seven|eight|nine"
_TENS: Final = "twenty|thirty|forty|fifty|sixty|seventy|eighty|ninety"
_NUMBER: Final = rf"(?:\d{{1,3}}|(?:{_TENS})(?:[-\s](?:{_UNITS}))?|\w+teen|ten|eleven|twelve)"
_DECADE: Final = r"(?:\d0'?s|teens|twenties|thirties|forties|fifties|sixties|seventies|eighties|nineties)"
_AGES: Final = (
    rf"{_NUMBER}[-\s]years?[-\s](?:old|of[-\s]age)s?",
    rf"{_NUMBER}[-\s]?(?:y/o|yo)",
    rf"(?:aged|age of|age is|ages?:?)(?: of)? {_NUMBER}",
    rf"turn(?:ed|ing|s) {_NUMBER}",
    rf"in (?:his|her|their|your|the)(?: (?:early|mid|late))?[-\s]{_DECADE}",
    rf"(?:who|customer|they|he|she) (?:is|are) {_NUMBER}(?=[.,;!?\n]|$)",
    rf"at {_NUMBER}(?=,)",
)
_TITLES: Final = r"(?:mr|mrs|ms|mx|mister)"
_SPELLINGS: Final[Mapping[str, str]] = {
    "a": "aàáâãäåāă", "c": "cçćč", "d": "dđ", "e": "eèéêëēėęẹ", "i": "iìíîïīį", "l": "lł", "n": "nñńň",
    "o": "oòóôõöøōơ", "s": "sśšş", "u": "uùúûüūư", "y": "yýÿ", "z": "zźżž",
}  # fmt: skip


def mask(text: str, persona: str | None = None, cue_channel: str | None = "name") -> str:
    """Return ``text`` without what says who it is about.

    Parameters
    ----------
    text
        Any text; signs that cannot be encoded or seen are dropped, quotes made plain.
    persona
        The persona's name, or its cue sentence; None where nobody is described.
    cue_channel
        ``name`` if ``persona`` is a name (a last single letter is the initial of a
        surname); otherwise it is a sentence and masked where repeated whole.

    Notes
    -----
    Masking a masked text changes nothing.

    >>> mask("Dear Ms. Megan R., we're sorry she didn't get her shoes.", "Megan R.")
    "Dear someone, we're sorry they didn't get they shoes."
    >>> mask("An elderly Asian lady, 74 years old") == mask("a young white man, 23 years old")
    False
    >>> mask("an elderly Asian lady, 74 years old") == mask("a young white man, 23 years old")
    True
    """
    text, persona = clean(text), clean(persona or "")
    if re.search(r"\w", persona):
        for pattern in _name_patterns(persona) if cue_channel == "name" else (_sentence_pattern(persona),):
            text = pattern.sub(NAME, text)
    text = _phrases().sub(_phrase, text)
    text = _WORDS.sub(_word, text)
    return _ARTICLE.sub(r"\1", _RUNS.sub(r"\1", text))


def clean(text: str) -> str:
    r"""Drop what cannot be encoded or seen, join letters with their accents, make apostrophes plain.

    >>> clean("it\u2019s Jose\u0301\ud800 \u202eevil")
    "it's José evil"
    """
    text = text.encode("utf-8", "ignore").decode("utf-8")
    text = _MODIFIERS.sub("", _UNSEEN.sub("", _APOSTROPHES.sub("'", text)))
    return unicodedata.normalize("NFC", _PEOPLE.sub(f" {NAME} ", text))


@lru_cache(maxsize=4_096)
def _name_patterns(name: str) -> tuple[re.Pattern[str], ...]:
    """What finds a name: whole, by its first name, with a surname of its initial, or as title and surname."""
    parts = name.split()
    initial = ""
    if len(parts) > 1 and len(parts[-1].rstrip(".")) == 1:
        initial = re.escape(parts.pop().rstrip("."))
    spellings = [_BLANK.join(_spelt(part) for part in parts)]
    spellings += [_spelt(part) for part in parts if len(parts) > 1 and len(part) > 2 and part[0].isupper()]
    bounded = [_bounded(spelling, name) for spelling in spellings]
    if not initial:
        return (re.compile("|".join(bounded), re.IGNORECASE),)
    # In lower case "a" and "i" are words; the point is taken unless it may be a sentence's own.
    letter = rf"(?-i:{initial})" if initial in "AI" else initial
    surname = rf"{_BLANK}(?:(?-i:{initial})[^\W\d_]*|{letter})(?:\.(?=\s+(?-i:[a-z])|[,;:!?')]))?{_RIGHT}"
    named = "|".join(f"{spelling}(?:{surname})?" for spelling in bounded)
    titled = rf"{_LEFT}(?:{_TITLES}|miss)\b\.?{surname}"
    return re.compile(named, re.IGNORECASE), re.compile(titled, re.IGNORECASE)


def _sentence_pattern(sentence: str) -> re.Pattern[str]:
    return re.compile(r"\s+".join(map(re.escape, sentence.rstrip(" .").split())) + _RIGHT, re.IGNORECASE)


def _spelt(part: str) -> str:
    """A pattern for a part of a name, with its accents and without."""
    letters = []
    for letter in part:
        base = unicodedata.normalize("NFD", letter)[0].casefold()
        letters.append(f"[{_SPELLINGS[base]}]" if base in _SPELLINGS else re.escape(letter))
    return "".join(letters)


def _bounded(pattern: str, name: str) -> str:
    # Scripts that are written without blanks have no word boundaries to look for.
    return pattern if any(unicodedata.east_asian_width(letter) == "W" for letter in name) else _LEFT + pattern + _RIGHT


@cache
def _phrases() -> re.Pattern[str]:
    """What is more than one word, or is known by its surroundings; the longest first."""
    lexicon = read_lexicon("identity")
    listed = [phrase for table in lexicon.values() if isinstance(table, dict) for phrase in table.get("phrases", ())]
    listed.sort(key=len, reverse=True)
    phrases = "|".join(re.escape(phrase).replace(r"\ ", _BLANK) + "s?" for phrase in listed)
    # "Miss" is a title only before a name: "we miss you" has a tone of its own.
    titles = rf"{_TITLES}(?:\.|{_RIGHT})|(?-i:Miss|MISS)(?={_BLANK}(?:(?-i:[A-Z])|{NAME}))"
    ages = "|".join(_AGES).replace(" ", _BLANK)
    return re.compile(rf"{_LEFT}(?:(?P<title>{titles})|(?:{phrases}|{ages}){_RIGHT})", re.IGNORECASE)


def _phrase(match: re.Match[str]) -> str:
    return NAME if match["title"] else TERM


_WORDS: Final = re.compile(rf"{_LEFT}([^\W\d_]+)(?:'([^\W\d_]+))?{_RIGHT}")
# "An elderly Asian lady" and "a man", "Ms. Megan R." and "Megan": however much is said, it is one mention.
_RUNS: Final = re.compile(rf"{_LEFT}({NAME}|{TERM})(?:[- \t\u00a0]+\1)+{_RIGHT}")
# "an Asian", "a white": the article would still tell them apart.
_ARTICLE: Final = re.compile(rf"\b([Aa])[Nn](?=\s+(?:{NAME}|{PRONOUN}|{TERM})\b)")


def _word(match: re.Match[str]) -> str:
    word, ending = match[1], match[2]
    neutral, capital_only = _neutral_words()
    if ending and match[0].casefold() in neutral:
        return neutral[match[0].casefold()]
    found = neutral.get(word.casefold())
    if found is None or (word.casefold() in capital_only and not word[0].isupper()):
        return match[0]
    if ending is None:
        return found
    return f"{found}'{_CONTRACTED.get(ending.casefold(), ending) if found == PRONOUN else ending}"


@cache
def _neutral_words() -> tuple[dict[str, str], frozenset[str]]:
    """The neutral word for each single word in lower case, and the words that need a capital."""
    lexicon = read_lexicon("identity")
    words = dict.fromkeys(lexicon["pronouns"]["words"], PRONOUN)
    for table in ("titles", "gender", "race", "nationality", "age"):
        token = NAME if table == "titles" else TERM
        listed = lexicon[table]["words"]
        words |= dict.fromkeys([*listed, *(f"{word}s" for word in listed)], token)
    return words, frozenset(lexicon["capital_only"])


DIGEST: Final = f"{VERSION}-{content_hash([read_lexicon('identity'), _AGES], 8)}"
