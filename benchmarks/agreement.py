"""How far the narrow weights' distributions are from those of float32, over contexts of a public text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from benchmarks.environments import REPOSITORY, NotHereError
from benchmarks.figures import Figure, Figures
from benchmarks.models import ModelFolders
from model_layer.language_model import LanguageModel

TEXT = REPOSITORY / "tests" / "data" / "corpus" / "alice-in-wonderland.txt"
CONTEXTS = 32
CONTEXT_TOKENS = 48

Logits = NDArray[np.float64]


def measure(figures: Figures, folders: ModelFolders) -> None:
    """`kl` and `log_probability_change` of float16 and int8 against float32."""
    exact = LanguageModel.open(folders.folder("float32"), prefix_cache_bytes=0)
    contexts = contexts_of(exact.encode(TEXT.read_text(encoding="utf-8")[:50_000]))
    wanted = log_probabilities(exact, contexts)
    for dtype in ("float16", "int8"):
        try:
            found = log_probabilities(LanguageModel.open(folders.folder(dtype), prefix_cache_bytes=0), contexts)
        except NotHereError:
            continue  # the engine's own row says why
        divergences = kl(wanted, found)
        figures.add(Figure("kl", f"ours {dtype}", 0, 1, float(f"{divergences.mean():.3g}"), len(contexts)))
        change = float(f"{np.abs(wanted - found).max():.3g}")
        figures.add(Figure("log_probability_change", f"ours {dtype}", 0, 1, change, len(contexts)))


def contexts_of(token_ids: Sequence[int]) -> list[Sequence[int]]:
    """CONTEXTS pieces, evenly spread."""
    stride = len(token_ids) // CONTEXTS
    return [token_ids[index * stride :][:CONTEXT_TOKENS] for index in range(CONTEXTS)]


def log_probabilities(model: LanguageModel, contexts: Sequence[Sequence[int]]) -> Logits:
    """(contexts, vocab_size)."""
    logits = model.next_logits_batch(contexts).astype(np.float64)
    logits -= logits.max(axis=1, keepdims=True)
    logits -= np.log(np.exp(logits).sum(axis=1, keepdims=True))
    return logits


def kl(exact: Logits, approximate: Logits) -> NDArray[np.float64]:
    """Kullback-Leibler divergence (contexts,) of the approximate distributions from the exact ones, in nats."""
    divergences: NDArray[np.float64] = (np.exp(exact) * (exact - approximate)).sum(axis=1)
    return divergences
