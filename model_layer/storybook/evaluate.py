"""Held-out figures of a language model and of the bigram baseline it must beat, both per character and per token."""

import math
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from tokenizers import Tokenizer
from torch.nn.functional import cross_entropy
from transformers import GPT2LMHeadModel

from model_layer.storybook.corpus import Passage
from model_layer.storybook.tokenizer import end_of_text_id


def bits_per_character(model: GPT2LMHeadModel, tokenizer: Tokenizer, passages: list[Passage], *, window: int) -> float:
    """Bits the model needs for the passages, each on its own after an end-of-text token, over their characters."""
    nats = sum(passage_nats(model, passage_ids(tokenizer, passage), window=window) for passage in passages)
    return nats / math.log(2) / sum(passage.characters for passage in passages)


def passage_ids(tokenizer: Tokenizer, passage: Passage) -> list[int]:
    """Token ids of the passage after one end-of-text token, which is context and not scored."""
    return [end_of_text_id(tokenizer), *tokenizer.encode(passage.text).ids]


@torch.inference_mode()
def passage_nats(model: GPT2LMHeadModel, token_ids: list[int], *, window: int) -> float:
    """Negative log-likelihood of all tokens but the first, in windows that overlap by half: each token sees >= window / 2."""
    model.train(mode=False)
    ids = torch.tensor(token_ids, device=model.device)
    nats, scored = 0.0, 1
    for start in range(0, len(token_ids), window // 2):
        piece = ids[start : start + window]
        new = start + len(piece) - scored
        if new <= 0:
            break
        logits = model(piece[None, :-1], use_cache=False).logits[0].float()  # (len(piece) - 1, vocab_size)
        nats += cross_entropy(logits[-new:], piece[-new:], reduction="sum").item()
        scored += new
    return nats


def bigram_nats(train: NDArray[np.int64], held_out: list[list[int]], *, vocab_size: int) -> float:
    """Negative log-likelihood of the held-out tokens under a Witten-Bell bigram model of the training tokens.

    P(b | a) = (count(a, b) + kinds(a) P(b)) / (count(a) + kinds(a)), P(b) add-one; Witten and Bell 1991, method C.
    """
    pairs, counts = np.unique(train[:-1] * vocab_size + train[1:], return_counts=True)
    bigram = dict(zip(pairs.tolist(), counts.tolist(), strict=True))
    followers = np.bincount(pairs // vocab_size, minlength=vocab_size)
    total = np.bincount(train[:-1], minlength=vocab_size)
    unigram = (np.bincount(train, minlength=vocab_size) + 1) / (len(train) + vocab_size)
    nats = 0.0
    for ids in held_out:
        for a, b in pairwise(ids):
            seen = bigram.get(a * vocab_size + b, 0) + max(followers[a], 1) * unigram[b]
            nats -= math.log(seen / (total[a] + max(followers[a], 1)))
    return nats
