"""Models that run here, through transformers: exact answers where they can be had, texts sampled."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from audit.backends import models, prompts, trie
from audit.backends.protocol import Batch, too_long, unknown_form
from audit.errors import BackendError, first_line
from audit.mitigation.prompts import load_prompt
from audit.tables import from_rows
from audit.values import content_hash

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from audit.backends.digits import Alphabet
    from audit.backends.engine import Engine
    from audit.backends.exact import Exact
    from audit.backends.sampling import Reading
    from audit.config import Config

# Answers that a number opens behind each prompt, seen with two-digit ranges; only the estimate of time uses it.
_OPENED = 25
# Tokens sampled side by side are weighed against tokens read in one pass; likewise.
_SAMPLED = 3.0


class LocalBackend:
    """A causal language model of transformers; loaded when first needed."""

    def __init__(self, config: Config) -> None:
        self.config = config
        self.system = load_prompt(config.model.prompt, config.run.locale) if config.model.prompt else None
        self.source = models.resolve(config.model.name)

    def identity(self) -> str:
        """Name, revision, for a folder the sizes and times of its files, and the prompt that is put before probes."""
        asked = f" prompt {content_hash(self.system)}" if self.system else ""
        folder = Path(self.source.where)
        if not folder.is_dir():
            return f"{self.source.where}@{self.source.revision or 'default'}{asked}"
        files = sorted(path for path in folder.iterdir() if path.suffix in {".safetensors", ".bin", ".json"})
        seen = [(path.name, path.stat().st_size, path.stat().st_mtime_ns) for path in files]
        return f"{self.source.name} {seen}{asked}"

    def describe(self) -> Mapping[str, Any]:
        """Load the model and tell the facts for the manifest."""
        return self._facts

    @cached_property
    def _facts(self) -> Mapping[str, Any]:
        import torch

        settings, model = self.config.model, self.exact_model
        prompt = {"prompt": settings.prompt, "prompt_text": self.system} if self.system else {}
        return {
            "name": self.source.name,
            "revision": getattr(model.config, "_commit_hash", None) or self.source.revision,
            "weights_sha256": models.weights_hash(model),
            "tokenizer_sha256": models.tokenizer_hash(self.tokenizer),
            "parameters": model.num_parameters(),
            "chat_template": prompts.has_template(self.tokenizer),
            "decision_precision": settings.decision_precision,
            "text_precision": self.text_precision,
            "device": str(model.device),
            "threads": torch.get_num_threads(),
            "engine": self.engine.name,
            **prompt,
        }

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return models.load_tokenizer(self.source)

    @cached_property
    def text_precision(self) -> str:
        """The precision that texts are sampled in."""
        return models.text_precision(self.config.model.text_precision)

    @cached_property
    def exact_model(self) -> PreTrainedModel:
        """The model in the precision of decisions."""
        import torch

        if self.config.model.threads:
            torch.set_num_threads(self.config.model.threads)
        torch.set_float32_matmul_precision("highest")  # no TF32: precision is part of the measurement
        return self._load(self.config.model.decision_precision)

    @cached_property
    def text_model(self) -> PreTrainedModel:
        """The model in the precision of texts; the same one where both are alike."""
        if self.text_precision == self.config.model.decision_precision:
            return self.exact_model
        return self._load(self.text_precision)

    def _load(self, precision: str) -> PreTrainedModel:
        from audit.backends.engine import padding_is_faithful

        model = models.load_model(self.source, precision)
        if not padding_is_faithful(model):
            raise BackendError(
                f"model {self.source.name!r}: answers otherwise when a prompt is padded, so that its answers would "
                "depend on their batch; audit a model that heeds the attention mask"
            )
        return model

    @cached_property
    def reading(self) -> Reading:
        """How texts are written, the fastest way that the model bears."""
        from audit.backends.sampling import cache_is_faithful

        if not cache_is_faithful(self.text_model):
            return "whole"
        return "shared" if self.text_engine.sharing else "cached"

    @cached_property
    def engine(self) -> Engine:
        """How exact answers are computed."""
        from audit.backends.engine import Engine

        return Engine(self.exact_model, self.config.model.decision_precision, self.config.model.batch_tokens)

    @cached_property
    def text_engine(self) -> Engine:
        """How prompts of texts are read."""
        from audit.backends.engine import Engine

        if self.text_model is self.exact_model:
            return self.engine
        return Engine(self.text_model, self.text_precision, self.config.model.batch_tokens)

    @cached_property
    def forms(self) -> prompts.Forms:
        """Tokens of written answers."""
        return prompts.Forms(self.tokenizer)

    @cached_property
    def alphabet(self) -> Alphabet:
        """Tokens of numbers."""
        from audit.backends.digits import alphabet

        return alphabet(self.tokenizer)

    def plan(self, probes: pa.Table) -> Sequence[Batch]:
        """Decisions and numbers in units that share prefixes, texts by length."""
        tokens = prompts.encode(self.tokenizer, self._texts(probes))
        form = np.array(probes.column("output_form").to_pylist(), dtype=object)
        for strange in set(form.tolist()) - {"decision", "number", "text"}:
            raise unknown_form(strange)
        batches = [
            Batch(kind, rows[unit], np.zeros(len(unit), np.int32), cost)
            for kind in ("decision", "number")
            for rows in [np.flatnonzero(form == kind)]
            for unit, cost in self._units([tokens[row] for row in rows], kind)
        ]
        return [*batches, *self._text_batches(np.flatnonzero(form == "text"), tokens)]

    def _units(self, sequences: Sequence[Sequence[int]], kind: str) -> list[tuple[list[int], float]]:
        opened = _OPENED if kind == "number" else 0
        return [
            (unit, float(trie.size([sequences[place] for place in unit]) + opened * len(unit)))
            for unit in trie.units(sequences, self.config.model.batch_tokens)
        ]

    def _text_batches(self, rows: np.ndarray[Any, np.dtype[np.int64]], tokens: Sequence[Sequence[int]]) -> list[Batch]:
        settings, size = self.config.run, self.config.model.batch_size
        pairs = [(int(row), draw) for row in rows for draw in range(settings.draws)]
        pairs.sort(key=lambda pair: (len(tokens[pair[0]]), pair))
        found = []
        for start in range(0, len(pairs), size):
            chunk = pairs[start : start + size]
            longest = max(len(tokens[row]) for row, _ in chunk)
            cost = len(chunk) * (longest + _SAMPLED * settings.max_new_tokens)
            numbers, draws = zip(*chunk, strict=True)
            found.append(Batch("text", np.array(numbers, np.int64), np.array(draws, np.int32), cost))
        return found

    def complete(self, probes: pa.Table, batch: Batch) -> pa.Table:
        """Answer one batch.

        Raises
        ------
        BackendError
            If the model fails; batches answered before are not touched.
        """
        import torch

        part = probes.take(pa.array(batch.rows))
        texts = self._texts(part)
        tokens = prompts.encode(self.tokenizer, texts)
        errors = [too_long(len(run), self._room(batch.kind), self._limit) for run in tokens]
        fit = [place for place, error in enumerate(errors) if error is None]
        try:
            with torch.inference_mode():
                answers = self._answer(part, batch, fit, texts, tokens) if fit else []
        except (RuntimeError, MemoryError, ValueError, IndexError, TypeError) as error:
            raise BackendError(
                f"model {self.source.name!r} failed on a {batch.kind} batch of {len(fit)} ({first_line(error):.200}); "
                "finished batches are kept, start the same command again to go on"
            ) from error
        found: list[Mapping[str, Any]] = [{"finish_reason": "error", "error": error} for error in errors]
        for place, answer in zip(fit, answers, strict=True):
            found[place] = answer
        mode = "sampled" if batch.kind == "text" else "exact"
        common = zip(part.column("probe_id").to_pylist(), batch.draws.tolist(), tokens, found, strict=True)
        return from_rows(
            "completions",
            (
                {"probe_id": name, "draw": draw, "mode": mode, "prompt_tokens": len(run), "completion_tokens": 0, **row}
                for name, draw, run, row in common
            ),
        )

    def _answer(
        self, part: pa.Table, batch: Batch, fit: Sequence[int], texts: Sequence[str], tokens: Sequence[Sequence[int]]
    ) -> list[Mapping[str, Any]]:
        asked = [tokens[place] for place in fit]
        if batch.kind == "text":
            return self._sample(part, batch, fit, asked)
        from audit.backends.tree_attention import UnsupportedAttentionError

        options = part.column("options").to_pylist()
        chosen = [options[place] for place in fit]
        written = [texts[place] for place in fit]
        try:
            answers = self._read(self.engine, batch.kind, chosen, written, asked)
        except UnsupportedAttentionError:  # prompts longer than the model's sliding window
            answers = self._read(self.engine.plain(), batch.kind, chosen, written, asked)
        return [{"finish_reason": "exact", **answer.row()} for answer in answers]

    def _read(
        self,
        engine: Engine,
        kind: str,
        options: Sequence[Sequence[Mapping[str, Any]]],
        texts: Sequence[str],
        asked: Sequence[Sequence[int]],
    ) -> list[Exact]:
        from audit.backends import digits, exact

        with engine.context():
            if kind == "number":
                ranges = [tuple(int(form) for form in found[0]["forms"]) for found in options]
                session = engine.session(self.alphabet.tokens)
                share = self.config.run.number_mass
                return digits.enumerate_numbers(session, self.alphabet, asked, ranges, share)  # type: ignore[arg-type]
            forms = [
                [[self.forms.after(text, form) for form in option["forms"]] for option in found]
                for text, found in zip(texts, options, strict=True)
            ]
            names = [[option["id"] for option in found] for found in options]
            columns = exact.columns(forms)
            return exact.decide(engine.session(columns), columns, asked, names, forms)

    def _sample(
        self, part: pa.Table, batch: Batch, fit: Sequence[int], asked: Sequence[Sequence[int]]
    ) -> list[Mapping[str, Any]]:
        from audit.backends.sampling import Sampling, sample, uniforms

        run = self.config.run
        names = part.column("probe_id").to_pylist()
        noise = np.stack(
            [uniforms(run.seed, names[place], int(batch.draws[place]), run.max_new_tokens) for place in fit]
        )
        how = Sampling(run.max_new_tokens, run.temperature, run.top_p)
        return [
            {"text": text.text, "completion_tokens": text.tokens, "finish_reason": text.finish_reason}
            for text in sample(self.text_model, self.tokenizer, asked, noise, how, reading=self.reading)
        ]

    def _texts(self, probes: pa.Table) -> list[str]:
        found = probes.column("messages").to_pylist()
        return [prompts.render(self.tokenizer, prompts.with_system(messages, self.system)) for messages in found]

    def _room(self, kind: str) -> int:
        return self.config.run.max_new_tokens if kind == "text" else 8

    @cached_property
    def _limit(self) -> int | None:
        config = self.exact_model.config
        found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        return int(found) if found else None
