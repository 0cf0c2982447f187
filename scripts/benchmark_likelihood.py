"""How fast passages are scored, against the model's own forward pass side by side in one run, and in how much memory.

    python scripts/benchmark_likelihood.py [--records 1000] [--tokens 256] [--write docs/benchmarks/likelihood.md]

Speed: blocks of the same batches are given in turn to ``model(input_ids, attention_mask)`` and to
the audit, which also takes the statistics of every token and writes them to disk; in every second
pair the audit goes first, so that what else the machine does falls on both. Memory: the peak of
a process of its own for each number of records, all of the stage in it. Stopping: a process is
killed midway, started again, and its table compared byte by byte with that of one that ran through.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import torch

from audit import Config, probes, tables
from audit.config import ModelConfig
from audit.manifest import file_hash, machine
from audit.privacy.likelihood import Passage, Scorer, score_passages
from audit.privacy.likelihood.heads import padded
from audit.privacy.likelihood.planning import encode, plan
from audit.privacy.likelihood.stage import read_batch

GOAL = 0.8
BATCH_TOKENS = 2048
# Batches that one side scores before it is the other's turn.
BLOCK = 4
TABLE: Final = "likelihoods"


def passages(count: int, tokens: int, seed: int) -> list[Passage]:
    """Texts of the audit's own prompts, shuffled and strung together until each is longer than ``tokens``."""
    _, asked = probes.expand(Config())
    texts = sorted({message["content"] for messages in asked["messages"].to_pylist() for message in messages})
    rng = np.random.default_rng(seed)
    found = []
    for number in range(count):
        words: list[str] = []
        while len(words) < tokens:  # a word is a token at least
            words += texts[rng.integers(len(texts))].split(" ")
        found.append(Passage(f"p{number:06}", " ".join(words)))
    return found


def speed(model: str, records: int, tokens: int, seed: int) -> dict[str, float]:
    """Tokens a second of the plain forward pass and of the audit, on the same batches; and by processor time."""
    scorer = Scorer(ModelConfig(name=model))
    texts = passages(records, tokens, seed)
    encoded = [encode(scorer.tokenizer, text, tokens) for text in texts]
    batches = plan([len(text.tokens) for text in encoded], BATCH_TOKENS)
    seconds = dict.fromkeys(("plain", "ours", "plain, processor", "ours, processor"), 0.0)
    read, ratios = 0, []

    def plain(rows: Sequence[int]) -> None:
        ids, mask = padded([encoded[row].tokens for row in rows], scorer.model.device)
        with torch.inference_mode():
            scorer.model(input_ids=ids, attention_mask=mask)

    with tempfile.TemporaryDirectory() as folder:

        def ours(rows: Sequence[int]) -> None:
            table = read_batch(scorer, [texts[row].passage_id for row in rows], [encoded[row] for row in rows])
            tables.write(TABLE, table, Path(folder) / f"{rows[0]:06}.parquet")

        sides = {"plain": plain, "ours": ours}
        for side in sides.values():  # to warm up
            side(batches[0].rows.tolist())
        for number, start in enumerate(range(0, len(batches), BLOCK)):
            block = [batch.rows.tolist() for batch in batches[start : start + BLOCK]]
            read += sum(len(encoded[row].tokens) for rows in block for row in rows)
            before = dict(seconds)
            for name in ("plain", "ours") if number % 2 == 0 else ("ours", "plain"):
                began, busy = time.perf_counter(), time.process_time()
                for rows in block:
                    sides[name](rows)
                seconds[name] += time.perf_counter() - began
                seconds[f"{name}, processor"] += time.process_time() - busy
            ratios.append((seconds["plain"] - before["plain"]) / (seconds["ours"] - before["ours"]))
            print(f"{read:,} tokens, ratio {ratios[-1]:.3f}", file=sys.stderr)
    return {name: read / spent for name, spent in seconds.items()} | {"median": float(np.median(ratios))}


