"""A made-up shop's files to plant into, and planting with few canaries."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from audit.privacy.planting import Ledger, plant
from audit.privacy.records import Layout, read_rows, write_rows

LAYOUT = Layout(
    "columns",
    text=("title", "text"),
    id="id",
    customer="customer",
    groups={"gender": "gender", "region": "region"},
    identifiers={"EMAIL_ADDRESS": "email", "PHONE_NUMBER": "phone"},
)
CHATS = Layout("chats", id="id", customer="customer", turns="messages")


def reviews(count: int, customers: int = 80) -> list[dict[str, Any]]:
    """Rows with customers of one to many reviews each."""
    return [
        {
            "id": f"R{number:06}",
            "customer": f"A{number % (customers if number % 3 else customers // 4):05}XK",
            "title": "Kettle",
            "text": f"Review {number}: it boils, it pours, and the lid stays on.",
            "gender": ("female", "male")[number % 2],
            "region": ("north", "south")[number % 3 % 2],
            "email": f"someone{number}@example.com",
            "phone": f"0{number:09}",
            "stars": str(number % 5 + 1),
        }
        for number in range(count)
    ]


def chats(count: int) -> list[dict[str, Any]]:
    """Rows of conversations, their roles named as some tools do."""
    return [
        {
            "id": number,
            "customer": number % 40,
            "messages": [
                {"from": "system", "value": "You answer for a shop."},
                {"from": "human", "value": f"Where is parcel {number}?"},
                {"from": "gpt", "value": "It is on its way."},
            ],
        }
        for number in range(count)
    ]


def plant_into(folder: Path, rows: list[dict[str, Any]] | Path, ending: str = ".jsonl", **options: Any) -> Ledger:
    """Write ``rows`` (or take a file) and plant 40 canaries among them."""
    path = rows if isinstance(rows, Path) else write_rows(folder / f"shop{ending}", rows)
    given: dict[str, Any] = {"layout": LAYOUT, "canaries": 40, "references": 60, "held_out": 0.2, "seed": 5}
    places = {"held_out_path": folder / f"held{ending}", "ledger_path": folder / "ledger.json"}
    return plant(path, folder / f"train{ending}", **(given | places | options))


def rows_in(path: Path) -> list[dict[str, Any]]:
    """All rows of a file."""
    return [row.data for row in read_rows(path)]


def planted_in(path: Path, ledger: Ledger) -> list[dict[str, Any]]:
    """The rows of a file that say what a canary says."""
    texts = {canary.text for canary in ledger.canaries}
    return [row for row in rows_in(path) if row["text"] in texts]
