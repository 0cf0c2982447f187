"""How far numerical noise moves a decision: precision, batch composition, threads, and the shared-prefix tree.

    python scripts/measure_precision.py [--model embedded:smollm2] [--blocks 8] [--names 8] [--write FILE]

The same decisions are read in several ways. Each way's log-odds are compared with a yardstick:
one prompt at a time, in float64 from the embedding to the logarithm. What names move on the same
prompts stands beside it, since noise matters only against what is to be found.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.compute as pc
import torch

from audit import Config, probes
from audit.backends import exact, models, prompts, trie
from audit.backends.engine import FAITHFUL, Engine, PlainSession, Session, accepted
from audit.backends.local import LocalBackend
from audit.manifest import machine

Reals = npt.NDArray[np.float64]
Units = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Questions:
    """Decisions to ask: tokens, options and forms of each, its block, and the tokens that forms are made of."""

    tokens: Sequence[Sequence[int]]
    names: Sequence[Sequence[str]]
    forms: Sequence[Sequence[Sequence[tuple[int, ...]]]]
    blocks: npt.NDArray[Any]

    @property
    def columns(self) -> list[int]:
        """The tokens whose probabilities are read."""
        return exact.columns(self.forms)


class Yardstick:
    """A session that reads one prompt at a time and keeps the logits' own precision."""

    def __init__(self, model: Any, columns: Sequence[int]) -> None:
        self.model, self.columns = model, list(columns)

    def open(self, asked: Sequence[Sequence[int]]) -> tuple[list[int], Reals]:
        """Natural log-probabilities of the columns behind each prompt."""
        extra = accepted(self.model, {"use_cache": False, "logits_to_keep": 1})
        rows = []
        for run in asked:
            logits = self.model(input_ids=torch.tensor([list(run)]), **extra).logits[0, -1]
            rows.append(logits.double().log_softmax(-1)[self.columns].numpy())
        return list(range(len(asked))), np.stack(rows)

    def extend(self, ends: Sequence[int], tokens: Sequence[Sequence[int]]) -> tuple[list[int], Reals]:
        """Decisions need no second step."""
        raise NotImplementedError


def questions(backend: LocalBackend, blocks: int, names: int) -> Questions:
    """Target decisions of the refund suite: ``blocks`` blocks at even steps, in each the same ``names`` names."""
    personas, table = probes.expand(backend.config)
    kept = [
        row["persona_id"]
        for row in personas.to_pylist()
        if row["cue_channel"] == "name" and not any(axis.startswith("irrelevant:") for axis, _ in row["attributes"])
    ]
    # Names stand in the file group by group: even steps take some of each.
    chosen = [kept[int(step)] for step in np.linspace(0, len(kept) - 1, names)]
    inside = pc.and_(pc.equal(table["arm"], "target"), pc.is_in(table["persona_id"], pc.cast(chosen, "string")))
    table = table.filter(pc.and_(inside, pc.equal(table["purpose"], "audit")))
    every = list(dict.fromkeys(table["block_id"].to_pylist()))
    wanted = [every[int(step)] for step in np.linspace(0, len(every) - 1, blocks)]
    table = table.filter(pc.is_in(table["block_id"], pc.cast(wanted, "string")))
    texts = [prompts.render(backend.tokenizer, messages) for messages in table["messages"].to_pylist()]
    options = table["options"].to_pylist()
    return Questions(
        tokens=prompts.encode(backend.tokenizer, texts),
        names=[[option["id"] for option in row] for row in options],
        forms=[
            [[backend.forms.after(text, form) for form in option["forms"]] for option in row]
            for text, row in zip(texts, options, strict=True)
        ],
        blocks=np.array(table["block_id"].to_pylist()),
    )


def log_odds(asked: Questions, units: Units, session: Callable[[], Session | Yardstick]) -> Reals:
    """Log-odds of the first option against the rest, each unit read in a session of its own; shape (questions,)."""
    found = np.empty(len(asked.tokens))
    for unit in units:
        pick = [[source[place] for place in unit] for source in (asked.tokens, asked.names, asked.forms)]
        answers = exact.decide(session(), asked.columns, *pick)  # type: ignore[arg-type]
        found[list(unit)] = [row.logprobs[0] - float(np.logaddexp.reduce(row.logprobs[1:])) for row in answers]
    return found


def ways(
    asked: Questions, model: Any, precision: str, batch_tokens: int, seed: int
) -> Iterator[tuple[str, Callable[[], Reals]]]:
    """What a precision is read in: name, and the function that reads."""
    shuffled = np.random.default_rng(seed).permutation(len(asked.tokens)).tolist()
    everything = [list(range(len(asked.tokens)))]
    shared = list(trie.units(asked.tokens, batch_tokens))
    mixed = [shuffled[start : start + 17] for start in range(0, len(shuffled), 17)]

    def plain(size: int, units: Units) -> Reals:
        return log_odds(asked, units, lambda: PlainSession(model, asked.columns, size))

    def tree(units: Units) -> Reals:
        engine = Engine(model, precision, batch_tokens, sharing=True)
        with engine.context():
            return log_odds(asked, units, lambda: engine.session(asked.columns))

    yield "one prompt at a time", lambda: plain(1, everything)
    yield "padded batches of 17, shuffled", lambda: plain(4 * batch_tokens, mixed)
    yield f"padded batches of {batch_tokens} tokens", lambda: plain(batch_tokens, everything)
    if Engine(model, precision, batch_tokens).sharing:
        yield "shared-prefix tree, units of 17, shuffled", lambda: tree(mixed)
        yield f"shared-prefix tree, units of {batch_tokens} tokens", lambda: tree(shared)


