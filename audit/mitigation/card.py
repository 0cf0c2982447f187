"""The model card: README.md beside the weights, made from the privacy statement alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from audit.mitigation.bases import ADAPTERS
from audit.mitigation.statement import NAME, PrivacyStatement, Promise
from audit.tables import replacing

CARD: Final = "README.md"
# Of embedded models, which a hub knows by another name.
_ON_HUBS: Final = {"embedded:smollm2": "HuggingFaceTB/SmolLM2-135M-Instruct"}


def write_card(folder: Path, statement: PrivacyStatement) -> Path:
    """Write the card of the model in ``folder``, over one that PEFT may have left there."""
    adapters = (folder / ADAPTERS).is_file()
    with replacing(folder / CARD) as temporary:
        temporary.write_text(card(statement, adapters=adapters), encoding="utf-8")
    return folder / CARD


def card(statement: PrivacyStatement, *, adapters: bool) -> str:
    """The card's text; ``adapters``: the folder holds adapters and not a whole model."""
    parts = [
        _front(statement, adapters),
        "# A fine-tuned language model",
        _what(statement, adapters),
        "## Privacy",
        statement.in_words,
        *([] if statement.promise is None else [_table(statement.promise, statement.seed)]),
        "## What is not covered",
        "\n".join(f"* {sentence}" for sentence in statement.not_covered),
        "## How to load it",
        _loading(statement, adapters),
        "## How to check the statement",
        _checking(statement),
    ]
    return "\n\n".join(parts) + "\n"


def _front(statement: PrivacyStatement, adapters: bool) -> str:
    """Front matter as model hubs read it; JSON strings are YAML strings."""
    base = _ON_HUBS.get(statement.base.name, statement.base.name.removeprefix("hf:"))
    fields: dict[str, Any] = {"base_model": base} if "/" in base else {}
    fields["library_name"] = "peft" if adapters else "transformers"
    fields["pipeline_tag"] = "text-generation"
    private = ["differential-privacy", "dp-sgd"] if statement.private else []
    fields["tags"] = ["evenhand", *private, *(["lora"] if statement.trained.method == "lora" else [])]
    return "\n".join(
        ["---", *(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()), "---"]
    )


def _what(statement: PrivacyStatement, adapters: bool) -> str:
    trained, base = statement.trained, statement.base
    how = f"low-rank adapters (rank {trained.rank})" if trained.method == "lora" else "every layer"
    revision = f" ({base.revision})" if base.revision else ""
    kept = "This folder holds the adapters; the base model is loaded beneath them." if adapters else ""
    if statement.merged_from:
        kept = "The adapters are merged into the weights: this folder holds a whole model."
    return (
        f"{base.name}{revision}, fine-tuned by evenhand {statement.evenhand} on {statement.created[:10]}: {how}, "
        f"{trained.parameters:,} parameters, texts of up to {trained.max_tokens} tokens. {kept}"
    ).rstrip()


def _table(promise: Promise, seed: str) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in _facts(promise, seed))
    return f"| | |\n|---|---|\n{rows}"


def _facts(promise: Promise, seed: str) -> Iterator[tuple[str, str]]:
    sampled = promise.sampling
    yield "epsilon", f"{promise.epsilon:.6g}"
    yield "delta", f"{promise.delta:.6g}"
    yield "what is protected", promise.unit_means
    yield "neighbouring data", promise.adjacency
    for found in promise.accountants:
        yield f"accountant: {found.name} ({found.version})", f"epsilon {found.epsilon:.6g}"
    yield "sampling", f"Poisson, each unit with probability {sampled.sample_rate:.6g} a step"
    lost = f", of which {sampled.steps_lost:,} were lost in crashes" if sampled.steps_lost else ""
    yield "steps", f"{sampled.steps_paid:,} paid{lost}; {sampled.steps_planned:,} planned"
    yield "noise multiplier", f"{promise.noise_multiplier:.6g}"
    yield "clipping norm", f"{promise.max_grad_norm:.6g} ({promise.clipping})"
    yield "divisor of the noised sum", f"{sampled.divisor:.6g}"
    yield "number of units, as given out", f"{promise.public_size:,}"
    yield "noise comes from", "the operating system" if seed == "system" else "a seed that a person gave"


def _loading(statement: PrivacyStatement, adapters: bool) -> str:
    code = [
        "from transformers import AutoModelForCausalLM, AutoTokenizer",
        "",
        'model = AutoModelForCausalLM.from_pretrained("FOLDER")',
        'tokenizer = AutoTokenizer.from_pretrained("FOLDER")',
    ]
    text = "\n".join(["```python", *code, "```"])
    if not adapters:
        return text
    embedded = statement.base.name.startswith("embedded:")
    instead = "`/base`" if embedded else "the base model's name on a hub"
    text += (
        f"\n\nThe package peft must be installed. `{ADAPTERS}` says where the base model lies; if that is a folder, it "
        f"is one of the machine that trained: write {instead} in its place before these files are given away."
    )
    if embedded:
        text += (
            f" The base model is evenhand's {statement.base.name}, in its cache folder: on another machine "
            "`evenhand run --model FOLDER` fetches it; or merge the adapters into a model that needs nothing else."
        )
    return text


def _checking(statement: PrivacyStatement) -> str:
    digests = "\n".join(f"{digest}  {name}" for name, digest in sorted(statement.weights.items()))
    return (
        f"`{NAME}` says the same as this page, for programs. evenhand refuses to load weights that it does not belong "
        f"to; by hand, `sha256sum` must give\n\n```\n{digests}\n```\n\n"
        "A hash ties the statement to the weights. It does not prove how they were trained: `evenhand privacy audit` "
        "with planted canaries can refute an epsilon, and nothing but the training itself can prove it."
    )
