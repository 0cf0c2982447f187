"""A model that passages are scored with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from audit import plugins
from audit.backends import models
from audit.config import Config, ModelConfig, Precision
from audit.errors import BackendError, ConfigError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

    from audit.privacy.likelihood.heads import Way
    from audit.privacy.likelihood.planning import Encoded

Adapters = Literal["on", "off"]
_LOCAL = frozenset({"embedded", "hf"})


class Scorer:
    """A causal language model of transformers, loaded when first needed.

    Raises
    ------
    ConfigError
        If the model is one that gives answers but no probabilities of given texts.
    """

    def __init__(self, settings: ModelConfig, precision: Precision = "float32") -> None:
        kind, colon, _ = settings.name.partition(":")
        if colon and kind in set(plugins.names("backends")) - _LOCAL:
            raise ConfigError(
                f"model {settings.name!r}: does not run here, and without its weights the probability of a given text "
                "cannot be read; name embedded:smollm2, hf:ORG/NAME[@REVISION] or a folder with a saved model"
            )
        self.settings = settings
        self.precision: Precision = precision
        self.source = models.resolve(settings.name)

    def identity(self) -> list[str]:
        """Tell, without loading the model, which one it is, and which one its adapters sit on."""
        from audit.backends.local import LocalBackend

        names = [self.settings.name]
        adapter = Path(self.source.where) / "adapter_config.json"
        if adapter.is_file():
            try:
                base = json.loads(adapter.read_text(encoding="utf-8")).get("base_model_name_or_path")
            except (OSError, ValueError, AttributeError) as error:
                raise ConfigError(
                    f"{adapter}: cannot be read ({first_line(error)}); save the adapters again"
                ) from error
            names += [str(base) if Path(str(base)).is_dir() else f"hf:{base}"]
        return [LocalBackend(Config(model=ModelConfig(name=name))).identity() for name in names]

    @cached_property
    def tokenizer(self) -> Any:
        """The model's tokenizer."""
        return models.load_tokenizer(self.source)

    @cached_property
    def model(self) -> PreTrainedModel:
        """The model, with its adapters if it has any."""
        import torch

        if self.settings.threads:
            torch.set_num_threads(self.settings.threads)
        torch.set_float32_matmul_precision("highest")  # no TF32: precision is part of the measurement
        return models.load_model(self.source, self.precision)

    @cached_property
    def way(self) -> Way:
        """How the model is run, the fastest way that it bears."""
        from audit.privacy.likelihood.heads import find_way

        return find_way(self.model, self.source.name)

    @property
    def limit(self) -> int | None:
        """The most tokens that the model takes, where it has such a limit."""
        config = self.model.config
        found = getattr(config, "max_position_embeddings", None) or getattr(config, "n_positions", None)
        return int(found) if found else None

    def has_adapters(self) -> bool:
        """Whether the model carries adapters of PEFT, so that its base model comes for free."""
        return bool(getattr(self.model, "_hf_peft_config_loaded", False))

    def _switch(self, on: bool) -> None:
        """Turn PEFT's layers on or off themselves: transformers' own switch may ask for a PEFT not yet released."""
        from peft.tuners.tuners_utils import BaseTunerLayer

        for module in self.model.modules():
            if isinstance(module, BaseTunerLayer):
                module.enable_adapters(enabled=on)

    @contextmanager
    def adapters(self, state: Adapters) -> Iterator[None]:
        """Take the adapters off for as long as the context is open, or leave them on.

        Raises
        ------
        ConfigError
            If there are none to take off.
        """
        if state == "on":
            yield
            return
        if not self.has_adapters():
            raise ConfigError(f"model {self.source.name!r}: has no adapters to take off; name its base model itself")
        self._switch(False)
        try:
            yield
        finally:
            self._switch(True)

    def describe(self) -> Mapping[str, Any]:
        """Load the model and tell the facts for the manifest."""
        import torch

        model = self.model
        return {
            "name": self.source.name,
            "revision": getattr(model.config, "_commit_hash", None) or self.source.revision,
            "weights_sha256": models.weights_hash(model),
            "tokenizer_sha256": models.tokenizer_hash(self.tokenizer),
            "parameters": model.num_parameters(),
            "precision": self.precision,
            "device": str(model.device),
            "threads": torch.get_num_threads(),
            "adapters": self.has_adapters(),
            "engine": self.way.__name__.replace("_", " "),
        }

    def score(self, texts: Sequence[Encoded]) -> list[Mapping[str, Any]]:
        """Read a batch of texts in one pass: token_logprobs, token_z and greedy of each, float32 and bool arrays.

        Raises
        ------
        BackendError
            If the model fails, or gives what is no probability.
        """
        import torch

        try:
            with torch.inference_mode():
                found = self._read([text.tokens for text in texts])
        except (RuntimeError, MemoryError, ValueError, IndexError, TypeError) as error:
            raise BackendError(
                f"model {self.source.name!r} failed on a batch of {len(texts)} passages ({first_line(error):.200}); "
                "finished batches are kept, start the same command again to go on"
            ) from error
        return found

    def _read(self, texts: Sequence[np.ndarray[Any, Any]]) -> list[Mapping[str, Any]]:
        import torch

        from audit.privacy.likelihood.heads import BLOCK, padded
        from audit.privacy.likelihood.scoring import token_statistics

        ids, mask = padded(texts, self.model.device)
        targets = ids[:, 1:][mask[:, 1:].bool()]
        found, start = [], 0
        for logits in self.way(self.model, ids, mask, BLOCK):
            found.append(token_statistics(logits, targets[start : start + len(logits)]))
            start += len(logits)
        logprob, z, greedy = (torch.cat(kind).cpu().numpy() for kind in zip(*found, strict=True))
        if np.isnan(logprob).any() or np.isnan(z).any():
            raise ValueError("its probabilities are not numbers")
        ends = np.cumsum([len(text) - 1 for text in texts])[:-1]
        parts = zip(np.split(logprob, ends), np.split(z, ends), np.split(greedy, ends), strict=True)
        return [{"token_logprobs": a, "token_z": b, "greedy": c} for a, b, c in parts]
