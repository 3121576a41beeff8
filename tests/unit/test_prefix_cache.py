"""The prefix cache finds whatever serves, and stays within its bytes."""

from dataclasses import dataclass
from itertools import takewhile

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from model_layer.prefix_cache import LOGITS_SHARE, PrefixCache
from model_layer.shared_lru import SharedLru

LOGITS = np.zeros(4, np.float32)
AMPLE = 2**30

Ids = list[int]


@dataclass(frozen=True)
class Prefix:
    """A stand-in for a network's cache that knows whose tokens it covers."""

    token_ids: tuple[int, ...]
    nbytes: int = 100

    @property
    def length(self) -> int:
        """How many tokens."""
        return len(self.token_ids)

    @property
    def memory(self) -> dict[int, int]:
        """Nothing that another shares."""
        return {id(self): self.nbytes}

    def shortened(self, length: int) -> "Prefix":
        """The first of them."""
        return Prefix(self.token_ids[:length], self.nbytes)


@dataclass(frozen=True)
class Shared:
    """One of many that share 900 bytes and have 10 of their own."""

    number: int
    length: int = 0

    @property
    def memory(self) -> dict[int, int]:
        """What is shared, and its own."""
        return {-1: 900, self.number: 10}

    def shortened(self, length: int) -> "Shared":
        """The same."""
        return Shared(self.number, length)


def remember(cache: PrefixCache[Prefix], token_ids: Ids, nbytes: int = 100) -> None:
    """Remember a sequence whose cache has that many bytes."""
    cache.remember(token_ids, Prefix(tuple(token_ids), nbytes), LOGITS)


def shared_tokens(one: Ids, other: Ids) -> int:
    """How many first ids are the same, by looking at each."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))))


few_ids = st.lists(st.integers(0, 2), min_size=1, max_size=8)


@given(known=st.lists(few_ids, max_size=8), wanted=few_ids)
def test_the_longest_known_prefix_is_found(known: list[Ids], wanted: Ids) -> None:
    """With room for all, the prefix found is as long as comparing with every sequence gives, and leaves one token to run."""
    cache: PrefixCache[Prefix] = PrefixCache(AMPLE)
    for ids in known:
        remember(cache, ids)
    longest = max((shared_tokens(ids, wanted[:-1]) for ids in known), default=0)
    found = cache.longest_prefix(wanted)
    assert (found.token_ids if found else ()) == tuple(wanted[:longest])


@given(known=st.lists(few_ids, max_size=8), wanted=few_ids)
def test_logits_are_those_of_exactly_the_sequence(known: list[Ids], wanted: Ids) -> None:
    """Logits are found for the very same ids only."""
    cache: PrefixCache[Prefix] = PrefixCache(AMPLE)
    for ids in known:
        remember(cache, ids)
    assert (cache.logits(wanted) is not None) == (wanted in known)


def test_large_ids_are_told_apart() -> None:
    """Ids that share some of their bytes are different ids."""
    cache: PrefixCache[Prefix] = PrefixCache(AMPLE)
    remember(cache, [5, 0x0102])
    found = cache.longest_prefix([5, 0x0202, 7])
    assert found is not None
    assert found.token_ids == (5,)


@given(st.lists(st.tuples(few_ids, st.integers(0, 700)), max_size=20), st.integers(0, 2000))
def test_its_bytes_are_bounded(sequences: list[tuple[Ids, int]], max_bytes: int) -> None:
    """Whatever is remembered, no more bytes are held than allowed; what is larger alone is not held at all."""
    cache: PrefixCache[Prefix] = PrefixCache(max_bytes)
    for ids, nbytes in sequences:
        remember(cache, ids, nbytes)
        assert cache.nbytes <= max_bytes


def test_the_least_recently_used_goes_first() -> None:
    """With room for two, the one not used since goes for the third."""
    cache: PrefixCache[Prefix] = PrefixCache(250 * LOGITS_SHARE // (LOGITS_SHARE - 1))
    remember(cache, [1, 1])
    remember(cache, [2, 2])
    assert cache.longest_prefix([1, 1, 0]) is not None
    remember(cache, [3, 3])
    assert [cache.longest_prefix([first, first, 0]) is not None for first in (1, 2, 3)] == [True, False, True]


def test_a_longer_sequence_takes_its_prefixes_place() -> None:
    """A sequence that grows occupies one cache, not one a token."""
    cache: PrefixCache[Prefix] = PrefixCache(AMPLE)
    for length in range(1, 50):
        remember(cache, list(range(length)))
    assert cache.nbytes == 100 + 49 * LOGITS.nbytes


def test_memory_that_is_shared_counts_once() -> None:
    """Sequences that share a piece are all kept where one fits, and its bytes are free when the last of them goes."""
    cache: SharedLru[Shared] = SharedLru(1000)
    for number in range(10):
        cache[bytes([number])] = Shared(number)
    assert cache.nbytes == 900 + 10 * 10
    assert len(list(cache)) == 10
    for number in range(10):
        del cache[bytes([number])]
    assert cache.nbytes == 0


def test_what_is_too_large_takes_no_others_place() -> None:
    """A sequence larger than all room is not kept, and what shares nothing with it may be dropped but never miscounted."""
    cache: SharedLru[Prefix] = SharedLru(250)
    for key, nbytes in (b"a", 100), (b"b", 100), (b"a", 120), (b"c", 251):
        cache[key] = Prefix((1,), nbytes)
        assert cache.nbytes <= 250
    assert b"c" not in list(cache)
