"""How fast local models answer, as ratios measured side by side in one run on the same prompts.

    python scripts/benchmark_local.py [--model embedded:smollm2] [--blocks 5] [--write docs/benchmarks/local.md]

Decisions: the audit's shared-prefix tree against one forward pass a prompt and against
padded batches without sharing, all scoring the same options whole at the precision of
the audit; and against what the machine's matrix product would allow over the token
trie, if nothing else took any time. Texts: the audit's batches against one ``generate``
a prompt in float32. Every figure is the best of several repetitions.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
import torch

from audit import Config, probes
from audit.backends import exact, models, prompts, trie
from audit.backends.engine import padded
from audit.backends.local import LocalBackend
from audit.backends.sampling import Sampling, sample, uniforms
from audit.manifest import machine

REPEATS = 3


def timed(work: Callable[[], Any], repeats: int = REPEATS) -> float:
    """Seconds of the fastest of ``repeats`` runs, after one to warm up."""
    work()
    found = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def matrix_limit(hidden: int, wide: int, rows: int, dtype: torch.dtype) -> float:
    """Best floating-point operations a second of a matrix product, over the model's own shapes and a large square."""
    found = []
    for inner, outer in ((hidden, wide), (wide, hidden), (hidden, hidden), (2048, 2048)):
        left, right = torch.randn(rows, inner, dtype=dtype), torch.randn(outer, inner, dtype=dtype)
        seconds = timed(lambda a=left, b=right: [torch.nn.functional.linear(a, b) for _ in range(10)])  # type: ignore[misc]
        found.append(10 * 2 * rows * inner * outer / seconds)
    return max(found)


def whole_sequences(
    tokens: Sequence[Sequence[int]], forms: Sequence[Sequence[Sequence[tuple[int, ...]]]]
) -> list[list[int]]:
    """What scoring without sharing must run: each prompt with the beginnings of forms that no other begins with."""
    found = []
    for prompt, options in zip(tokens, forms, strict=True):
        beginnings = {form[:-1] for option in exact.without_extensions(options) for form in option}
        longest = [
            one for one in beginnings if not any(other[: len(one)] == one and other != one for other in beginnings)
        ]
        found += [[*prompt, *beginning] for beginning in longest]
    return found


def forward(model: Any, sequences: Sequence[Sequence[int]]) -> None:
    """One padded forward pass; the logits of the last two places are enough for the options here."""
    ids, mask = padded(sequences)
    positions = (mask.cumsum(1) - 1).clamp(min=0)
    logits = model(input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=2).logits
    logits.float().log_softmax(-1)


