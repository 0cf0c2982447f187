"""Which of him or his stands for "her", and which of her or hers for "his": told by the words around.

A tagger would need the [privacy] extra and a hundred times as long. How often this is right is measured on sentences
in tests/mitigation/augmentation.
"""

from __future__ import annotations

import re
from typing import Final

from audit.mitigation.augmentation.english.words import Word
from audit.mitigation.augmentation.lists import words

# Between "her" and the next word there is nothing but blanks.
_BLANK: Final = re.compile(r"[ \t]+(?=[^\W_])")


def of_her(text: str, found: tuple[Word, ...], place: int) -> str:
    """``him`` or ``his`` for the word "her" at ``place`` of ``found``.

    >>> from audit.mitigation.augmentation.english.words import words_of
    >>> [of_her(text, words_of(text), 1) for text in ("call her back", "hurt her back", "gave her a cup")]
    ['him', 'his', 'him']
    """
    before = found[place - 1].low if place else ""
    blank = _BLANK.match(text, found[place].end)
    if blank is None:
        return "him"
    if text[blank.end()].isdigit():
        return "his"
    then = found[place + 1].low
    after = found[place + 2].low if place + 2 < len(found) and _BLANK.match(text, found[place + 1].end) else ""
    if then in words("en", "pronouns", "function") or text.startswith(("'", "’"), found[place].end):
        return "him"
    if then == "back":
        return "him" if before in words("en", "pronouns", "back_verbs") else "his"
    if then in words("en", "pronouns", "particles"):
        return "his" if before in words("en", "pronouns", "before_nouns") and after else "him"
    if before in words("en", "pronouns", "causative_verbs"):
        return "him" if then in words("en", "pronouns", "after_causative") or _is_doing(then) else "his"
    if then.endswith("ly") and then not in words("en", "pronouns", "no_adverbs"):
        return "him" if not after or after in words("en", "pronouns", "function") else "his"
    if before in words("en", "pronouns", "giving_verbs"):
        # "gave her dog a bath": the noun is who gets it.
        return "his" if _names_a_thing(after) else "him"
    if then == "home" and before not in words("en", "pronouns", "before_nouns"):
        return "him"
    return "his"


def of_his(text: str, found: tuple[Word, ...], place: int) -> str:
    """``her`` or ``hers`` for the word "his" at ``place`` of ``found``.

    >>> from audit.mitigation.augmentation.english.words import words_of
    >>> [of_his(text, words_of(text), 1) for text in ("kept his.", "kept his receipt", "lost his and left")]
    ['hers', 'her', 'hers']
    """
    if _BLANK.match(text, found[place].end) is None:
        return "hers"
    then = found[place + 1].low if place + 1 < len(found) else ""
    if then in words("en", "pronouns", "function") or then in words("en", "pronouns", "of_wares"):
        return "hers"
    # "a friend of his", but not "a lot of his".
    whose = place > 2 and found[place - 1].low == "of" and found[place - 3].low in words("en", "pronouns", "one_of")
    return "hers" if whose and found[place - 2].low not in words("en", "pronouns", "measures") else "her"


def _is_doing(word: str) -> bool:
    return word.endswith("ing") and len(word) > 5 and word not in words("en", "pronouns", "not_doing")


def _names_a_thing(word: str) -> bool:
    return word in ("a", "an", "the", "some", "my", "our", "this", "that", "those", "these")
