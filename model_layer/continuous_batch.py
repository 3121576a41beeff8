"""Many texts that go forward together: when one ends, the next begins in the same pass (Yu et al. 2022, "Orca", section 3.1).

A pass runs the last token of every text that is under way and, in what room is left, tokens of prompts that have not begun.
What comes of a text does not depend on its neighbours. Not safe from several threads; the model it uses is.
"""

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.language_model import LanguageModel
from model_layer.network import Continuation
from model_layer.prefix_cache import PrefixCache

Reader = Callable[[NDArray[np.float32]], int | None]
"""Takes the logits (vocab_size,) after a text and gives the token to go on with, or None when the text ends."""

TEXTS_AT_ONCE = 32
TOKENS_PER_PASS = 256  # of all texts: others who wait for the model wait for one pass
TOKENS_AT_ONCE = 16_384  # of all texts when they end: bounds the keys and values, 600 MB for GPT-2 124M in float16
PROMPT_CACHE_BYTES = 32 * 2**20


@dataclass(slots=True)
class _Text:
    """A prompt, or the last token of a text that goes on: `ids` from `run` on come after what `cache` covers."""

    ids: tuple[int, ...]
    readers: Sequence[Reader]
    longest: int
    cache: Any = None
    run: int = 0
    is_prompt: bool = True

    @property
    def ids_left(self) -> tuple[int, ...]:
        return self.ids[self.run :]

    @property
    def tokens(self) -> int:
        """Tokens that all of it may have in the end."""
        return self.longest * len(self.readers)


class ContinuousBatch:
    """Texts of one model."""

    def __init__(self, model: LanguageModel, *, texts_at_once: int = TEXTS_AT_ONCE) -> None:
        self._model = model
        self._most = texts_at_once
        self._waiting: deque[_Text] = deque()
        self._active: list[_Text] = []
        # The model's own prefix cache is its students'; this one shares what the prompts of a batch have in common.
        self._prompts: PrefixCache[Any] = PrefixCache(PROMPT_CACHE_BYTES)

    @property
    def is_empty(self) -> bool:
        """Whether all texts have ended."""
        return not (self._waiting or self._active)

    def add(self, token_ids: Sequence[int], readers: Sequence[Reader], *, longest: int) -> None:
        """A prompt, to be run once for all of its readers, each of whom then goes on alone to `longest` tokens at most."""
        assert readers, "without a reader there is nothing to run"
        assert 0 < len(token_ids) <= longest <= self._model.context_window
        self._waiting.append(_Text(tuple(token_ids), readers, longest))

    def step(self) -> None:
        """One forward pass, after which every reader whose logits it gave has read them."""
        self._begin_some()
        pieces = self._pieces()
        batch = [Continuation(text.cache, text.ids_left[:count]) for text, count in pieces]
        done = self._model.advance(batch)
        for (text, count), cache in zip(pieces, done.caches, strict=True):
            text.cache, text.run = cache, text.run + count
        read = [row for row, (text, _) in enumerate(pieces) if not text.ids_left]
        logits = self._model.logits(done.hidden[read]) if read else ()
        going_on = [text for text in self._active if text.ids_left]
        for row, one in zip(read, logits, strict=True):
            going_on += self._read(pieces[row][0], one)
        self._active = going_on

    def _begin_some(self) -> None:
        """Let texts join while there are places, bytes and unused tokens of the pass."""
        while self._waiting:
            places = self._most - sum(len(text.readers) for text in self._active)
            tokens = sum(text.tokens for text in self._active)
            if places < 1 or sum(len(text.ids_left) for text in self._active) >= TOKENS_PER_PASS:
                return
            fitting = min(places, (TOKENS_AT_ONCE - tokens) // self._waiting[0].longest)
            if fitting < 1 and self._active:
                return
            self._begin(max(fitting, 1))

    def _begin(self, readers: int) -> None:
        """Let the first that waits join with some of its readers; the others wait for another run of the prompt."""
        text = self._waiting.popleft()
        if len(text.readers) > readers:
            self._waiting.appendleft(_Text(text.ids, text.readers[readers:], text.longest))
            text.readers = text.readers[:readers]
        text.cache = self._prompts.longest_prefix(text.ids) or self._model.empty_cache()
        text.run = text.cache.length
        self._active.append(text)

    def _pieces(self) -> list[tuple[_Text, int]]:
        """What runs in the next pass, and how many tokens of each: those that go on first, then the shortest prompts."""
        pieces = []
        room = TOKENS_PER_PASS
        for text in sorted(self._active, key=lambda text: len(text.ids_left)):
            count = min(len(text.ids_left), room)
            if count:
                pieces.append((text, count))
            room -= count
        return pieces

    def _read(self, text: _Text, logits: NDArray[np.float32]) -> Iterable[_Text]:
        if text.is_prompt:
            self._prompts.remember(text.ids, text.cache)
        for reader in text.readers:
            token_id = reader(logits)
            if token_id is not None:
                yield _Text((token_id,), (reader,), text.longest, text.cache, is_prompt=False)