def decisions(backend: LocalBackend, blocks: int) -> dict[str, float]:
    """Prompts a second, by each way, on every target decision of ``blocks`` blocks.

    The blocks stand at even steps of how much their prompts share, so that they are
    like the audit's own on average.
    """
    _, table = probes.expand(backend.config)
    table = table.filter(pc.and_(pc.equal(table["output_form"], "decision"), pc.equal(table["arm"], "target")))
    rendered = [prompts.render(backend.tokenizer, messages) for messages in table["messages"].to_pylist()]
    encoded = prompts.encode(backend.tokenizer, rendered)
    of_block: dict[str, list[int]] = {}
    for row, block in enumerate(table["block_id"].to_pylist()):
        of_block.setdefault(block, []).append(row)
    ranked = sorted(of_block.values(), key=lambda rows: trie.size([encoded[row] for row in rows]) / len(rows))
    steps = [ranked[int((step + 0.5) * len(ranked) / blocks)] for step in range(blocks)]
    kept = [row for rows in steps for row in rows]
    part = table.take(kept)
    texts, tokens = [rendered[row] for row in kept], [encoded[row] for row in kept]
    options = part["options"].to_pylist()
    forms = [
        [[backend.forms.after(text, form) for form in option["forms"]] for option in row]
        for text, row in zip(texts, options, strict=True)
    ]
    names = [[option["id"] for option in row] for row in options]
    columns = exact.columns(forms)
    units = list(trie.units(tokens, backend.config.model.batch_tokens))
    plain = sorted(whole_sequences(tokens, forms), key=len)
    model = backend.exact_model

    def shared() -> None:
        with backend.engine.context():
            for unit in units:
                pick = [[source[place] for place in unit] for source in (tokens, names, forms)]
                exact.decide(backend.engine.session(columns), columns, *pick)  # type: ignore[arg-type]

    def one_by_one() -> None:
        for run in plain[:: max(1, len(plain) // 32)]:
            forward(model, [run])

    def batched(sequences: Sequence[Sequence[int]], size: int) -> None:
        for start in range(0, len(sequences), size):
            forward(model, sequences[start : start + size])

    sampled = len(plain[:: max(1, len(plain) // 32)]) / len(plain)
    head = model.get_output_embeddings().weight
    body = model.num_parameters() - model.get_input_embeddings().weight.numel()
    body -= 0 if model.config.tie_word_embeddings else head.numel()
    beginnings = [
        [*prompt, *form[:-1]] for prompt, row in zip(tokens, forms, strict=True) for option in row for form in option
    ]
    ends = len({tuple(run) for run in beginnings})
    work = 2 * body * trie.size(beginnings) + 2 * head.numel() * ends
    limit = matrix_limit(model.config.hidden_size, model.config.intermediate_size, 1536, head.dtype)
    few = plain[:: max(1, len(plain) // 64)]
    sizes = {size: timed(lambda size=size: batched(few, size), 1) for size in (8, 16, 32, 64)}  # type: ignore[misc]
    best_size = min(sizes, key=lambda size: sizes[size])
    best_batch = timed(lambda: batched(plain, best_size), 1)
    return {
        "prompts": float(len(tokens)),
        "tokens a prompt": sum(map(len, tokens)) / len(tokens),
        "trie tokens a prompt": trie.size(beginnings) / len(tokens),
        "shared prefixes, prompts/s": len(tokens) / timed(shared),
        "one by one, prompts/s": len(tokens) * sampled / timed(one_by_one, 1),
        "padded batches, prompts/s": len(tokens) / best_batch,
        "matrix product, GFLOP/s": limit / 1e9,
        "matrix limit over the trie, prompts/s": limit * len(tokens) / work,
    }


def texts(backend: LocalBackend, count: int, seed: int) -> dict[str, float]:
    """New tokens a second, by each way; only tokens that were written count."""
    _, table = probes.expand(backend.config)
    table = table.filter(pc.equal(table["output_form"], "text")).slice(0, count)
    rendered = [prompts.render(backend.tokenizer, messages) for messages in table["messages"].to_pylist()]
    tokens = sorted(prompts.encode(backend.tokenizer, rendered), key=len)
    length = backend.config.run.max_new_tokens
    noise = np.stack([uniforms(seed, str(row), 0, length) for row in range(len(tokens))])

    def ours() -> float:
        size = backend.config.model.batch_size
        start = time.perf_counter()
        made = 0
        for place in range(0, len(tokens), size):
            chunk = slice(place, place + size)
            how = Sampling(length)
            found = sample(
                backend.text_model, backend.tokenizer, tokens[chunk], noise[chunk], how, reading=backend.reading
            )
            made += sum(text.tokens for text in found)
        return made / (time.perf_counter() - start)

    def plain() -> float:
        model = models.load_model(backend.source, "float32")
        start = time.perf_counter()
        made = 0
        for run in tokens[:: max(1, len(tokens) // 8)]:
            ids = torch.tensor([run])
            out = model.generate(
                ids, attention_mask=torch.ones_like(ids), do_sample=True, max_new_tokens=length, pad_token_id=0
            )
            made += out.shape[1] - len(run)
        return made / (time.perf_counter() - start)

    return {
        "texts": float(len(tokens)),
        "batches, tokens/s": max(ours() for _ in range(2)),
        "one generate a prompt, tokens/s": max(plain() for _ in range(2)),
    }


def main() -> int:
    """Measure, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="embedded:smollm2")
    parser.add_argument("--blocks", type=int, default=5, help="blocks of decisions to time, 114 prompts each")
    parser.add_argument("--texts", type=int, default=128, help="texts to time")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--write", type=Path, help="Markdown file to write the table to")
    given = parser.parse_args()
    backend = LocalBackend(Config().changed("model", name=given.model))
    with torch.inference_mode():
        decided = decisions(backend, given.blocks)
        written = texts(backend, given.texts, given.seed)
    shared = decided["shared prefixes, prompts/s"]
    better = max(decided["one by one, prompts/s"], decided["padded batches, prompts/s"])
    ratios = {
        "decisions: shared prefixes / better of the two without": shared / better,
        "decisions: shared prefixes / matrix limit": shared / decided["matrix limit over the trie, prompts/s"],
        "texts: batches / one generate a prompt": written["batches, tokens/s"]
        / written["one generate a prompt, tokens/s"],
    }
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    facts = machine()
    precisions = (
        f"decisions in {given.model} {backend.config.model.decision_precision}, texts in {backend.text_precision}"
    )
    lines = [
        f"{facts['processor']}, {facts['cores']} cores, torch {torch.__version__}; {precisions}; "
        f"seed {given.seed}; commit {commit or 'unknown'}",
        "",
        "| ratio | |",
        "|---|---:|",
        *(f"| {name} | {value:.2f} |" for name, value in ratios.items()),
        "",
        "| figure | |",
        "|---|---:|",
        *(f"| {name} | {value:.1f} |" for name, value in (decided | written).items()),
    ]
    print("\n".join(lines))
    if given.write:
        given.write.parent.mkdir(parents=True, exist_ok=True)
        head = "# Local speed\n\nWritten by `python scripts/benchmark_local.py --write docs/benchmarks/local.md`.\n\n"
        given.write.write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
