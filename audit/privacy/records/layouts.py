"""Which column of a file holds what: the layouts that are known, and how one is recognised."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from audit.config import ColumnsConfig
from audit.errors import ConfigError
from audit.privacy.records.column_names import names_among, told
from audit.privacy.records.rows import columns_of
from audit.privacy.records.values import IDENTIFIER_TYPES


@dataclass(frozen=True, slots=True)
class Layout:
    """Names of columns. A record's text is its text columns joined by a newline, or its ``turns``.

    ``groups`` maps an axis to a column, ``identifiers`` a type to a column. ``turns`` is a column
    with a list of messages, each with role and content (or from and value).
    """

    name: str
    text: tuple[str, ...] = ()
    id: str | None = None
    customer: str | None = None
    groups: Mapping[str, str] = field(default_factory=dict)
    identifiers: Mapping[str, str] = field(default_factory=dict)
    turns: str | None = None

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that the layout names, each once."""
        one = (self.id, self.customer, *self.text, self.turns, *self.groups.values(), *self.identifiers.values())
        return tuple(dict.fromkeys(column for column in one if column is not None))


AXES: Final = ("gender", "race", "region")  # of generated records

LAYOUTS: Final[Mapping[str, Layout]] = {
    layout.name: layout
    for layout in (
        Layout("amazon-2018", text=("summary", "reviewText"), customer="reviewerID"),
        Layout("amazon-2023", text=("title", "text"), customer="user_id"),
        Layout("yelp", text=("text",), id="review_id", customer="user_id"),
        Layout(
            "generated",  # its id is the record id itself, which the text and the customer give again
            text=("text",),
            customer="customer",
            groups={axis: axis for axis in AXES},
            identifiers={kind: kind.lower() for kind in IDENTIFIER_TYPES},
        ),
    )
}
NAMES: Final = ("auto", *LAYOUTS, "tickets", "chats", "columns")

# Columns that give a layout away.
_SIGNS: Final = {
    "amazon-2018": {"reviewerID", "asin", "reviewText"},
    "amazon-2023": {"user_id", "parent_asin", "text"},
    "yelp": {"review_id", "user_id", "business_id", "text"},
    "generated": {"id", "customer", "text", "person"},
}
# Under what names ticket systems and chat logs keep these; small letters, without a leading "ticket_".
_TICKET_BODY: Final = ("description", "body", "message", "content", "text")
_ID: Final = ("id", "number", "conversation_id", "chat_id", "session_id")
_CUSTOMER: Final = (
    *("customer", "customer_id", "requester", "requester_id", "customer_email", "requester_email", "user", "user_id"),
    *("email", "customer_name", "requester_name"),
)
_TURNS: Final = ("messages", "conversations", "turns")


def find_layout(name: str, path: Path, columns: ColumnsConfig | None = None) -> Layout:
    """Say which column of ``path`` holds what.

    Parameters
    ----------
    name
        One of :data:`NAMES`. "auto" recognises the layout by the file's columns; "columns" takes what
        ``columns`` names alone.
    columns
        A person's own columns, in place of the layout's; groups and identifiers are added to them.

    Raises
    ------
    ConfigError
        If the name, an identifier's type or a column is not known, or nothing says where the text is.
    """
    if name not in NAMES:
        raise ConfigError(f"privacy.layout: unknown name {name!r}; {_suggest(name, NAMES)}")
    path, own = Path(path), columns or ColumnsConfig()
    there = columns_of(path)
    _check_named(path, own, there)
    layout = _base(path, name, there, text_named=bool(own.text or own.turns))
    if own.text or own.turns:
        layout = replace(layout, text=own.text, turns=own.turns)
    if not layout.columns:
        raise ConfigError(
            f'{path}: which column holds the text? Name it in [privacy.columns], text = ["..."]; {_listed(there)}'
        )
    return replace(
        layout,
        id=own.id or layout.id,
        customer=own.customer or layout.customer,
        groups={**layout.groups, **own.groups},
        identifiers={**layout.identifiers, **own.identifiers},
    )


def _base(path: Path, name: str, there: Sequence[str], *, text_named: bool) -> Layout:
    """The layout before a person's own columns are put over it."""
    if name == "auto":
        name = next((known for known, signs in _SIGNS.items() if signs <= set(there)), "")
        if not name:
            return _chats(there) or _tickets(there) or Layout("columns")
    if name == "columns":
        return Layout("columns")
    if name in ("chats", "tickets"):
        found, needed = (_chats(there), "messages") if name == "chats" else (_tickets(there), "subject and description")
    else:
        found, needed = _present(LAYOUTS[name], there), LAYOUTS[name].text[-1]
    if found is None and not text_named:
        raise ConfigError(f"{path}: layout {name} needs a column {needed}; {_listed(there)}")
    return found or Layout(name)


def _present(layout: Layout, there: Sequence[str]) -> Layout | None:
    """The part of a known layout that a file has; None without its text."""
    if layout.text[-1] not in there:
        return None
    return replace(
        layout,
        text=tuple(column for column in layout.text if column in there),
        id=layout.id if layout.id in there else None,
        customer=layout.customer if layout.customer in there else None,
        groups={axis: column for axis, column in layout.groups.items() if column in there},
        identifiers={kind: column for kind, column in layout.identifiers.items() if column in there},
    )


def _chats(columns: Sequence[str]) -> Layout | None:
    turns = next((column for column in _TURNS if column in columns), None)
    if turns is None:
        return None
    return Layout("chats", id=_first(columns, _ID), customer=_first(columns, _CUSTOMER), turns=turns)


def _tickets(columns: Sequence[str]) -> Layout | None:
    subject, body = _first(columns, ("subject",)), _first(columns, _TICKET_BODY)
    if subject is None or body is None:
        return None
    return Layout("tickets", text=(subject, body), id=_first(columns, _ID), customer=_first(columns, _CUSTOMER))


def _first(columns: Sequence[str], wanted: Sequence[str]) -> str | None:
    """The column under the earliest of the wanted names.

    >>> _first(("Ticket ID", "Customer Email"), ("customer", "customer_email"))
    'Customer Email'
    """
    plain = {column.lower().replace(" ", "_").removeprefix("ticket_"): column for column in reversed(columns)}
    return next((plain[name] for name in wanted if name in plain), None)


def _check_named(path: Path, own: ColumnsConfig, there: Sequence[str]) -> None:
    for kind in own.identifiers:
        if kind not in IDENTIFIER_TYPES:
            raise ConfigError(f"privacy.columns.identifiers: unknown type {kind!r}; {_suggest(kind, IDENTIFIER_TYPES)}")
    named = (own.id, own.customer, own.turns, *own.text, *own.groups.values(), *own.identifiers.values())
    for column in named:
        if column is not None and column not in there:
            close = difflib.get_close_matches(column, names_among(there), 1)
            mend = f"did you mean {close[0]!r}?" if close else _listed(there)
            raise ConfigError(f"{path}: there is no column {column!r}; {mend}")


def _suggest(word: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, known, 1)
    return f"did you mean {close[0]!r}?" if close else f"known are {', '.join(known)}"


def _listed(there: Sequence[str]) -> str:
    """The columns, but for what may be a value.

    >>> _listed(("id", "text", "ann@example.com", "212-555-0143"))
    'there are id, text and 2 columns whose names look like data (does the file have a header?)'
    """
    return f"there are {told(there, most=30)}"
