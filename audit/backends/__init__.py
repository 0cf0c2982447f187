"""Where completions come from: models that answer probes."""

from __future__ import annotations

from audit.backends.protocol import Backend, Batch, open_backend

__all__ = ["Backend", "Batch", "open_backend"]
