"""How much longer a private training step takes, and how much more memory, than the same step without privacy.

    python scripts/benchmark_dp.py [--model embedded:smollm2] [--turns 7] [--write docs/benchmarks/dp.md]

Time: in one process a private and a plain training of the same weights take steps in turns, and in every second pair
the private one goes first, so that what else the machine does falls on both; the figure is the median of the pairs'
ratios. Memory: the peak of a process of its own for each, from the first step on (on a GPU: what torch allocated). The
plain training has the same batch, loss, optimizer and precision. Bookkeeping computes head and loss in one, which is
no matter of privacy; so it stands beside a plain training that does the same, too.
"""

from __future__ import annotations

import argparse
import gc
import json
import statistics
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import torch

from audit.backends import models
from audit.manifest import machine
from audit.mitigation.clipping import engine_for
from audit.mitigation.clipping.head import head_of, passed_over, through
from audit.mitigation.data import collate
from audit.mitigation.losses import unit_losses
from audit.mitigation.values import Batch, Unit

METHODS: Final = {
    "lora-float32": "LoRA, float32 base",
    "lora-bfloat16": "LoRA, bfloat16 base",
    "full": "full, float32",
}
CLIPPINGS: Final = ("bookkeeping", "hooks", "ghost")
PLAIN, LEAN = "plain", "plain, head and loss in one"
GOALS: Final = {"lora-float32": (1.05, 1.05), "lora-bfloat16": (1.05, 1.05), "full": (1.25, 1.30)}


def prepared(given: argparse.Namespace, method: str) -> Any:
    """The model, with what is trained made trainable."""
    precision = "bfloat16" if method == "lora-bfloat16" else "float32"
    model: Any = models.load_model(models.resolve(given.model), precision).train()
    if method == "full":
        return model.requires_grad_(True)
    from peft import LoraConfig, get_peft_model

    chosen = LoraConfig(r=given.rank, lora_alpha=2 * given.rank, target_modules="all-linear", task_type="CAUSAL_LM")
    with warnings.catch_warnings():  # PEFT asks transformers by a name that it calls old
        warnings.filterwarnings("ignore", message=".*is_gradient_checkpointing", category=FutureWarning)
        return get_peft_model(model, chosen)


def batch_of(given: argparse.Namespace, vocabulary: int) -> Batch:
    """Texts of tokens at random, all of full length."""
    rows = torch.randint(0, vocabulary, (given.batch, given.tokens), generator=torch.Generator().manual_seed(0))
    units = [Unit(str(place), (tuple(row),)) for place, row in enumerate(rows.tolist())]
    return collate(units, pad=0, device=models.device())


def step_of(given: argparse.Namespace, method: str, side: str) -> Callable[[], None]:
    """One step of a training, ready to be taken."""
    model = prepared(given, method)
    batch = batch_of(given, model.config.vocab_size)
    trained = [p for p in model.parameters() if p.requires_grad]
    inner = torch.optim.AdamW(trained, lr=1e-5, weight_decay=0.0, fused=True)
    if side in (PLAIN, LEAN):
        backward = _plain if side == PLAIN else _lean(model)

        def plain() -> None:
            backward(model, batch)
            inner.step()
            inner.zero_grad()

        return plain
    engine = engine_for(
        model,
        inner,
        clipping=side,  # type: ignore[arg-type]
        max_grad_norm=1.0,
        noise_multiplier=1.0,
        divisor=float(given.batch),
    )
    generator = torch.Generator(device=models.device()).manual_seed(0)

    def private() -> None:
        engine.backward(batch)
        engine.optimizer.generator = generator
        engine.optimizer.step()
        engine.optimizer.zero_grad()

    return private


def _plain(model: Any, batch: Batch) -> None:
    (unit_losses(model, batch).sum() / batch.units).backward()  # type: ignore[no-untyped-call]


def _lean(model: Any) -> Callable[[Any, Batch], None]:
    head = head_of(model)
    if head is None:
        return _plain

    def backward(model: Any, batch: Batch) -> None:
        with passed_over(head):
            hidden = model(
                input_ids=batch.input_ids,
                attention_mask=batch.attention_mask,
                position_ids=batch.position_ids,
                use_cache=False,
            ).logits
        found = through(head, hidden, batch, keep=head.weight.requires_grad)
        if found.logits is not None:
            head.weight.grad = found.logits.flatten(0, 1).mT @ hidden.detach()[:, :-1].flatten(0, 1)
        hidden.backward(found.hidden)

    return backward


