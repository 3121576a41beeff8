"""A handle on a KV cache is a value: whatever other handles do, it holds its own tokens."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.config import Gpt2Config
from model_layer.kv_cache import LEAST_CAPACITY, KvCache

CONFIG = Gpt2Config(layers=2, heads=3, width=12, inner_width=48, context_window=100, vocab_size=7, end_of_text_id=0)


def grown(cache: KvCache, marks: list[int]) -> KvCache:
    """The cache longer by one token a mark, whose keys and values are that mark (values negative) in every layer."""
    longer = cache.extended(len(marks))
    new = np.empty((2, CONFIG.heads, len(marks), CONFIG.head_width), np.float32)
    new[0] = np.array(marks)[:, None]
    new[1] = -new[0]
    for layer in range(CONFIG.layers):
        longer.store(layer, new + 1000 * layer)
    return longer


def assert_holds(cache: KvCache, marks: list[int]) -> None:
    """The cache has the tokens of these marks and no others."""
    assert cache.length == len(marks)
    for layer in range(CONFIG.layers):
        keys, values = cache.store(layer, np.empty((2, CONFIG.heads, 0, CONFIG.head_width), np.float32))
        expected = np.broadcast_to(np.array(marks, np.float32)[:, None], (CONFIG.heads, len(marks), CONFIG.head_width))
        np.testing.assert_array_equal(keys, expected + 1000 * layer)
        np.testing.assert_array_equal(values, 1000 * layer - expected)


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
    """The handle that ends where its buffer is filled grows without a copy, until the buffer is full."""
    first = grown(KvCache.empty(CONFIG), [1, 2, 3])
    second = grown(first, [4])
    assert second.buffer is first.buffer
    assert second.nbytes == first.nbytes == 2 * CONFIG.layers * CONFIG.width * LEAST_CAPACITY * 4


def test_a_fork_is_copied() -> None:
    """Two continuations of one handle have different buffers."""
    first = grown(KvCache.empty(CONFIG), [1, 2, 3])
    one, other = grown(first, [4]), grown(first, [5])
    assert one.buffer is first.buffer
    assert not np.shares_memory(one.buffer.tensors, other.buffer.tensors)


def test_capacity_doubles_up_to_the_context_window() -> None:
    """A sequence grown token by token is copied once a doubling, and never has room beyond the context window."""
    cache = KvCache.empty(CONFIG)
    capacities = []
    for mark in range(CONFIG.context_window):
        cache = grown(cache, [mark])
        capacities.append(cache.buffer.capacity)
    assert sorted(set(capacities)) == [32, 64, 100]
    with pytest.raises(AssertionError):
        cache.extended(1)
