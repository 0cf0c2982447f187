"""The detector: Presidio's engine on pieces of any text, its findings made disjoint."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Final

from audit.errors import ConfigError, first_line
from audit.privacy.pii.values import Detector, Found, resolve

LOCALES: Final = ("en", "zh")
# A language model's memory goes with the length of a text; longer ones are read in pieces.
PIECE: Final = 8_000
_NEAR: Final = 400
_NO_TEXT: Final = re.compile("[\0\ud800-\udfff]")
# No value is as long as that without a blank, and spaCy's time goes with the square of a word.
_ENDLESS: Final = re.compile(r"(\S{300})\S")


@cache
def open_detector(locale: str) -> Detector:
    """Load the detector of a locale; a second call returns the same one.

    It takes texts and gives for each its :class:`~audit.privacy.pii.values.Found`, sorted and
    disjoint. It needs no network, and any text will do: empty, long, with signs that are no text.

    Raises
    ------
    ConfigError
        If there is none for the locale, or its packages are not installed.
    """
    if locale not in LOCALES:
        raise ConfigError(
            f"run.locale: personal information is not recognised in {locale!r}; choose {' or '.join(LOCALES)}"
        )
    try:
        from audit.privacy.pii.engine import Engine

        engine = Engine(locale)
        engine(["Warm up: 王小明 and Anna Smith."])
    except ImportError as error:
        raise ConfigError(
            f"privacy: {first_line(error)}; the detector needs its packages: pip install 'evenhand[privacy]'"
        ) from error

    def detect(texts: Sequence[str]) -> list[list[Found]]:
        pieces = [
            (place, offset, piece)
            for place, text in enumerate(texts)
            for offset, piece in _pieces(_clean(text, locale))
        ]
        found: list[list[Found]] = [[] for _ in texts]
        for (place, offset, _), some in zip(pieces, engine([piece for _, _, piece in pieces]), strict=True):
            found[place] += [Found(f.start + offset, f.end + offset, f.type, f.score) for f in resolve(some)]
        return found

    return detect


def _clean(text: str, locale: str) -> str:
    """The text with another sign in place of each that no library can encode, so that places stay."""
    text = _NO_TEXT.sub("\ufffd", text)
    return text if locale == "zh" else _ENDLESS.sub(r"\1 ", text)


def _pieces(text: str) -> Iterator[tuple[int, str]]:
    """The text in pieces with their offsets, cut at a line's end or a blank where there is one."""
    start = 0
    while len(text) - start > PIECE:
        end = start + PIECE
        for sign in ("\n", " ", "。", "，"):
            at = text.rfind(sign, end - _NEAR, end)
            if at > start:
                end = at + 1
                break
        yield start, text[start:end]
        start = end
    if start < len(text):
        yield start, text[start:]
