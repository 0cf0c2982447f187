"""Names in English texts: announced by a word, known as given names, or found by a language model and reviewed.

A brand, a town, a month or a word in capitals looks like a name too: most of what stands
here says no.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import Final

from audit.privacy.pii.recognisers.words import given_names, words
from audit.privacy.pii.values import GUESSED, NAMED, SHAPED, Found

_PART: Final = r"(?:[A-Z]\.|[A-ZÀ-ÖØ-ÞĆČŁŚŠŞŻŽ][^\W\d_]{0,24}(?:['’-][A-Za-zÀ-ÿ][^\W\d_]{0,24}){0,2})"
_PARTICLE: Final = r"(?:van der|van den|van|von|de la|de los|de|da|dos|del|di|el|al|bin|ibn|ter|le|la)"
NAME: Final = rf"(?<![^\W\d_]){_PART}(?: (?:{_PARTICLE} )?{_PART}){{0,3}}"
_TITLE: Final = r"(?:[Mm]rs?|[Mm]s|Mx|Miss|Dr|Prof|Sr|Sra|Mister|Madam|Sir|MRS?|MS)\.?"
_QUOTE: Final = "[\"“'‘]?"

# What stands before a name, and how sure that makes it.
_BEFORE: Final = (
    (rf"\b{_TITLE} ", NAMED),
    (
        r"\b(?:[Mm]y name(?:'s| is)|[Tt]he name is|[Tt]his is|[Nn]ames?(?:\(s\))?:"
        r"|[Cc]ustomer(?: name)?:|[Cc]ardholder(?: name)?:|[Cc]lient:"
        r"|[Rr]ecipient:?|[Ss]igned(?: for)?(?: by)?,?|[Aa]tt(?:entio)?n\.?:?|[Bb]illing name:?"
        r"|[Bb]uyer:?|[Ss]hip(?:ping)? to:?|[Pp]ick-?up person:"
        r"|[Ff]or pick-?up:|[Cc]ontact:|[Cc]aller:|[Aa]pplicant:?|[Uu]nder the name(?: of)?"
        r"|[Ii]n the name of|[Aa]ddressed to|[Mm]ade out to"
        r"|[Ii]ntroduced (?:her|him)self as|[Mm]ember:|[Aa]gent:|[Ss]oy|[Pp]urchaser:|[Gg]uest:"
        r"|[Ff]rom:|[Tt]o:|[Nn]amed|[Rr]egistered (?:to|under)|[Oo]n behalf of"
        r"|[Ff]ind me as|[Cc]alled me|[Kk]nown as|[Gg]oes by|[Ss]pelled|[Mm]isspelled as|[Bb]elongs to|[Cc]are of) ",
        NAMED,
    ),
    (r"\bc/o ", NAMED),
    (
        r"\b(?:placed|signed(?: for)?|made|written|opened|left|sent|paid|ordered|bought|picked up"
        r"|received|reported|handled|packed"
        r"|authori[sz]ed|approved|sold|requested|returned|cancell?ed|submitted) by |\b[Aa]ccording to "
        r"|\b(?:[Ss]hip|[Ss]end|[Mm]ail|[Dd]eliver|[Ff]orward|[Aa]ddress)(?:ped"
        r"|ed)? (?:[a-z]+ ){0,3}to (?=[A-Z][\w'’-]+ [A-Z])",
        SHAPED,
    ),
    (
        r"(?:^|[.!?\"“:⏎] ?)(?:[Hh]i|[Hh]ello|[Dd]ear|[Hh]ey|[Hh]iya|[Hh]ola|[Gg]ood (?:morning"
        r"|afternoon|evening)|[Tt]hank you|[Tt]hanks(?: again| so much)?|[Ss]orry),? "
        r"(?:there,? )?",
        SHAPED,
    ),
    (
        r"\b(?:[Ii]['’]m|[Ii]t['’]?s|[Ss]he['’]s|[Hh]e['’]s|[Ii] am|[Aa]sk(?:ed|ing)? for"
        r"|[Ss]p(?:oke|eak|oken) (?:with|to)|[Tt]alk(?:ed)? (?:to|with)|[Cc]ourtesy of"
        r"|[Aa]ssistant|[Cc]lerk|[Aa]gent|[Dd]river|[Rr]ep|[Gg]randma|[Gg]randpa|[Nn]ana"
        r"|[Aa]unt(?:ie)?|[Uu]ncle|[Ss]ister|[Bb]rother|[Hh]usband|[Ww]ife"
        r"|[Ss]on|[Dd]aughter|[Ff]riend|[Nn]eighbou?r|[Mm]om|[Dd]ad|[Mm]other|[Ff]ather|[Nn]iece"
        r"|[Nn]ephew|[Cc]ousin|[Pp]artner|[Bb]oss|[Cc]olleague|[Rr]oommate"
        r"|[Gg]randson|[Gg]randdaughter|[Ff]ianc[eé]e?|[Mm]anager|[Tt]echnician|[Pp]lumber"
        r"|[Cc]ourier|[Ss]tudent|[Tt]enant|[Ll]andlord|[Gg]irlfriend|[Bb]oyfriend),? ",
        SHAPED,
    ),
    (
        r"(?:^|\s)(?:[Ss]incerely|(?:[Kk]ind |[Ww]arm |[Bb]est )?[Rr]egards|[Bb]est(?: wishes)?"
        r"|[Cc]heers|[Ww]armly|[Tt]hanks(?: again)?|[Tt]hank you"
        r"|[Yy]ours(?: truly| sincerely)?|[Ll]ove|[Rr]espectfully|[Gg]ratefully|[Tt]ake care),\s{1,2}",
        SHAPED,
    ),
    (r"(?:[^\w\s]|\n)\s?[-–—~] ?(?=[A-Z][\w'’ .-]{1,40}$)", SHAPED),
)
_NAMED: Final = tuple(
    (re.compile(rf"(?:{before})(?:{_TITLE} )?{_QUOTE}(?P<name>{NAME})", re.MULTILINE), score)
    for before, score in _BEFORE
)
_HERE: Final = re.compile(rf"(?:^|[.!?\n] ?)(?P<name>{NAME}),? here\b")
# In small letters: only where the words around leave little else.
_SMALL: Final = re.compile(
    r"\b(?:[Mm]y name is|[Ii]t['’]?s|[Tt]his is|[Nn]ame:|[Ii]['’]?m|[Aa]sk for|[Mm]rs?\.?"
    r"|[Mm]s\.?) (?P<name>[a-z][a-z'’-]{2,15}(?: [a-z][a-z'’-]{2,15})?)"
    r"(?= (?:from|here|again|in chat|and my)\b|,|[.!?\n]|$)"
)
_REACHED: Final = re.compile(
    rf"(?P<name>{NAME})(?=,? ?(?:\(|:|on |at |is )?(?:[\s:,]|tel\.?|ph\.?|cell|phone|SSN"
    rf"|ssn)*[+(]?\d{{3}}[\d).\s-]{{7,}}\d|,? ?[(<]?[\w.+-]+@)"
)
_ACTS: Final = re.compile(
    rf"(?:^|[.!?\n]\s?|\band |\bbut |, )(?P<name>{_PART}(?: {_PART})?)(?= (?:says|said|wants"
    rf"|wanted|loves|loved|told|asked|called|wore|thinks|prefers|needs|uses|ordered|paid"
    rf"|picked up"
    r"|returned|received|bought|refused|complained|reported|confirmed|mentioned|explained"
    r"|dropped|left|sent|chose|liked|got|found|tried|promised|hates|swears|signed|lives|works"
    r"|scanned|opened|checked|can't|cannot|won't|doesn't|didn't|already|also|never|in (?:chat"
    r"|billing|returns|support)"
    r"|from (?:chat|billing|support|the|accounting|returns))\b)"
)
_OWNS: Final = re.compile(
    rf"(?P<name>{NAME})(?=['’]s (?:account|review|birthday|order|orders|number|cell|phone"
    rf"|address|Venmo|name|card|email|package|parcel|house|place|wedding|room|desk|wife|husband"
    rf"|mom|dad)\b)"
)
# Around a given name in small letters.
_ACTING: Final = re.compile(
    r"(?:['’]s)? (?:says|said|told|promised|wants|loves|asked|called|from|in|at|here|can|will"
    r"|won['’]t|doesn['’]t|ordered|paid|signed|and i|needs|got)\b"
)
_MEANT: Final = re.compile(
    (
        r"\b(?:for|with|by|call(?:ed)?|ask|tell|told|named|to|wife|husband|son|daughter|sister"
        r"|brother|mom|dad|friend|is|hi|hey|hello|dear|thanks|from|its|i['’]?m),? $"
    ),
    re.IGNORECASE,
)
# "the Vitamix", "my Kindle", "Lenovo Yoga": a thing.
_OF_A_THING: Final = re.compile(
    r"(?:\b(?:the|an?|this|that|these|my|your|our|their|his|her|old|new|another|every|both) |\b[A-Z][\w-]+ )$"
)
_WORD: Final = re.compile(r"[^\W\d_]+(?:['’-][^\W\d_]+)*")


def find(text: str) -> Iterator[Found]:
    """Names that a word before or behind them announces, and given names.

    >>> text = "Hello, this is Tamika Washington. Ask for Mr. Lee, not for Michael Kors."
    >>> sorted({text[f.start:f.end] for f in find(text)})
    ['Lee', 'Tamika Washington']
    """
    for pattern, score in _NAMED:
        for match in pattern.finditer(text):
            yield from _cut(text, *match.span("name"), score)
    for pattern, score in ((_HERE, SHAPED), (_REACHED, GUESSED), (_ACTS, GUESSED), (_OWNS, GUESSED)):
        for match in pattern.finditer(text):
            for found in _cut(text, *match.span("name"), score):
                # One word that begins a sentence has its capital from there.
                name = text[found.start : found.end]
                if (
                    pattern is not _REACHED
                    or " " in name
                    or name.casefold() in given_names()
                    or not _begins(text, found.start)
                ):
                    yield found
    for match in _SMALL.finditer(text):
        said = match["name"].split()
        if not any(word in words("en", "no_name_small") or word in words("en", "no_name") for word in said):
            yield Found(*match.span("name"), "PERSON", GUESSED)
    yield from _given(text)


def reviewed(text: str, start: int, end: int) -> Iterator[Found]:
    """A name that a language model found: cut to what is a name, or dropped where it is a brand, a place or a word."""
    for found in _cut(text, start, end, GUESSED):
        name = text[found.start : found.end]
        alone = _WORD.fullmatch(name) is not None
        if alone and name.casefold() not in given_names():
            # One word that no list knows: not in small letters, not where any word has a capital, no town.
            if (
                name[0].islower()
                or name.isupper()
                or _begins(text, found.start)
                or _OF_A_THING.search(text[: found.start])
                or name.casefold() in words("en", "ambiguous") | words("en", "places")
            ):
                continue
        elif not alone and name[0].islower() and not any(word in given_names() for word in name.casefold().split()):
            continue
        yield found


def _begins(text: str, start: int) -> bool:
    before = text[:start].rstrip(" \"“'‘(")
    return not before or before[-1] in ".!?\n:;,"


def _given(text: str) -> Iterator[Found]:
    """Given names of the lists, with the family name behind them."""
    at = 0
    for match in _WORD.finditer(text):
        first = match[0]
        if match.start() < at or first.casefold().split("-")[0] not in given_names():
            continue
        if first[0].islower():
            if len(first) > 3 and (_ACTING.match(text, match.end()) or _MEANT.search(text[: match.start()][-24:])):
                yield from _cut(text, *match.span(), GUESSED)
            continue
        whole = re.compile(rf"(?: (?:{_PARTICLE} )?{_PART}){{0,2}}").match(text, match.end())
        at = whole.end() if whole else match.end()
        yield from _cut(text, match.start(), at, GUESSED)


def _cut(text: str, start: int, end: int, score: float) -> Iterator[Found]:
    """The name within [start, end): without titles and words at its ends; none where it is a brand or a thing."""
    raw = text[start:end].split("\n")[0]
    parts = [(m.start(), m.end(), m[0]) for m in re.finditer(r"\S+", raw)]
    while parts and (_no_name(parts[0][2]) or re.fullmatch(_TITLE, parts[0][2])):
        parts.pop(0)
    for place, (_, _, part) in enumerate(parts):
        # A name ends with its sentence, and before a word that is none.
        if place and _no_name(part) and part.casefold() not in ("de", "da", "del", "di", "el", "la", "le", "al"):
            parts = parts[:place]
            break
        if re.search(r"[.!?;:,]$", part) and not re.fullmatch(r"[A-Z]\.|Jr\.|Sr\.|St\.", part):
            parts = parts[: place + 1]
            break
    if not parts:
        return
    first, last = parts[0][0], parts[-1][1]
    lead = re.match(r"[^\w]*", raw[first:last])
    first += lead.end() if lead else 0
    name = re.sub(r"(?:['’]s)?[^\w.]*$", "", raw[first:last])
    name = name[:-1] if name.endswith(".") and not re.search(r"\b(?:[A-Z]|Jr|Sr)\.$", name) else name
    first, stop = start + first, start + first + len(name)
    if len(name) > 1 and _is_person(text, first, stop, score):
        yield Found(first, stop, "PERSON", score)


def _is_person(text: str, start: int, end: int, score: float) -> bool:
    name = text[start:end]
    folded = name.casefold()
    if any(char.isdigit() for char in name) or "@" in name or (name.isupper() and len(name) < 4):
        return False
    if text[end : end + 1] in ("@", "_") or text[start - 1 : start] in ("@", "#", "/", "_", "."):
        return False
    if set(re.findall(r"[\w'’-]+", folded)) <= _of_brands(text):
        return False
    behind = re.match(r"(?:['’]s)? (?:[\w-]+ )?([\w-]+)", text[end:])
    near = re.match(r" ([\w-]+)", text[end:])
    things = words("en", "things")
    if score < NAMED and (
        (near and near[1].casefold() in things) or (behind and behind[1].casefold() in things and score < SHAPED)
    ):
        return False
    # A town alone is a town, wherever it stands.
    return not (score < SHAPED and folded in words("en", "places"))


@cache
def _brands() -> re.Pattern[str]:
    known = sorted(words("en", "known"), key=lambda name: (-len(name), name))
    return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, known))})(?!\w)", re.IGNORECASE)


@lru_cache(maxsize=8)
def _of_brands(text: str) -> frozenset[str]:
    """Words of all brands and public figures that the text names; alone they mean the same."""
    return frozenset(
        word for match in _brands().finditer(text.replace("’", "'")) for word in match[0].casefold().split()
    )


def _no_name(word: str) -> bool:
    bare = word.strip(".,;:!?()\"'’“”‘*").casefold().replace("’", "'")
    return bare in words("en", "no_name") or bare.split("'")[0] in words("en", "no_name")
