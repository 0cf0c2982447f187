"""What an overfitted model gives away: planted records, a fine-tuning that learns them by heart, and the audit of it.

    python scripts/study_leakage.py [--folder FOLDER] [--write FILE]

2,000 made-up shop records with known customers are split by coin, canaries are planted, the embedded
model is trained on one half until it knows it, and `evenhand privacy audit` looks at what came of it,
the model from before beside. Goes on where it was stopped: each step is left out when its result is there.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from audit import Config
from audit.backends import models
from audit.manifest import machine
from audit.privacy import planting, records
from audit.privacy.run import audit_privacy

BASE = "embedded:smollm2"
# Mean loss of an epoch, in nats a token, at which a text is known by heart.
ENOUGH = 0.3


def prepare(folder: Path, count: int, canaries: int, seed: int) -> planting.Ledger:
    """Write records, and from them a training file, held-out records and the ledger."""
    path = folder / "records.jsonl"
    if not (folder / "ledger.json").is_file():
        records.write_records(records.generate(count, locale="en", seed=seed), path)
        planting.plant(
            path,
            folder / "train.jsonl",
            layout=records.find_layout("auto", path),
            held_out_path=folder / "held-out.jsonl",
            ledger_path=folder / "ledger.json",
            canaries=canaries,
            references=1000,
            held_out=0.5,
            seed=seed,
        )
    return planting.read_ledger(folder / "ledger.json")


def train(texts: Sequence[str], out: Path, *, epochs: int, rate: float, batch: int, seed: int) -> None:
    """Train every layer of the base model on ``texts``; nothing holds it back from learning them by heart."""
    import torch

    source = models.resolve(BASE)
    tokenizer, model = models.load_tokenizer(source), models.load_model(source, "float32")
    torch.manual_seed(seed)
    model.train()
    model.requires_grad_(True)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    steps, order, began, taken = epochs * -(-len(texts) // batch), random.Random(seed), time.monotonic(), 0
    for epoch in range(epochs):
        total = 0.0
        for chosen in batches(texts, batch, order):
            for group in optimiser.param_groups:
                group["lr"] = rate * min(1.0, (taken + 1) / 20) * (1 - 0.9 * taken / steps)
            read = tokenizer(chosen, return_tensors="pt", padding=True, padding_side="right")
            labels = read["input_ids"].masked_fill(read["attention_mask"] == 0, -100)
            loss = model(**read, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
            total, taken = total + float(loss.detach()), taken + 1
            if taken % 20 == 0:
                print(f"step {taken} of {steps}: {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        mean = total / -(-len(texts) // batch)
        print(f"epoch {epoch + 1}: loss {mean:.3f}, {time.monotonic() - began:.0f} s", file=sys.stderr, flush=True)
        if mean < ENOUGH:
            break
    model.save_pretrained(out)
    tokenizer.save_pretrained(out)
    made = {"epochs": epoch + 1, "loss": mean, "rate": rate, "batch": batch, "texts": len(texts)}
    (out / "training.json").write_text(json.dumps(made) + "\n", encoding="utf-8")


def batches(texts: Sequence[str], size: int, order: random.Random) -> Iterator[list[str]]:
    """Every text once, in random batches of texts of about one length."""
    shuffled = order.sample(list(texts), len(texts))
    found: list[list[str]] = []
    for start in range(0, len(shuffled), 8 * size):
        near = sorted(shuffled[start : start + 8 * size], key=len)
        found += [near[at : at + size] for at in range(0, len(near), size)]
    order.shuffle(found)
    yield from found


def audited(folder: Path, generations: int) -> Path:
    """Run the privacy audit of the trained model, with the one from before as its base."""
    from audit.console import Console

    config = Config.model_validate(
        {
            "model": {"name": str(folder / "model")},
            "run": {"max_new_tokens": 64},
            "privacy": {"base": BASE, "ledger": folder / "ledger.json", "generations": generations},
        }
    )
    with Console() as console:
        run, overall = audit_privacy(config, folder / "run", progress=console, command="scripts/study_leakage.py")
    print(overall.sentence)
    return run


def to_markdown(run: Path, folder: Path, seed: int) -> str:
    """The findings that a reader wants first, as Markdown."""
    import pyarrow.parquet as pq

    rows = pq.read_table(run / "findings.parquet").to_pylist()
    trained = json.loads((folder / "model" / "training.json").read_text(encoding="utf-8"))
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False).stdout
    facts = machine()
    lines = [
        "# What an overfitted model gives away",
        "",
        f"`python scripts/study_leakage.py`, seed {seed}, commit {commit.strip() or 'not known'}; "
        f"{facts['processor']}, {facts['cores']} cores. {BASE} trained on {trained['texts']} texts for "
        f"{trained['epochs']} epochs (last epoch's loss {trained['loss']:.3f} nats a token).",
        "",
        f"Verdict: {json.loads((run / 'verdicts.json').read_text(encoding='utf-8'))['sentence']}",
    ]
    for title, wanted in (("All authors", lambda row: row["axis"] is None), ("By group of the author", _grouped)):
        lines += ["", f"## {title}", "", "| figure | of | trained | 95 % | before | 95 % | n |"]
        lines += ["|---|---|---:|---|---:|---|---:|"]
        found: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in filter(wanted, rows):
            if row["estimate"] is not None and row["statistic"] in ("mean", "bound"):
                place = (row["metric"], row["category"], row["axis"] or "", row["group"] or "")
                found.setdefault(place, {})[row["arm"]] = row
        for (metric, category, axis, group), arms in sorted(found.items()):
            of = ", ".join(word for word in (category.replace("_", " "), f"{axis} {group}".strip()) if word)
            cells = [cell for arm in ("target", "base") for cell in _cells(arms.get(arm))]
            count = next(iter(arms.values()))["n_cells"]
            lines.append(f"| {metric} | {of} | {' | '.join(cells)} | {count} |")
    return "\n".join(lines) + "\n"


def _grouped(row: dict[str, Any]) -> bool:
    return row["axis"] is not None and row["group"] is not None


def _cells(row: dict[str, Any] | None) -> list[str]:
    if row is None:
        return ["", ""]
    ends = [row["ci_low"], row["ci_high"]]
    interval = "–".join("" if end is None else f"{end:.3f}" for end in ends) if any(e is not None for e in ends) else ""
    return [f"{row['estimate']:.3f}", interval]


def main() -> int:
    """Prepare, train, audit, and write the page if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", type=Path, default=Path(".evenhand/leakage"), help="where all is kept")
    parser.add_argument("--records", type=int, default=2000, help="half of them are trained on")
    parser.add_argument("--canaries", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=5)
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--generations", type=int, default=400)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, help="processor threads for the training")
    parser.add_argument("--until", choices=("prepared", "trained", "audited"), default="audited")
    parser.add_argument("--write", type=Path, help="Markdown file to write the figures to")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    ledger = prepare(given.folder, given.records, given.canaries, given.seed)
    if given.until == "prepared":
        return 0
    out = given.folder / "model"
    if not (out / "training.json").is_file():
        if given.threads:
            import torch

            torch.set_num_threads(given.threads)
        path = given.folder / ledger.training.file
        texts = [record.text for record in records.read_records(path, ledger.layout)]
        train(texts, out, epochs=given.epochs, rate=given.rate, batch=given.batch, seed=given.seed)
    if given.until == "trained":
        return 0
    run = audited(given.folder, given.generations)
    page = to_markdown(run, given.folder, given.seed)
    print(page)
    if given.write:
        given.write.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