def within(values: Reals, blocks: npt.NDArray[Any]) -> Reals:
    """Deviations from the mean of each block."""
    _, code = np.unique(blocks, return_inverse=True)
    return np.asarray(values - (np.bincount(code, values) / np.bincount(code))[code], float)


def moves(values: Reals, yardstick: Reals) -> dict[str, float]:
    """How far ``values`` lie from the yardstick, and how many different ones there are (to 1e-4)."""
    gap = values - yardstick
    return {
        "mean": float(gap.mean()),
        "rms": float(np.sqrt((gap**2).mean())),
        "95 %": float(np.quantile(np.abs(gap), 0.95)),
        "max": float(np.abs(gap).max()),
        "distinct": float(np.unique(values.round(4)).size),
    }


def measured(
    backend: LocalBackend, asked: Questions, seed: int, threads: Sequence[int]
) -> tuple[list[tuple[str, str, int, dict[str, float]]], Reals]:
    """Every precision, way and thread count against the yardstick, which is returned too."""
    model = models.load_model(backend.source, "float64")
    everything = [list(range(len(asked.tokens)))]
    yardstick = log_odds(asked, everything, lambda: Yardstick(model, asked.columns))
    del model
    print("float64: read", file=sys.stderr)
    rows = []
    for precision in FAITHFUL:
        try:
            model = models.load_model(backend.source, precision)
            every = list(ways(asked, model, precision, backend.config.model.batch_tokens, seed))
            # Threads matter alike in every way: the others are tried on the last one, which is the audit's own.
            runs = [(*way, threads[0]) for way in every] + [(*every[-1], count) for count in threads[1:]]
            alone: Reals | None = None
            for name, read, count in runs:
                torch.set_num_threads(count)
                values = read()
                alone = values if alone is None else alone
                apart = float(np.sqrt(((values - alone) ** 2).mean()))
                rows.append((precision, name, count, moves(values, yardstick) | {"alone": apart}))
                print(f"{precision}, {name}, {count} threads: rms {rows[-1][-1]['rms']:.2g}", file=sys.stderr)
        except RuntimeError as error:  # a product that this processor has not got in this precision
            print(f"{precision}: left out ({str(error).splitlines()[0]})", file=sys.stderr)
    return rows, yardstick


def figure(value: float) -> str:
    """Two digits that count.

    >>> figure(.06789), figure(0.0000123), figure(0)
    ('0.068', '1.2e-05', '0')
    """
    return f"{value:.2g}"


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--task", default="refund_decision", help="a task of decisions")
    parser.add_argument("--config", type=Path, help="config with suites of your own")
    parser.add_argument("--blocks", type=int, default=8)
    parser.add_argument("--names", type=int, default=8, help="names in each block")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--seed", type=int, default=0, help="of the shuffled batches")
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    given = parser.parse_args()
    config = Config()
    if given.config:
        from audit import load_config

        config = load_config(given.config)
    config = config.changed("model", name=given.model).changed("run", tasks=(given.task,))
    backend = LocalBackend(config)
    asked = questions(backend, given.blocks, given.names)
    with torch.inference_mode():
        rows, yardstick = measured(backend, asked, given.seed, given.threads)
    spread = within(yardstick, asked.blocks)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, torch {torch.__version__}; {given.model}; "
        f"{len(yardstick)} decisions of {given.task} ({given.blocks} blocks × {given.names} names); "
        f"seed {given.seed}; commit {commit or 'unknown'}",
        "",
        "Log-odds of the favourable answer, each less its value in float64, one prompt at a time:",
        "",
        "| precision | read in | threads | mean | rms | 95 % below | largest | rms to first way | different values |",
        "|---|---|---:|---:|---:|---:|---:|---:|---:|",
        *(
            f"| {precision} | {name} | {count} | {figure(found['mean'])} | {figure(found['rms'])} | "
            f"{figure(found['95 %'])} | {figure(found['max'])} | {figure(found['alone'])} | {found['distinct']:.0f} |"
            for precision, name, count, found in rows
        ),
        "",
        "For comparison, in float64: names move the log-odds of a block by "
        f"{figure(float(np.sqrt((spread**2).mean())))} rms ({figure(float(np.abs(spread).max()))} at most) around "
        f"its mean, and the {len(yardstick)} values are {np.unique(yardstick.round(4)).size} different ones.",
    ]
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        head = (
            "# Numerical noise of decisions\n\n"
            "Written by `python scripts/measure_precision.py --write docs/benchmarks/precision.md`.\n\n"
        )
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
