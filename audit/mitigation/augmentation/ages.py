"""Groups of age, and which tens stand for them in copies; the same in every language."""

from __future__ import annotations

from typing import Final

GROUPS: Final = ("young", "middle", "older")
# As the ages of the personas: 23, 41, 74.
TENS: Final = {"young": 2, "middle": 4, "older": 7}


def group_of(age: int) -> str:
    """The group of a grown person's age.

    >>> group_of(34), group_of(35), group_of(60)
    ('young', 'middle', 'older')
    """
    return "young" if age < 35 else "middle" if age < 60 else "older"
