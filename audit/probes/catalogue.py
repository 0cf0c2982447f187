"""The catalogue: product categories and what is sold in them, with list prices."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from audit.config import Strict, parse, read_toml
from audit.errors import ConfigError
from audit.probes.slots import slots_in
from audit.values import content_hash


@dataclass(frozen=True, slots=True)
class Item:
    """A thing on sale, and its list price as it is written in a prompt."""

    name: str
    price: str


Catalogue = Mapping[str, tuple[Item, ...]]


class _ItemFile(Strict):
    name: str = Field(min_length=1)
    price: float = Field(gt=0)


class _CategoryFile(Strict):
    id: str = Field(min_length=1)
    items: tuple[_ItemFile, ...]


class _CatalogueFile(Strict):
    locale: str
    price_format: str = Field(description="how a price is written, with the slot {price}")
    categories: tuple[_CategoryFile, ...] = ()


def read_catalogue(path: Path, locale: str) -> dict[str, tuple[Item, ...]]:
    """Read the categories of a catalogue file; empty if it is of another locale.

    Raises
    ------
    ConfigError
        If the file is no catalogue, a category stands twice or sells nothing.
    """
    parsed = parse(_CatalogueFile, read_toml(path), str(path))
    if slots_in(parsed.price_format, ("price",), f"{path}: price_format") != ["price"]:
        raise ConfigError(f"{path}: price_format: needs the slot {{price}} once, as in '${{price}}'")
    if parsed.locale != locale:
        return {}
    if not parsed.categories:
        raise ConfigError(f"{path}: categories: the catalogue is empty; add a [[categories]]")
    found: dict[str, tuple[Item, ...]] = {}
    for category in parsed.categories:
        if category.id in found:
            raise ConfigError(f"{path}: category {category.id!r} stands twice; give each an id of its own")
        if not category.items:
            raise ConfigError(f"{path}: category {category.id!r} has no items; add at least one with a price")
        found[category.id] = tuple(
            Item(item.name, parsed.price_format.format(price=_amount(item.price))) for item in category.items
        )
    return found


def item_for(catalogue: Catalogue, template_id: str, category: str) -> Item:
    """The item a template asks about in a category: fixed by their ids, so that it outlives edits elsewhere."""
    items = catalogue[category]
    return items[int(content_hash([template_id, category], 8), 16) % len(items)]


def pick_categories(natural: Sequence[Sequence[str]], per_template: int) -> list[tuple[str, ...]]:
    """For each template, ``per_template`` of its natural categories (0: all), used evenly.

    Templates choose in their order, each the categories used least so far, so that
    a template added at the end changes nothing before it.

    >>> pick_categories([["toys", "books"], ["toys", "books"], ["books"]], 1)
    [('toys',), ('books',), ('books',)]
    """
    used: dict[str, int] = {}
    picked = []
    for categories in natural:
        ranked = sorted(categories, key=lambda category: used.get(category, 0))
        chosen = set(ranked[: per_template or len(ranked)])
        picked.append(tuple(category for category in categories if category in chosen))
        for category in chosen:
            used[category] = used.get(category, 0) + 1
    return picked


def _amount(price: float) -> str:
    """A price in figures, without cents where there are none.

    >>> _amount(80.0), _amount(7.5)
    ('80', '7.50')
    """
    return f"{price:.0f}" if price == int(price) else f"{price:.2f}"
