"""One record of a shop: a review, a ticket or a chat, and what is known of its author."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from audit.values import content_hash

IDENTIFIER_TYPES: Final = (
    "PERSON",
    "EMAIL_ADDRESS",
    "PHONE_NUMBER",
    "STREET_ADDRESS",
    "ORDER_NUMBER",
    "TRACKING_NUMBER",
    "GIFT_CARD",
    "LOYALTY_NUMBER",
    "CREDIT_CARD",
    "IP_ADDRESS",
    "US_SSN",
    "CN_ID",
    "CN_PLATE",
)


@dataclass(frozen=True, slots=True)
class Record:
    """A text and its author.

    ``groups`` maps an axis to the author's group, ``identifiers`` a type to a value that
    is known to belong to the author and stands in ``text``. ``turns`` are the (role,
    content) pairs of a chat; ``text`` then holds them as "role: content" lines.
    """

    record_id: str
    text: str
    customer: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    turns: tuple[tuple[str, str], ...] = ()


def record_id(text: str, customer: str | None = None, own: str | None = None) -> str:
    """Hash of what a record says, its author and the id that its file gives it (``own``).

    >>> record_id("Great kettle.") == record_id("Great kettle.", "", "")
    True
    """
    return content_hash([own or "", customer or "", text], 16)


def stands_in(value: str, text: str) -> bool:
    """Whether ``value`` stands in ``text`` by itself, not as a piece of a longer Latin word or number.

    >>> stands_in("Al", "Also sold here."), stands_in("Al", "Thanks, Al."), stands_in("王芳", "我是王芳的妈妈")
    (False, True, True)
    """
    return place_of(value, text) is not None


def place_of(value: str, text: str) -> int | None:
    """Where ``value`` first stands in ``text`` by itself, as :func:`stands_in` has it; None where it does not.

    >>> place_of("Ann", "Annual report of Ann"), place_of("Ann", "Annual report")
    (17, None)
    """
    if not value or value not in text:
        return None
    before = r"(?<![0-9A-Za-z])" if re.match(r"[0-9A-Za-z]", value) else ""
    after = r"(?![0-9A-Za-z])" if re.search(r"[0-9A-Za-z]\Z", value) else ""
    found = re.search(before + re.escape(value) + after, text)
    return None if found is None else found.start()


def encodable(text: str) -> str:
    r"""Return ``text`` as it can be written in UTF-8: surrogate pairs joined, lone surrogates replaced.

    >>> encodable("a\ud800b"), encodable("\ud83d\ude00") == "\N{GRINNING FACE}"
    ('a\ufffdb', True)
    """
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