def score(model: str, records: int, tokens: int, seed: int, folder: Path) -> dict[str, float]:
    """Run the whole stage in this process, write its table, and tell the peak memory in MB."""
    texts = passages(records, tokens, seed)
    found = score_passages(
        folder, ModelConfig(name=model), texts, table=TABLE, max_tokens=tokens, batch_tokens=BATCH_TOKENS
    )
    tables.write(TABLE, found, folder / f"{TABLE}.parquet")
    return {"peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "rows": found.num_rows}


def child(given: argparse.Namespace, records: int, tokens: int, folder: Path) -> list[str]:
    """The command that runs :func:`score` in a process of its own."""
    words = ["--model", given.model, "--records", records, "--tokens", tokens, "--seed", given.seed, "--child", folder]
    return [sys.executable, __file__, *map(str, words)]


def memory(given: argparse.Namespace, records: int) -> float:
    """Peak memory, MB, of a process that scores so many records."""
    with tempfile.TemporaryDirectory() as folder:
        command = child(given, records, given.memory_tokens, Path(folder))
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(f"{records:,} records: {done.stdout.strip()}", file=sys.stderr)
    return float(json.loads(done.stdout)["peak"])


def killed(given: argparse.Namespace, records: int) -> tuple[int, int, bool]:
    """Batches that were on disk when the process was killed, all batches, and whether it ended with the same bytes."""
    with tempfile.TemporaryDirectory() as name:
        whole, stopped = Path(name) / "whole", Path(name) / "stopped"
        subprocess.run(child(given, records, given.tokens, whole), stdout=subprocess.DEVNULL, check=True)
        count = _parts(whole)
        with subprocess.Popen(child(given, records, given.tokens, stopped), stdout=subprocess.DEVNULL) as process:
            while _parts(stopped) < count // 2:
                if process.poll() is not None:
                    raise SystemExit("the process ended before it could be killed")
                time.sleep(0.01)
            os.kill(process.pid, signal.SIGKILL)
        kept = _parts(stopped)
        subprocess.run(child(given, records, given.tokens, stopped), stdout=subprocess.DEVNULL, check=True)
        same = file_hash(whole / f"{TABLE}.parquet") == file_hash(stopped / f"{TABLE}.parquet")
        return kept, count, same


def _parts(folder: Path) -> int:
    return len(list(folder.glob(f"{TABLE}.parts-*/[0-9]*.parquet")))


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--records", type=int, default=1000, help="records whose scoring is timed")
    parser.add_argument("--tokens", type=int, default=256, help="tokens of each")
    parser.add_argument("--memory", type=int, nargs=2, default=[500, 2000], help="two numbers of records")
    parser.add_argument("--memory-tokens", type=int, help="tokens of each there; as many as --tokens by default")
    parser.add_argument("--killed", type=int, default=80, help="records of the process that is killed; 0: none is")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", "--out", type=Path, help="Markdown file to write the figures to")
    parser.add_argument("--child", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        print(json.dumps(score(given.model, given.records, given.tokens, given.seed, given.child)))
        return 0
    given.memory_tokens = given.memory_tokens or given.tokens
    few, many = given.memory
    peaks = memory(given, few), memory(given, many)
    kept, batches, same = killed(given, given.killed) if given.killed else (0, 0, True)
    rates = speed(given.model, given.records, given.tokens, given.seed)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, {torch.get_num_threads()} threads, torch {torch.__version__}; "
        f"{given.model} in float32; seed {given.seed}; commit {commit or 'unknown'}",
        "",
        "| figure | |",
        "|---|---:|",
        f"| plain forward pass, tokens/s | {rates['plain']:.1f} |",
        f"| scored, tokens/s | {rates['ours']:.1f} |",
        f"| scored / plain; the goal is {GOAL} | {rates['ours'] / rates['plain']:.3f} |",
        f"| the same, median of the turns | {rates['median']:.3f} |",
        f"| the same by processor time | {rates['ours, processor'] / rates['plain, processor']:.3f} |",
        f"| peak memory at {few:,} records, MB | {peaks[0]:,.0f} |",
        f"| peak memory at {many:,} records, MB | {peaks[1]:,.0f} |",
        f"| their ratio | {peaks[1] / peaks[0]:.3f} |",
        "",
        f"Speed: {given.records:,} records of {given.tokens} tokens, {BATCH_TOKENS:,} in a batch, both sides in turns "
        f"of {BLOCK} batches. Memory: records of {given.memory_tokens} tokens.",
    ]
    if given.killed:
        lines += [
            "",
            f"Killed after {kept} of {batches} batches and started again: the table has "
            f"{'the same bytes' if same else 'OTHER BYTES'} as that of a process that ran through.",
        ]
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        head = (
            "# Scoring of passages\n\n"
            "Written by `python scripts/benchmark_likelihood.py --write docs/benchmarks/likelihood.md`.\n\n"
        )
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
