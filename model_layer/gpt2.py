"""GPT-2 (Radford et al. 2019, "Language Models are Unsupervised Multitask Learners", section 2.3).

Sequences of unequal length are packed: the new tokens of all of them are the rows of one matrix for every linear layer, and
attention runs sequence by sequence over its own cache. A prefill, a decode step and a batch are the same pass. All arithmetic
is float32.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from model_layer.config import Gpt2Config
from model_layer.kv_cache import KvCache
from model_layer.layers import Attention, Layers, Linear, Normalisation, Rows, Span
from model_layer.network import Continuation, Pass
from model_layer.weights import EMBEDDING, POSITIONS, UNTIED_HEAD, Weights, float32_rows

TOKENS_AT_ONCE = 256  # rows that go through the layers together: memory stays flat, and a block of weights serves them all


class Gpt2:
    """The network of one folder's weights. Shapes: `tokens` counts the packed new tokens of the whole batch."""

    def __init__(self, config: Gpt2Config, weights: Weights, layers: Layers) -> None:
        self._config = config
        self._layers = layers
        self._token_rows = weights[EMBEDDING]  # (vocab_size, width)
        self._position_rows = weights[POSITIONS]  # (context_window, width)
        self._blocks = [Block(config, weights, layer, layers) for layer in range(config.layers)]
        self._final_norm = layers.normalisation(*_gain_and_bias(weights, "ln_f"), config.layer_norm_epsilon)
        self._head = layers.head(weights[EMBEDDING if config.tie_word_embeddings else UNTIED_HEAD])

    def empty_cache(self) -> KvCache:
        """The cache of no tokens."""
        return KvCache.empty(self._config, self._layers.cache_dtype)

    def forward(self, batch: Sequence[Continuation[KvCache]], *, every_position: bool = False) -> Pass[KvCache]:
        """Run the new tokens of all sequences; hidden states of each one's last new token, or of every new token in turn."""
        caches = [one.cache.extended(len(one.new_ids)) for one in batch]
        ids = np.concatenate([one.new_ids for one in batch]).astype(np.intp)
        wanted = np.arange(len(ids)) if every_position else np.cumsum([len(one.new_ids) for one in batch]) - 1
        hidden = []
        for first, spans in _pieces(batch, caches):
            rows = self._run(ids[first : first + spans[-1].end], spans, self._blocks)
            hidden.append(rows[wanted[(wanted >= first) & (wanted < first + len(rows))] - first])
        return Pass(self._final_norm(np.concatenate(hidden)), caches)

    def early_states(self, sequences: Sequence[Sequence[int]], *, blocks: int) -> NDArray[np.float32]:
        """Hidden states (tokens, width) of all tokens of new sequences after so many blocks, and the final layer norm."""
        batch = [Continuation(self.empty_cache(), ids) for ids in sequences]
        caches = [one.cache.extended(len(one.new_ids)) for one in batch]
        ids = np.concatenate(sequences).astype(np.intp)
        pieces = _pieces(batch, caches)
        rows = [self._run(ids[first : first + spans[-1].end], spans, self._blocks[:blocks]) for first, spans in pieces]
        return self._final_norm(np.concatenate(rows))

    def logits(self, hidden: NDArray[np.float32]) -> NDArray[np.float32]:
        """(rows, width) after the final layer norm -> (rows, vocab_size)."""
        return self._head(hidden)

    def _run(self, ids: NDArray[np.intp], spans: Sequence[Span], blocks: "Sequence[Block]") -> Rows:
        """(tokens,) -> (tokens, width) after the last of the blocks."""
        positions = np.concatenate([np.arange(span.before, span.before + span.end - span.begin) for span in spans])
        rows = float32_rows(self._token_rows, ids)
        rows += float32_rows(self._position_rows, positions)
        attention = self._layers.attention(self._config, spans)
        for block in blocks:
            block.advance(rows, attention)
        return rows


def _pieces(batch: Sequence[Continuation[KvCache]], caches: Sequence[KvCache]) -> Iterator[tuple[int, list[Span]]]:
    """The packed batch in pieces of up to TOKENS_AT_ONCE: each one's first token and its spans, which count from that."""
    spans: list[Span] = []
    first = size = 0
    for one, cache in zip(batch, caches, strict=True):
        done = 0
        while done < len(one.new_ids):
            tokens = min(len(one.new_ids) - done, TOKENS_AT_ONCE - size)
            spans.append(Span(size, size + tokens, one.cache.length + done, cache))
            size, done = size + tokens, done + tokens
            if size == TOKENS_AT_ONCE:
                yield first, spans
                spans, first, size = [], first + size, 0
    if spans:
        yield first, spans


def _gain_and_bias(weights: Weights, name: str) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    return weights.float32(f"{name}.weight"), weights.float32(f"{name}.bias")


class Block:
    """One transformer block with its layer norms before attention and feed-forward (Radford 2019, section 2.3)."""

    def __init__(self, config: Gpt2Config, weights: Weights, layer: int, layers: Layers) -> None:
        def linear(name: str, activation: str | None = None) -> Linear:
            full_name = f"h.{layer}.{name}"
            return layers.linear(weights[f"{full_name}.weight"], weights.float32(f"{full_name}.bias"), activation)

        def normalisation(name: str) -> Normalisation:
            return layers.normalisation(*_gain_and_bias(weights, f"h.{layer}.{name}"), config.layer_norm_epsilon)

        self._layer = layer
        self._attention_norm, self._feed_forward_norm = normalisation("ln_1"), normalisation("ln_2")
        self._queries_keys_values, self._attention_out = linear("attn.c_attn"), linear("attn.c_proj")
        self._inner, self._outer = linear("mlp.c_fc", config.activation), linear("mlp.c_proj")

    def advance(self, rows: Rows, attention: Attention) -> None:
        """Add this block's attention and feed-forward to the residual stream, (tokens, width), in place."""
        attended = attention(self._layer, self._queries_keys_values(self._attention_norm(rows)))
        self._attention_out.add_to(rows, attended)
        self._outer.add_to(rows, self._inner(self._feed_forward_norm(rows)))
