"""A handle on a KV cache is a value: whatever other handles do, it holds its own tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.config import Gpt2Config
from model_layer.kv_cache import PAGE_TOKENS, KvCache

CONFIG = Gpt2Config(layers=2, heads=3, width=12, inner_width=48, context_window=100, vocab_size=7, end_of_text_id=0)


def grown(cache: KvCache, marks: list[int]) -> KvCache:
    """The cache longer by one token a mark, whose keys are that mark, and whose values are it negative."""
    longer = cache.extended(len(marks))
    for token, mark in enumerate(marks, cache.length):
        page, slot = longer.pages[token // PAGE_TOKENS], token % PAGE_TOKENS
        page.keys[..., slot] = mark
        page.values[..., slot, :] = -mark
    return longer


def assert_holds(cache: KvCache, marks: list[int]) -> None:
    """The cache has the tokens of these marks and no others."""
    assert cache.length == len(marks)
    assert len(cache.pages) == -(-len(marks) // PAGE_TOKENS)
    for token, mark in enumerate(marks):
        page, slot = cache.pages[token // PAGE_TOKENS], token % PAGE_TOKENS
        assert (page.keys[..., slot] == mark).all()
        assert (page.values[..., slot, :] == -mark).all()


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 1), st.integers(1, 20)), max_size=12))
def test_no_handle_ever_changes(steps: list[tuple[int, float, int]]) -> None:
    """After any steps, forks and undos, every handle ever made still holds exactly its own tokens."""
    handles: list[tuple[KvCache, list[int]]] = [(KvCache.empty(CONFIG), [])]
    for mark, (which, share, tokens) in enumerate(steps):
        cache, marks = handles[which % len(handles)]
        kept = round(share * len(marks))
        new = [20 * mark + position for position in range(min(tokens, CONFIG.context_window - kept))]
        handles.append((grown(cache.shortened(kept), new), marks[:kept] + new))
    for cache, marks in handles:
        assert_holds(cache, marks)


def test_a_step_is_appended_in_place() -> None:
    """The handle that ends where its last page is filled grows in that page, and the past is never copied."""
    first = grown(KvCache.empty(CONFIG), list(range(PAGE_TOKENS + 3)))
    second = grown(first, [40])
    assert second.pages == first.pages
    third = grown(second, list(range(PAGE_TOKENS)))
    assert third.pages[:2] == first.pages


def test_a_fork_shares_all_but_its_last_page() -> None:
    """Two continuations of one handle have whole pages in common, and each a last page of its own."""
    first = grown(KvCache.empty(CONFIG), list(range(PAGE_TOKENS + 3)))
    one, other = grown(first, [4]), grown(first, [5])
    assert one.pages == first.pages
    assert other.pages[0] is first.pages[0]
    assert not np.shares_memory(one.pages[1].keys, other.pages[1].keys)


def test_no_tokens_claim_nothing() -> None:
    """A continuation by nothing leaves the next one free to grow in place."""
    first = grown(KvCache.empty(CONFIG), [1, 2, 3])
    assert first.extended(0).pages == first.pages
    assert grown(first, [4]).pages == first.pages


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_memory_is_that_of_the_pages(dtype: str) -> None:
    """`memory` is what the pages hold, forks share theirs, and an undo lets go of those it does not need."""
    cache = grown(KvCache.empty(CONFIG, np.dtype(dtype)), list(range(40)))
    assert sum(cache.memory.values()) == sum(page.keys.nbytes + page.values.nbytes for page in cache.pages)
    assert len(cache.memory) == len(cache.pages) == 2
    assert len(cache.memory.keys() & grown(cache.shortened(PAGE_TOKENS), [1]).memory.keys()) == 1
    assert cache.shortened(0).memory == {}


def test_a_sequence_ends_with_the_context_window() -> None:
    """There is room for the context window and no more."""
    cache = grown(KvCache.empty(CONFIG), [1] * CONFIG.context_window)
    with pytest.raises(AssertionError):
        cache.extended(1)
