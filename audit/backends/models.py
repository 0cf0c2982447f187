"""From a model's name to a loaded model: embedded, on a hub, or in a folder."""

from __future__ import annotations

import hashlib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from audit.backends import embedded
from audit.errors import BackendError, ConfigError, first_line

if TYPE_CHECKING:
    from transformers import PreTrainedModel

FORMS = "embedded:smollm2, hf:ORG/NAME[@REVISION], planted:SPEC, or the path of a folder with a saved model"


@dataclass(frozen=True, slots=True)
class Source:
    """Where transformers finds a model; ``revision`` is null for folders."""

    name: str
    where: str
    revision: str | None = None


def resolve(name: str) -> Source:
    """Tell where the model ``name`` lies; embedded models are fetched if need be.

    Raises
    ------
    ConfigError
        If the name has none of the known forms.
    """
    kind, _, rest = name.partition(":")
    if kind == "embedded":
        return Source(name, str(embedded.ensure(rest)), f"gguf {embedded.GGUF_SHA256[:12]}")
    if Path(name).is_dir():
        return Source(name, name)
    if kind == "hf" and rest:
        if Path(rest).is_dir():
            return Source(name, rest)
        repository, _, revision = rest.partition("@")
        return Source(name, repository, revision or None)
    raise ConfigError(f"model {name!r}: unknown; name it as {FORMS}")


def load_tokenizer(source: Source) -> Any:
    """Load the tokenizer of ``source``.

    Raises
    ------
    ConfigError
        If there is none, or it has no words.
    """
    from transformers import AutoTokenizer

    tokenizer = _load(AutoTokenizer.from_pretrained, source)
    # Where the files are absent transformers may give an empty tokenizer of the model's kind.
    if not tokenizer("Yes", add_special_tokens=False)["input_ids"]:
        raise ConfigError(
            f"model {source.name!r}: its tokenizer has no words; save it beside the model with save_pretrained"
        )
    return tokenizer


def load_model(source: Source, precision: str) -> PreTrainedModel:
    """Load the causal language model of ``source`` for inference, on a GPU where there is one.

    Raises
    ------
    ConfigError
        If there is none, its files lack some of the weights, or its privacy statement is of other weights.
    BackendError
        If it cannot be loaded.
    """
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.utils import logging

    from audit.mitigation import bases, statement

    folder = Path(source.where)
    if folder.is_dir():
        statement.check(folder)
    elsewhere = bases.base_elsewhere(folder)
    logging.disable_progress_bar()
    options = {"dtype": getattr(torch, precision), "output_loading_info": True}
    found = _load(AutoModelForCausalLM.from_pretrained, elsewhere or source, **options)
    model: PreTrainedModel = found[0]
    missing = sorted(found[1]["missing_keys"])
    if missing:  # transformers makes them up
        raise ConfigError(
            f"model {source.name!r}: its files lack {len(missing)} of the weights ({missing[0]}, for one); "
            "save it whole, with the head of a causal language model"
        )
    if elsewhere is not None:
        _load(lambda where, **_: model.load_adapter(where), source)
    cached = None if folder.is_dir() else statement.folder_of(source)
    if cached is not None:  # on a hub: its weights are there to be looked at only now
        statement.check(cached)
    return model.eval().requires_grad_(False).to(device())


def device() -> str:
    """Name the device that models run on."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def text_precision(wanted: str) -> str:
    """Resolve "auto": bfloat16 where the processor multiplies matrices in it, else float32.

    On processors with AVX512_BF16 but no AMX a bfloat16 product takes twice as long
    as a float32 one (docs/decisions/0003-precision.md).
    """
    import torch

    if wanted != "auto":
        return wanted
    if torch.cuda.is_available():
        return "bfloat16" if torch.cuda.is_bf16_supported() else "float32"
    return "bfloat16" if torch.cpu._is_amx_tile_supported() else "float32"


def _load(loader: Any, source: Source, **options: Any) -> Any:
    try:
        return loader(source.where, revision=source.revision if not Path(source.where).is_dir() else None, **options)
    except (RuntimeError, MemoryError) as error:
        raise BackendError(f"model {source.name!r}: could not be loaded ({first_line(error)})") from error
    except Exception as error:  # of a config, a tokenizer or a weights file, each with errors of its own
        if Path(source.where).is_dir():
            raise ConfigError(
                f"model {source.name!r}: the folder holds no usable causal language model ({first_line(error)}); "
                "save model and tokenizer there with save_pretrained"
            ) from error
        raise ConfigError(
            f"model {source.name!r}: not found on the hub or in its cache ({first_line(error)}); "
            "check the name, or the network"
        ) from error


def cache_name(model: PreTrainedModel) -> str:
    """What the model's forward calls the keys and values of what it has read: transformers 5.24 renamed it."""
    known = inspect.signature(model.forward).parameters
    return "cache" if "cache" in known else "past_key_values"


def weights_hash(model: PreTrainedModel) -> str:
    """SHA-256 over names, types, shapes and bytes of all weights, whatever file they came from."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().view(torch.uint8).numpy().data)
    return digest.hexdigest()


def tokenizer_hash(tokenizer: Any) -> str:
    """SHA-256 over vocabulary and chat template."""
    digest = hashlib.sha256(repr(sorted(tokenizer.get_vocab().items())).encode("utf-8", "surrogatepass"))
    digest.update(str(getattr(tokenizer, "chat_template", "")).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
