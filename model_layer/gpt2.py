"""GPT-2 in NumPy (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3).

Sequences of unequal length are packed: the new tokens of all of them are the rows of one matrix for every linear layer, and
attention runs sequence by sequence over its own cache. A prefill, a decode step and a batch are the same pass. All arithmetic
is float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_layer.activations import ACTIVATIONS
from model_layer.config import Gpt2Config
from model_layer.kv_cache import KvCache
from model_layer.linear import Linear, linear
from model_layer.network import Continuation, Pass
from model_layer.weights import Weights

QUERY_BLOCK = 128  # queries scored at once: heads x 128 x context_window scores, 6 MB for GPT-2 124M
AFTER = np.triu(np.full((QUERY_BLOCK, QUERY_BLOCK), -np.inf, np.float32), k=1)  # hides later tokens within a block


@dataclass(frozen=True, slots=True)
class Span:
    """The rows that one sequence has in the packed batch, and its cache with room for them."""

    begin: int
    end: int
    cache: KvCache


class Gpt2:
    """The network of one folder's weights. Shapes: `tokens` counts the packed new tokens of the whole batch."""

    def __init__(self, config: Gpt2Config, weights: Weights) -> None:
        self._config = config
        self._token_rows = weights["wte.weight"]  # (vocab_size, width)
        self._position_rows = weights["wpe.weight"]  # (context_window, width)
        self._blocks = [Block(config, weights, layer) for layer in range(config.layers)]
        self._final_norm = LayerNorm(config, weights, "ln_f")
        self._head = linear(weights["wte.weight" if config.tie_word_embeddings else "lm_head.weight"].T)

    def empty_cache(self) -> KvCache:
        """The cache of no tokens."""
        return KvCache.empty(self._config)

    def forward(self, batch: Sequence[Continuation[KvCache]], *, every_position: bool = False) -> Pass[KvCache]:
        """Run the new tokens of all sequences; hidden states of each one's last new token, or of every new token in turn."""
        spans = _packed(batch)
        rows = self._embedded(batch)  # (tokens, width)
        for block in self._blocks:
            block.advance(rows, spans)
        if not every_position:
            rows = rows[[span.end - 1 for span in spans]]  # (sequences, width)
        return Pass(self._final_norm(rows), [span.cache for span in spans])

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, width) after the final layer norm -> (rows, vocab_size)."""
        return self._head(hidden)

    def _embedded(self, batch: Sequence[Continuation[KvCache]]) -> NDArray[np.float32]:
        ids = np.concatenate([one.new_ids for one in batch]).astype(np.intp)
        positions = np.concatenate([one.cache.length + np.arange(len(one.new_ids)) for one in batch])
        rows: NDArray[np.float32] = self._token_rows[ids].astype(np.float32)
        rows += self._position_rows[positions]
        return rows


def _packed(batch: Sequence[Continuation[KvCache]]) -> list[Span]:
    spans: list[Span] = []
    begin = 0
    for one in batch:
        end = begin + len(one.new_ids)
        spans.append(Span(begin, end, one.cache.extended(end - begin)))
        begin = end
    return spans


class LayerNorm:
    """Layer normalisation over the width (arXiv:1607.06450 eq. 3)."""

    def __init__(self, config: Gpt2Config, weights: Weights, name: str) -> None:
        self._gain = weights.float32(f"{name}.weight")
        self._bias = weights.float32(f"{name}.bias")
        self._epsilon = np.float32(config.layer_norm_epsilon)
        self._share = np.float32(1 / config.width)

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """(tokens, width) -> (tokens, width), a new array."""
        mean: NDArray[np.float32] = np.add.reduce(rows, axis=-1, keepdims=True) * self._share  # (tokens, 1)
        centred = rows - mean
        variance = np.einsum("tw,tw->t", centred, centred)[:, None] * self._share
        centred /= np.sqrt(variance + self._epsilon)
        centred *= self._gain
        centred += self._bias
        return centred


class Block:
    """One transformer block with its layer norms before attention and feed-forward (Radford 2019, section 2.3)."""

    def __init__(self, config: Gpt2Config, weights: Weights, layer: int) -> None:
        self._layer = layer
        self._heads, self._head_width = config.heads, config.head_width
        self._scale = np.float32(_attention_scale(config, layer))
        self._activation = ACTIVATIONS[config.activation]
        self._attention_norm = LayerNorm(config, weights, f"h.{layer}.ln_1")
        self._feed_forward_norm = LayerNorm(config, weights, f"h.{layer}.ln_2")
        self._queries_keys_values = self._linear(weights, "attn.c_attn")
        self._attention_out = self._linear(weights, "attn.c_proj")
        self._inner = self._linear(weights, "mlp.c_fc")
        self._outer = self._linear(weights, "mlp.c_proj")

    def _linear(self, weights: Weights, name: str) -> Linear:
        name = f"h.{self._layer}.{name}"
        return linear(weights[f"{name}.weight"], weights.float32(f"{name}.bias"))

    def advance(self, rows: NDArray[np.float32], spans: Sequence[Span]) -> None:
        """Add this block's attention and feed-forward to the residual stream, (tokens, width), in place."""
        mixed = self._queries_keys_values(self._attention_norm(rows))  # (tokens, 3 width)
        parts = mixed.reshape(-1, 3, self._heads, self._head_width).transpose(1, 2, 0, 3)  # (3, heads, tokens, head_width)
        parts[0] *= self._scale
        attended = np.empty((len(rows), self._heads, self._head_width), np.float32)
        for span in spans:
            keys, values = span.cache.store(self._layer, parts[1:, :, span.begin : span.end])
            _attend(parts[0, :, span.begin : span.end], keys, values, attended[span.begin : span.end])
        rows += self._attention_out(attended.reshape(rows.shape))
        rows += self._outer(self._activation(self._inner(self._feed_forward_norm(rows))))


def _attention_scale(config: Gpt2Config, layer: int) -> float:
    """What queries are multiplied by: 1 / sqrt(head_width), and 1 / (layer + 1) where the configuration says so."""
    scale = config.head_width**-0.5 if config.scale_attn_weights else 1.0
    return scale / (layer + 1) if config.scale_attn_by_inverse_layer_idx else scale


def _attend(
    queries: NDArray[np.float32],  # (heads, new tokens, head_width), scaled
    keys: NDArray[np.float32],  # (heads, all tokens, head_width)
    values: NDArray[np.float32],
    out: NDArray[np.float32],  # (new tokens, heads, head_width)
) -> None:
    """Causal attention, softmax(Q K^T / sqrt(d)) V (Vaswani et al. 2017, eq. 1), by blocks of queries: memory stays flat."""
    before = keys.shape[1] - queries.shape[1]
    for begin in range(0, queries.shape[1], QUERY_BLOCK):
        block = queries[:, begin : begin + QUERY_BLOCK]
        size, seen = block.shape[1], before + begin + block.shape[1]
        scores = block @ keys[:, :seen].transpose(0, 2, 1)  # (heads, size, seen)
        if size > 1:
            scores[:, :, seen - size :] += AFTER[:size, :size]
        scores -= scores.max(axis=-1, keepdims=True)
        np.exp(scores, out=scores)
        scores /= np.add.reduce(scores, axis=-1, keepdims=True)
        out[begin : begin + size] = (scores @ values[:, :seen]).transpose(1, 0, 2)
