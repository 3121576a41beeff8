"""Texts of a given length, and probes, to measure the lab with: what they say does not matter, how long they are does."""

import random
from collections.abc import Sequence

import numpy as np

from model_layer.constitution.labelled import load_labelled
from model_layer.constitution.logistic import LogisticRegression
from model_layer.constitution.principles import NAMES
from model_layer.constitution.probe import Probe, ProbeFigures, Probes, sentence_features
from model_layer.language_model import LanguageModel

WORDS = ("the", "of", "and", "to", "in", "that", "was", "his", "he", "it", "as", "with", "is", "for", "on", "be", "at", "by")
SHORTEST_SENTENCE = 10  # characters, on average
NO_FIGURES = ProbeFigures(0, 0, 0.0, 0.0, 0.0, 0.0)


def text_of_tokens(model: LanguageModel, tokens: int, rng: random.Random) -> str:
    """Common words, together so many tokens of the model."""
    words = "".join(f" {word}" for word in rng.choices(WORDS, k=tokens))
    return model.decode(model.encode(words)[:tokens])


def text_of_characters(characters: int, rng: random.Random) -> str:
    """Labelled sentences, of which half violate a principle, together so many characters."""
    sentences = rng.choices(load_labelled(), k=characters // SHORTEST_SENTENCE + 1)
    text = " ".join(sentence.text for sentence in sentences)[:characters]
    assert len(text) == characters, "the sentences are longer than that"
    return text


def probes_that_flag(model: LanguageModel, texts: Sequence[str], share: float, *, seed: int) -> Probes:
    """Probes in random directions, each with the threshold that flags a share of these texts."""
    features = sentence_features(model, texts)
    mean, scale = features.mean(axis=0), features.std(axis=0) + 1e-6
    probes = Probes(mean, scale, {})
    rng, by_principle = np.random.default_rng(seed), {}
    for name in NAMES:
        regression = LogisticRegression(rng.normal(size=len(mean)) / len(mean) ** 0.5, 0.0)
        threshold = float(np.quantile(regression.probabilities(probes.scaled(features)), 1 - share))
        by_principle[name] = Probe(regression, threshold, NO_FIGURES)
    return Probes(mean, scale, by_principle)
