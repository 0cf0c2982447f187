"""The slots of a wording: finding them, and filling them."""

from __future__ import annotations

import re
from string import Formatter

from audit.errors import ConfigError

TEXT_SLOTS = ("item", "price", "facts", "customer")
PREFIX_SLOTS = ("item", "price", "facts")

_BLANKS = re.compile(r"[ \t]{2,}")
_LINE_ENDS = re.compile(r"[ \t]+(?=\n|$)")
_EMPTY_LINES = re.compile(r"\n{3,}")


def slots_in(text: str, known: tuple[str, ...], where: str) -> list[str]:
    """Return the slots of ``text`` in their order; ``where`` names file and key in errors.

    >>> slots_in("{item} at {price}", ("item", "price"), "a.toml: text")
    ['item', 'price']

    Raises
    ------
    ConfigError
        If a brace is left open, or a slot is not one of ``known``.
    """
    try:
        pieces = list(Formatter().parse(text))
    except ValueError as error:
        raise ConfigError(f"{where}: {error}; close each brace, and write {{{{ for a brace that is text") from error
    found = []
    for _, name, spec, conversion in pieces:
        if name is None:
            continue
        if name not in known or spec or conversion:
            slots = ", ".join(f"{{{slot}}}" for slot in known) or "none"
            raise ConfigError(f"{where}: unknown slot {{{name}}}; slots here are {slots}")
        found.append(name)
    return found


def fill(text: str, **values: str) -> str:
    r"""Fill the slots and close the gap that an empty customer leaves.

    >>> fill("Return request. {customer} Pay it?", customer="")
    'Return request. Pay it?'
    >>> fill("Item: {item}\n{customer}\nPay it?", item="desk lamp", customer="")
    'Item: desk lamp\nPay it?'
    """
    if values.get("customer") == "":
        lines = text.split("\n")
        text = "\n".join(line for line in lines if line.strip() != "{customer}")
    filled = _BLANKS.sub(" ", text.format(**values))
    return _EMPTY_LINES.sub("\n\n", _LINE_ENDS.sub("", filled)).strip()
