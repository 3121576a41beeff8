"""A language model as the rest of the system sees it: text to token ids and back, and distributions after token ids.

Owns the network, the tokenizer, the cache of what was computed lately, and the lock that makes all of it safe from threads.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.errors import (
    ContextWindowExceededError,
    EmptySequenceError,
    ModelNotLoadableError,
    TokenIdOutOfRangeError,
)
from model_layer.gpt2 import Gpt2
from model_layer.kernels.binding import library
from model_layer.kernels.layers import KernelLayers
from model_layer.kernels.reading_ahead import read_ahead
from model_layer.kv_cache import PAGE_TOKENS
from model_layer.network import Continuation, Network, Pass
from model_layer.numpy_layers import NumpyLayers
from model_layer.prefix_cache import PrefixCache
from model_layer.tokenizer import Tokenizer
from model_layer.weights import Weights

PREFIX_CACHE_BYTES = 128 * 2**20
# Bounds what a pass allocates and how long others wait for it. A sequence takes at least half a page: 64 steps are one pass.
TOKENS_PER_PASS = 1024
LEAST_TOKENS = PAGE_TOKENS // 2

Engine = Literal["kernel", "numpy", "transformers"]
CacheDtype = Literal["float16", "float32"]
Ids = tuple[int, ...]


class LanguageModel:
    """A GPT-2 with its tokenizer; `LanguageModel.open` makes one from a folder. All methods are thread-safe."""

    def __init__(
        self, name: str, config: Gpt2Config, network: Network[Any], tokenizer: Tokenizer, *, prefix_cache_bytes: int
    ) -> None:
        self.name = name
        self.config = config
        self.forward_passes = 0
        self.tokens_computed = 0
        self._network = network
        self._tokenizer = tokenizer
        self._prefixes: PrefixCache[Any] = PrefixCache(prefix_cache_bytes)
        self._lock = Lock()
        self._queue = Lock()

    @classmethod
    def open(
        cls,
        folder: Path,
        *,
        name: str | None = None,
        engine: Engine = "kernel",
        cache_dtype: CacheDtype | None = None,
        prefix_cache_bytes: int = PREFIX_CACHE_BYTES,
    ) -> "LanguageModel":
        """The model in a folder of the Hugging Face format, by default named after the folder.

        Keys and values are kept in `cache_dtype`: by default in float16 by the kernels for weights narrower than float32
        (measured on the bundled model: KL 6e-8, less than a hundredth of what such weights cost), otherwise in float32.
        Raises ModelNotLoadableError, with one line that names the fault, for a folder that is missing, damaged or incomplete.
        """
        config = Gpt2Config.read(folder)
        weights = Weights.open(folder, config)
        if engine == "kernel":
            read_ahead(weights.memory)
        tokenizer = Tokenizer(folder)
        if tokenizer.vocab_size > config.vocab_size:
            raise ModelNotLoadableError(f"{folder}: {tokenizer.vocab_size} tokens, but config.json says {config.vocab_size}")
        network = _network(folder, config, weights, engine, cache_dtype)
        return cls(name or folder.name, config, network, tokenizer, prefix_cache_bytes=prefix_cache_bytes)

    @property
    def context_window(self) -> int:
        """The most tokens that a sequence may have."""
        return self.config.context_window

    @property
    def vocab_size(self) -> int:
        """The number of token ids."""
        return self.config.vocab_size

    @property
    def end_of_text_id(self) -> int:
        """The token with which a text ends."""
        return self.config.end_of_text_id

    def encode(self, text: str) -> list[int]:
        """Token ids of the text, which holds no lone surrogates."""
        return self._tokenizer.encode(text)

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a whole sequence. Raises TokenIdOutOfRangeError."""
        self._require_ids(token_ids)
        return self._tokenizer.decode(token_ids)

    def token_bytes(self, token_id: int) -> bytes:
        """The exact bytes of one token, not always UTF-8 on their own. Raises TokenIdOutOfRangeError."""
        self._require_ids([token_id])
        return self._tokenizer.token_bytes(token_id)

    def next_logits(self, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """Logits (vocab_size,) of the token after these, read-only. Raises as `next_logits_batch` does."""
        ids = self._checked(token_ids)
        return self._after([ids])[ids]

    def next_logits_batch(self, sequences: Sequence[Sequence[int]]) -> NDArray[np.float32]:
        """Logits (sequences, vocab_size) after each sequence; lengths may differ. One forward pass for each TOKENS_PER_PASS.

        Raises EmptySequenceError, ContextWindowExceededError or TokenIdOutOfRangeError before anything is computed.
        """
        wanted = [self._checked(sequence) for sequence in sequences]
        known = self._after(wanted)
        rows = np.array([known[ids] for ids in wanted], np.float32).reshape(len(wanted), self.vocab_size)
        rows.flags.writeable = False
        return rows

    def hidden_states(self, token_ids: Sequence[int]) -> NDArray[np.float32]:
        """Hidden states (tokens, width) of every position, after the final layer norm. Raises as `next_logits_batch` does."""
        ids = self._checked(token_ids)
        with self._turn():
            self._count(len(ids))
            return self._network.forward([Continuation(self._network.empty_cache(), ids)], every_position=True).hidden

    def early_states(self, sequences: Sequence[Sequence[int]], *, blocks: int) -> Iterator[NDArray[np.float32]]:
        """Of each sequence the hidden states (tokens, width) after the first `blocks` blocks and the final layer norm.

        With all blocks they are `hidden_states`. Computed group by group as they are taken. Raises as `next_logits_batch` does.
        """
        wanted = [self._checked(sequence) for sequence in sequences]
        return (states for group in self._groups(wanted) for states in self._early_states(group, blocks))

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """Logits (rows, vocab_size) of hidden states (rows, width)."""
        with self._turn():
            return self._network.logits(hidden)

    def empty_cache(self) -> Any:
        """The network's cache of no tokens, from which `advance` begins."""
        return self._network.empty_cache()

    def advance(self, batch: Sequence[Continuation[Any]]) -> Pass[Any]:
        """One forward pass for sequences whose caches the caller keeps; hidden states (sequences, width) of their last tokens."""
        with self._turn():
            self._count(sum(len(one.new_ids) for one in batch))
            return self._network.forward(batch)

    def _checked(self, token_ids: Sequence[int]) -> Ids:
        if not len(token_ids):
            raise EmptySequenceError("there is no token before the next one: give at least one")
        if len(token_ids) > self.context_window:
            raise ContextWindowExceededError(tokens=len(token_ids), context_window=self.context_window)
        self._require_ids(token_ids)
        return tuple(token_ids)

    def _require_ids(self, token_ids: Sequence[int]) -> None:
        if len(token_ids) and not (min(token_ids) >= 0 and max(token_ids) < self.vocab_size):
            raise TokenIdOutOfRangeError(vocab_size=self.vocab_size)

    def _after(self, wanted: Sequence[Ids]) -> Mapping[Ids, NDArray[np.float32]]:
        """The logits after each of the sequences; only those that are not remembered are computed."""
        known = self._remembered(wanted)
        for group in self._groups([ids for ids in dict.fromkeys(wanted) if ids not in known]):
            with self._turn():  # of each group: other threads' single steps come in between
                known |= self._remembered(group)  # another thread may have computed them
                known |= self._computed([ids for ids in group if ids not in known])
        return known

    def _groups(self, sequences: Sequence[Ids]) -> Iterator[list[Ids]]:
        """The sequences in order, as many in a group as have TOKENS_PER_PASS new tokens; one that has more is a group alone."""
        group: list[Ids] = []
        tokens = 0
        for ids in sequences:
            new = max(len(self._continuation(ids).new_ids), LEAST_TOKENS)
            if group and tokens + new > TOKENS_PER_PASS:
                yield group
                group, tokens = [], 0
            group.append(ids)
            tokens += new
        if group:
            yield group

    def _early_states(self, group: Sequence[Ids], blocks: int) -> list[NDArray[np.float32]]:
        with self._turn():
            self._count(sum(len(ids) for ids in group))
            states = self._network.early_states(group, blocks=blocks)
        return np.split(states, np.cumsum([len(ids) for ids in group])[:-1])

    def _remembered(self, wanted: Sequence[Ids]) -> dict[Ids, NDArray[np.float32]]:
        found = ((ids, self._prefixes.logits(ids)) for ids in wanted)
        return {ids: logits for ids, logits in found if logits is not None}

    def _computed(self, group: Sequence[Ids]) -> dict[Ids, NDArray[np.float32]]:
        if not group:
            return {}
        batch = [self._continuation(ids) for ids in group]
        self._count(sum(len(one.new_ids) for one in batch))
        done = self._network.forward(batch)
        after: dict[Ids, NDArray[np.float32]] = {}
        for ids, cache, row in zip(group, done.caches, self._network.logits(done.hidden), strict=True):
            logits = row.copy() if len(group) > 1 else row  # a row of a batch would keep the whole batch in memory
            logits.flags.writeable = False
            self._prefixes.remember(ids, cache, logits)
            after[ids] = logits
        return after

    def _continuation(self, ids: Ids) -> Continuation[Any]:
        cache = self._prefixes.longest_prefix(ids) or self._network.empty_cache()
        return Continuation(cache, ids[cache.length :])

    @contextmanager
    def _turn(self) -> Iterator[None]:
        """Hold the network. Whoever waits goes before a holder that comes again at once, which a bare Lock does not promise."""
        with self._queue:
            self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()

    def _count(self, tokens: int) -> None:
        self.forward_passes += 1
        self.tokens_computed += tokens


def _network(folder: Path, config: Gpt2Config, weights: Weights, engine: Engine, cache_dtype: CacheDtype | None) -> Network[Any]:
    if engine == "transformers":
        from model_layer.reference import TransformersNetwork  # noqa: PLC0415 - torch loads in seconds: only when asked for

        return TransformersNetwork(folder)
    kernels = library() if engine == "kernel" else None
    if kernels is None:
        return Gpt2(config, weights, NumpyLayers(np.dtype(cache_dtype or "float32")))
    return Gpt2(config, weights, KernelLayers(kernels, np.dtype(cache_dtype or ("float32" if weights.exact else "float16"))))
