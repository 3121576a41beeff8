"""Laws of the regression behind the probes."""

import numpy as np
import pytest
from scipy.optimize import minimize  # type: ignore[import-untyped] # scipy ships no types

from model_layer.constitution.logistic import fit_logistic

RNG = np.random.default_rng(3)
FEATURES = RNG.normal(size=(80, 6))
LABELS = FEATURES @ np.array([1.5, -2, 0.5, 0, 0, 1]) + RNG.normal(size=80) > 0.7


def objective(parameters: np.ndarray[tuple[int], np.dtype[np.float64]], penalty: float) -> float:
    """Balanced mean cross-entropy plus the penalty, written out."""
    scores = FEATURES @ parameters[:-1] + parameters[-1]
    losses = np.logaddexp(0, np.where(LABELS, -scores, scores))
    return float(losses[LABELS].mean() / 2 + losses[~LABELS].mean() / 2 + penalty / 2 * (parameters[:-1] ** 2).sum())


@pytest.mark.parametrize("penalty", [0.001, 0.1, 3.0])
def test_it_is_the_minimum(penalty: float) -> None:
    """Of the objective as scipy finds it."""
    found = fit_logistic(FEATURES, LABELS, penalty)
    known = minimize(objective, np.zeros(7), args=(penalty,), tol=1e-12)
    assert np.append(found.weights, found.bias) == pytest.approx(known.x, abs=1e-3)
    assert objective(np.append(found.weights, found.bias), penalty) <= known.fun + 1e-9


def test_classes_that_can_be_told_apart_have_an_end_too() -> None:
    """The penalty keeps the weights finite, and every row is right."""
    labels = FEATURES[:, 0] > 0
    found = fit_logistic(FEATURES, labels, 1e-4)
    assert np.isfinite(found.weights).all()
    assert ((found.probabilities(FEATURES) > 0.5) == labels).all()


def test_the_rarer_class_counts_as_much() -> None:
    """Without features it gives one half, however rare the class is."""
    labels = np.arange(80) < 8
    found = fit_logistic(np.zeros((80, 2)), labels, 0.1)
    assert found.probabilities(np.zeros((1, 2))) == pytest.approx([0.5], abs=1e-6)
