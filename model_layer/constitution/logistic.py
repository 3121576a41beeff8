"""Logistic regression with an L2 penalty, by Newton's method (Bishop 2006, section 4.3.3), in NumPy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MOST_STEPS = 100
TOLERANCE = 1e-8


@dataclass(frozen=True, slots=True, eq=False)
class LogisticRegression:
    """Probability of the positive class: sigmoid(features @ weights + bias). weights (features,)."""

    weights: NDArray[np.float64]
    bias: float

    def probabilities(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, features) -> (rows,)."""
        return np.asarray(_sigmoid(features @ self.weights + self.bias))


def fit_logistic(features: NDArray[np.float64], labels: NDArray[np.bool_], penalty: float) -> LogisticRegression:
    """The weights that minimise mean cross-entropy + penalty/2 |weights|^2, both classes counting as much as the other.

    features (rows, features), labels (rows,). The bias is not penalised. There is one minimum, and Newton's steps find it; its
    weights lie in the span of the rows, so that the search goes through no more dimensions than there are rows.
    """
    _, lengths, directions = np.linalg.svd(features, full_matrices=False)
    directions = directions[lengths > lengths[0] * 1e-10]  # (rank, features)
    found = _newton(np.column_stack([features @ directions.T, np.ones(len(features))]), labels, penalty)
    return LogisticRegression(found[:-1] @ directions, float(found[-1]))


def _newton(rows: NDArray[np.float64], labels: NDArray[np.bool_], penalty: float) -> NDArray[np.float64]:
    """The weights of rows (rows, weights) whose last column is 1."""
    costs = np.where(labels, 0.5 / labels.sum(), 0.5 / (~labels).sum())  # sum to 1
    penalties = np.full(rows.shape[1], penalty)
    penalties[-1] = 0
    weights = np.zeros(rows.shape[1])
    for _ in range(MOST_STEPS):
        p = _sigmoid(rows @ weights)
        gradient = rows.T @ (costs * (p - labels)) + penalties * weights
        curvature = (rows.T * (costs * p * (1 - p))) @ rows + np.diag(penalties + 1e-12)
        step = np.linalg.solve(curvature, gradient)
        weights -= step * min(1.0, 5.0 / max(float(np.abs(rows @ step).max()), 1e-12))  # a long step could overshoot
        if np.abs(gradient).max() < TOLERANCE:
            break
    return weights


def _sigmoid(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-np.clip(values, -500, 500))))