def seconds(step: Callable[[], None]) -> float:
    """How long a step takes."""
    _wait()
    start = time.perf_counter()
    step()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def measure_time(given: argparse.Namespace, method: str, side: str, against: str) -> dict[str, float]:
    """Median seconds of ``side`` and of ``against`` in turns, and the median of their ratios."""
    steps = {name: step_of(given, method, name) for name in (side, against)}
    for step in steps.values():  # to warm up
        step()
    turns = []
    for number in range(given.turns):
        order = (side, against) if number % 2 else (against, side)
        turns.append({name: seconds(steps[name]) for name in order})
    return {
        "seconds": statistics.median(turn[side] for turn in turns),
        "against": statistics.median(turn[against] for turn in turns),
        "ratio": statistics.median(turn[side] / turn[against] for turn in turns),
    }


def measure_memory(given: argparse.Namespace, method: str, side: str) -> dict[str, float]:
    """Peak of two steps, MB."""
    step = step_of(given, method, side)
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")  # what loading took is no matter
    step()
    step()
    if torch.cuda.is_available():
        return {"peak": torch.cuda.max_memory_allocated() / 2**20}
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return {"peak": int(status.split("VmHWM:")[1].split()[0]) / 1024}


def child(given: argparse.Namespace, *words: str) -> dict[str, float]:
    """Measure in a process of its own."""
    shared = {"model": given.model, "batch": given.batch, "tokens": given.tokens, "rank": given.rank}
    options = [str(word) for name, value in (shared | {"turns": given.turns}).items() for word in (f"--{name}", value)]
    command = [sys.executable, __file__, *options, "--child", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    print(*words, done.stdout.strip(), file=sys.stderr)
    found: dict[str, float] = json.loads(done.stdout)
    return found


def rows_of(given: argparse.Namespace, method: str) -> list[str]:
    """Rows of the table for one method."""
    sides = (PLAIN, *((LEAN,) if "bookkeeping" in given.clippings else ()), *given.clippings)
    peaks = {side: child(given, "memory", method, side)["peak"] for side in sides}
    time_goal, memory_goal = GOALS[method]
    rows = []
    for side in given.clippings:
        found = child(given, "time", method, side, PLAIN)
        lean = child(given, "time", method, side, LEAN)["ratio"] if side == "bookkeeping" else None
        goals = f"{time_goal:.2f} / {memory_goal:.2f}" if side == "bookkeeping" else ""
        rows.append(
            f"| {METHODS[method]} | {side} | {found['ratio']:.2f} | {peaks[side] / peaks[PLAIN]:.2f} | {goals} | "
            + (f"{lean:.2f} / {peaks[side] / peaks[LEAN]:.2f}" if lean is not None else "")
            + f" | {found['against']:.2f} | {peaks[PLAIN]:,.0f} |"
        )
    return rows


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--batch", type=int, default=8, help="units in a step")
    parser.add_argument("--tokens", type=int, default=128, help="tokens of each")
    parser.add_argument("--rank", type=int, default=16, help="of the adapters")
    parser.add_argument("--turns", type=int, default=7, help="pairs of steps that are timed")
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    parser.add_argument("--clippings", nargs="+", choices=CLIPPINGS, default=list(CLIPPINGS))
    parser.add_argument("--write", type=Path, help="Markdown file to write the figures to")
    parser.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child:
        kind, *words = given.child
        found = measure_time(given, *words) if kind == "time" else measure_memory(given, *words)
        print(json.dumps(found))
        return 0
    table = [row for method in given.methods for row in rows_of(given, method)]
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    where = (
        torch.cuda.get_device_name()
        if torch.cuda.is_available()
        else f"{facts['processor']}, {facts['cores']} cores, {torch.get_num_threads()} threads"
    )
    lines = [
        f"{where}, torch {torch.__version__}; {given.model}; {given.batch} units of {given.tokens} tokens; "
        f"adapters of rank {given.rank}; {given.turns} turns; commit {commit or 'unknown'}",
        "",
        "Time and memory as ratios to the same training without privacy:",
        "",
        "| training | clipping | time | memory | goals | ratios with head and loss in one in both | plain, s a step "
        "| plain, peak MB |",
        "|---|---|---:|---:|---:|---:|---:|---:|",
        *table,
    ]
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        head = "# Private training\n\nWritten by `python scripts/benchmark_dp.py --write docs/benchmarks/dp.md`.\n\n"
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
