"""籍贯 in Chinese texts: only what authors say of themselves (我是河南人, 老家在湖北).

Where a parcel goes or came from, and where the author lives, are facts of the order and stay.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from random import Random
from typing import Final

from audit.mitigation.augmentation.lists import any_of, table
from audit.mitigation.augmentation.passages import Passage
from audit.mitigation.augmentation.values import Edit

_KIND: Final = "(?:一个|一名|一位|个|名|地道的?|正宗的?|土生土长的?|纯)*"


def region(passage: Passage, chance: Random) -> Iterator[list[Edit]]:
    """A copy for each other province, in an order that falls by chance."""
    said = [match for match in _said().finditer(passage.text) if not passage.is_kept(*match.span())]
    own = {_homes()[match[match.lastgroup or ""]] for match in said}
    targets = sorted(set(table("zh", "region")) - own) if said else []
    chance.shuffle(targets)
    for target in targets:
        cities = table("zh", "region")[target]
        edits = []
        for match in said:
            name = match.lastgroup or ""
            home = _homes()[match[name]]
            # A city stays a city where the province has one.
            new = cities[0] if match[name] != home and cities else target
            edits.append(Edit(*match.span(name), new, ("region", home, target)))
        yield edits


@cache
def _homes() -> Mapping[str, str]:
    """The province of each place that somebody may be from."""
    listed = table("zh", "region")
    return {place: province for province, cities in listed.items() for place in (province, *cities)}


@cache
def _said() -> re.Pattern[str]:
    place = any_of(_homes())
    return re.compile(
        rf"(?:我(?:也|就|本来)?是|作为|身为|本人是?|我们|咱们?|我一个|我这个|俺是){_KIND}(?P<self>{place})(?=本地人|人)"
        rf"|(?<![\u4e00-\u9fff])(?P<alone>{place})(?=人(?:表示|一枚|飘过|路过))"
        rf"|(?:老家(?:就?在|是)?|籍贯[是为：:]?|祖籍|我来自|我是从)(?P<home>{place})(?![\u4e00-\u9fff]{{0,5}}[县区镇路街号])"
    )
