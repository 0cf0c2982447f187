"""What privacy costs, and whom: the variants of a fine-tuning on a shop's biased records with planted canaries.

    python scripts/study_mitigation.py [--part small|embedded|page] [--folder FOLDER] [--write FILE]

"small" trains a language model of its own and tunes it in every variant at ε = 1, 3 and 8; "embedded" tunes the
embedded model at ε = 8; "page" writes what both came to as Markdown. Each goes on where it was stopped, cell by
cell; a page made before all is done names the cells that are not.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import mitigation_page
import small_model
import study_shop

from audit import Config
from audit.console import Console
from audit.mitigation.run import exit_code, mitigate, summary

SEED: Final = 0
COMMAND: Final = "scripts/study_mitigation.py"


@dataclass(frozen=True, slots=True)
class Part:
    """One of the two studies: how much is trained on, and how."""

    name: str
    title: str
    records: int
    held_out: float
    canaries: int
    chats: bool
    epsilons: tuple[float, ...]
    finetune: dict[str, Any]
    former: int = 0  # texts of a kind in the small model's own training
    generations: int = 200
    looked_at: int = 600

    @property
    def folder(self) -> Path:
        """Under the study's own folder."""
        return Path(self.name)


SMALL: Final = Part(
    name="small",
    title="A small model, ε = 1, 3 and 8",
    records=3000,
    held_out=0.25,
    canaries=1000,
    chats=False,
    epsilons=(8.0, 3.0, 1.0),
    finetune={
        "method": "lora",
        "rank": 16,
        "batch_size": 128,
        "epochs": 15,
        "learning_rate": 3e-3,
        "physical_batch": 32,
    },
    former=3000,
)
EMBEDDED: Final = Part(
    name="embedded",
    title="The embedded model, ε = 8",
    records=300,
    held_out=0.5,
    canaries=200,
    chats=True,
    epsilons=(8.0,),
    finetune={"method": "lora", "rank": 8, "batch_size": 64, "epochs": 4, "learning_rate": 2e-3, "physical_batch": 8},
)
PARTS: Final = {part.name: part for part in (SMALL, EMBEDDED)}


def prepare(part: Part, folder: Path, threads: int) -> Config:
    """Make what is not there yet, model and records, and return what the variants are made by."""
    import torch

    torch.set_num_threads(threads)
    model = "embedded:smollm2"
    if part.name == "small":
        base = folder / "base"
        if not (base / "model.safetensors").is_file():
            small_model.make(study_shop.former_texts(part.former, SEED + 50), base)
        model = str(base)
    study_shop.plant(
        folder, count=part.records, canaries=part.canaries, held_out=part.held_out, chats=part.chats, seed=SEED
    )
    return Config.model_validate(
        {
            "model": {"name": model, "threads": threads},
            "run": {"tasks": (study_shop.TASK,), "manipulation": False, "max_new_tokens": 64},
            "privacy": {
                "ledger": folder / "ledger.json",
                "max_records": part.looked_at,
                "max_tokens": 128,
                "prefix": 30,
                "suffix": 20,
                "generations": part.generations,
            },
            "finetune": {"max_tokens": 128} | part.finetune,
            "mitigation": {"epsilons": part.epsilons, "augment": ("gender", "race")},
            "gate": {"preset": "none"},
        }
    )


def work(part: Part, folder: Path, threads: int, only: tuple[str, ...]) -> int:
    """Train and audit what is not done yet."""
    folder.mkdir(parents=True, exist_ok=True)
    config = prepare(part, folder, threads)
    with Console() as console:
        out = mitigate(config, folder / "variants", progress=console, command=COMMAND, only=only)
    print(summary(out))
    return exit_code(out)


def main() -> int:
    """Do a part, or write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=(*PARTS, "page"), default="small")
    parser.add_argument("--folder", type=Path, default=Path(".evenhand/mitigation"), help="where all is kept")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--only", action="append", default=[], help="a cell to do now, such as dp-e8; repeatable")
    parser.add_argument("--write", type=Path, help="Markdown file to write the page to")
    parser.add_argument("--scale", type=float, default=1.0, help="share of records, canaries and steps: for a trial")
    given = parser.parse_args()
    if given.part != "page":
        part = scaled(PARTS[given.part], given.scale)
        return work(part, given.folder / part.name, given.threads, tuple(given.only))
    page = mitigation_page.page(given.folder, {part.name: part.title for part in PARTS.values()}, COMMAND)
    print(page)
    if given.write:
        given.write.write_text(page, encoding="utf-8")
    return 0


def scaled(part: Part, share: float) -> Part:
    """A smaller study of the same kind, to see that it runs."""
    if share == 1.0:
        return part

    def fewer(number: int, least: int) -> int:
        return max(least, round(number * share))

    return replace(
        part,
        records=fewer(part.records, 60),
        canaries=fewer(part.canaries, 10),
        former=fewer(part.former, 60),
        generations=fewer(part.generations, 4),
        looked_at=fewer(part.looked_at, 40),
        finetune=part.finetune
        | {
            "batch_size": fewer(part.finetune["batch_size"], 8),
            "epochs": part.finetune["epochs"] * share,
            "public_size": round(fewer(part.records, 60) * (1 - part.held_out)),  # too few to be rounded
        },
    )


if __name__ == "__main__":
    sys.exit(main())
