"""The language model as judge: linear probes on its hidden states (Alain and Bengio 2016, arXiv:1610.01644).

A probe sees the mean of a sentence's early hidden states and says how likely the sentence violates its principle. It was fitted
on labelled sentences when the model was baked, and belongs to these weights alone: texts of a tuned model are judged by the model
that it was tuned from.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_layer.constitution.errors import NoProbeError
from model_layer.constitution.logistic import LogisticRegression
from model_layer.language_model import LanguageModel

PROBE_FILE = "probe.json"
FORMAT = 2  # grows with every change of what the features are


@dataclass(frozen=True, slots=True)
class ProbeFigures:
    """How well a probe does: on its own folds while it was fitted, and on sentences that it never saw."""

    fit_sentences: int
    held_out_sentences: int
    cross_validated_precision: float
    cross_validated_recall: float
    held_out_precision: float
    held_out_recall: float


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """One principle's probe. A sentence is flagged from `threshold` on, which cross-validation chose."""

    regression: LogisticRegression
    threshold: float
    figures: ProbeFigures


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """The probes of a model by principle. Features are centred and scaled by `mean` and `scale`, (width,) each."""

    mean: NDArray[np.float64]
    scale: NDArray[np.float64]
    by_principle: Mapping[str, Probe]

    def scaled(self, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """(rows, width) -> (rows, width)."""
        return np.asarray((features - self.mean) / self.scale)

    def probabilities(self, principle: str, features: NDArray[np.float64]) -> NDArray[np.float64]:
        """How likely each sentence violates a principle: unscaled features (rows, width) -> (rows,). Raises NoProbeError."""
        return self.of(principle).regression.probabilities(self.scaled(features))

    def of(self, principle: str) -> Probe:
        """The probe of a principle. Raises NoProbeError."""
        if principle not in self.by_principle:
            raise NoProbeError("a principle of your own has rules only: ask for mode rules")
        return self.by_principle[principle]

    def write(self, folder: Path) -> None:
        """Write `probe.json`."""
        body = {
            "format": FORMAT,
            "mean": _listed(self.mean),
            "scale": _listed(self.scale),
            "principles": {name: _to_json(probe) for name, probe in self.by_principle.items()},
        }
        (folder / PROBE_FILE).write_text(json.dumps(body) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, folder: Path) -> "Probes":
        """The probes of a baked model. Raises NoProbeError when it has none that can be read."""
        try:
            body = json.loads((folder / PROBE_FILE).read_text(encoding="utf-8"))
            if body["format"] != FORMAT:
                raise NoProbeError("this model's probes are of another version: bake it again")
            probes = {name: _from_json(fields) for name, fields in body["principles"].items()}
            return cls(np.array(body["mean"], np.float64), np.array(body["scale"], np.float64), probes)
        except FileNotFoundError as error:
            raise NoProbeError("this model was baked without probes: it cannot judge") from error
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise NoProbeError("this model's probes cannot be read: bake it again") from error


def sentence_features(model: LanguageModel, texts: Sequence[str], starts: Sequence[int] | None = None) -> NDArray[np.float64]:
    """The mean hidden state of each text after the model's first third, (texts, width).

    With `starts`, what stands before a text's start is its context: the mean is over what follows. Raises
    ContextWindowExceededError for a text that the model cannot read as a whole.

    Later blocks cost time and tell no more of what the probes look for: on the bundled model's fit split the cross-validated
    cross-entropy, summed over the principles, is 3.31 after two of six blocks, 3.24 after four and 3.42 after all.
    """
    begun = [0] * len(texts) if starts is None else starts
    contexts = [model.encode(text[:start]) for text, start in zip(texts, begun, strict=True)]
    judged = [model.encode(text[start:]) or [model.end_of_text_id] for text, start in zip(texts, begun, strict=True)]
    sequences = [before + after for before, after in zip(contexts, judged, strict=True)]
    states = model.early_states(sequences, blocks=math.ceil(model.config.layers / 3))
    means = [hidden[len(before) :].mean(axis=0, dtype=np.float64) for before, hidden in zip(contexts, states, strict=True)]
    return np.array(means).reshape(len(texts), model.config.width)


def _listed(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values]


def _to_json(probe: Probe) -> dict[str, Any]:
    return {
        "weights": _listed(probe.regression.weights),
        "bias": float(f"{probe.regression.bias:.6g}"),
        "threshold": probe.threshold,
        "figures": asdict(probe.figures),
    }


def _from_json(fields: dict[str, Any]) -> Probe:
    regression = LogisticRegression(np.array(fields["weights"]), float(fields["bias"]))
    return Probe(regression, float(fields["threshold"]), ProbeFigures(**fields["figures"]))
