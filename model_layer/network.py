"""What a language model needs of the network that computes it; gpt2.py and reference.py (transformers) give it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, Protocol, Self, TypeVar

import numpy as np
from numpy.typing import NDArray


class SequenceCache(Protocol):
    """What a network keeps of a sequence's first `length` tokens. Handles never change."""

    @property
    def length(self) -> int:
        """Tokens that it covers."""

    @property
    def memory(self) -> Mapping[int, int]:
        """Bytes of each piece of memory behind it, by the piece's identity. Handles may share pieces."""

    def shortened(self, length: int) -> Self:
        """The same for the first `length` tokens."""


C = TypeVar("C", bound=SequenceCache)


@dataclass(frozen=True, slots=True)
class Continuation(Generic[C]):
    """One sequence of a batch: the cache of the tokens before, and at least one new token."""

    cache: C
    new_ids: Sequence[int]


@dataclass(frozen=True, slots=True)
class Pass(Generic[C]):
    """What one forward pass gives: the hidden states asked for and each sequence's cache, longer by its new tokens."""

    hidden: NDArray[np.float32]  # (rows, width), after the final layer norm
    caches: Sequence[C]


class Network(Protocol[C]):
    """A GPT-2 that continues sequences. Callers check ids and lengths, and call from one thread at a time."""

    def empty_cache(self) -> C:
        """The cache of no tokens."""

    def forward(self, batch: Sequence[Continuation[C]], *, every_position: bool = False) -> Pass[C]:
        """Run the new tokens of all sequences; hidden states of each one's last new token, or of every new token in turn."""

    def early_states(self, sequences: Sequence[Sequence[int]], *, blocks: int) -> NDArray[np.float32]:
        """Hidden states (tokens, width) of all tokens of new sequences after so many blocks, and the final layer norm."""

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, width) after the final layer norm -> (rows, vocab_size)."""
