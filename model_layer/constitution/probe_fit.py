"""Fit the probes of a model: `python -m model_layer.constitution.probe_fit FOLDER` adds `probe.json` to a baked model.

Penalty and threshold are chosen by cross-validation on the sentences of the fit split; the held-out split is looked at once,
for the figures that go into the manifest.
"""

import argparse
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from model_layer.bake.verify import file_records
from model_layer.constitution.figures import lines
from model_layer.constitution.labelled import Sentence, load_labelled
from model_layer.constitution.logistic import LogisticRegression, fit_logistic
from model_layer.constitution.principles import load_principles
from model_layer.constitution.probe import PROBE_FILE, Probe, ProbeFigures, Probes, sentence_features
from model_layer.constitution.scores import JudgeScore, rule_scores
from model_layer.constitution.sentences import sentences
from model_layer.language_model import LanguageModel
from model_layer.manifest import Manifest

PENALTIES = (0.03, 0.1, 0.3, 1.0, 3.0)
FOLDS = 5
SEED = 20
BETA = 0.5  # a text has many sentences, each of which may be a false alarm: precision counts more

Flags = NDArray[np.bool_]
Matrix = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fit, add the file to the folder and the figures to its manifest, and print them."""
    parser = argparse.ArgumentParser(prog="python -m model_layer.constitution.probe_fit", description=__doc__)
    parser.add_argument("folder", type=Path, help="a baked model")
    folder: Path = parser.parse_args(arguments).folder
    sys.stdout.writelines(f"{line}\n" for line in lines(rule_scores("held_out"), add_probes(folder)))
    return 0


def add_probes(folder: Path) -> Probes:
    """Fit probes on a baked model, and write them and what the manifest says of them."""
    probes = fit_probes(LanguageModel.open(folder), load_labelled())
    probes.write(folder)
    manifest = Manifest.read(folder)
    checks = {**manifest.checks, "probes": {name: asdict(probe.figures) for name, probe in probes.by_principle.items()}}
    replace(manifest, files={**manifest.files, **file_records(folder, [PROBE_FILE])}, checks=checks).write(folder)
    return probes


def fit_probes(model: LanguageModel, labelled: Sequence[Sentence]) -> Probes:
    """A probe for each principle. What violates another principle, and all that is clean, does not violate this one.

    A sentence counts as violating only what it was written for, so that a false alarm may be one by the label alone.
    """
    texts = [sentences(one.text, longest_bytes=model.context_window)[0].text for one in labelled]  # of a tiny model, a beginning
    features = sentence_features(model, texts)  # (sentences, width)
    fit = np.array([sentence.split == "fit" for sentence in labelled])
    mean, scale = features[fit].mean(axis=0), features[fit].std(axis=0) + 1e-6
    scaled = (features - mean) / scale
    probes = {principle.name: _fit_probe(principle.name, scaled, labelled, fit) for principle in load_principles()}
    return Probes(mean, scale, probes)


def _fit_probe(principle: str, features: Matrix, labelled: Sequence[Sentence], fit: Flags) -> Probe:
    violates = np.array([sentence.violates and sentence.principle == principle for sentence in labelled])
    penalty, p = _chosen_penalty(features[fit], violates[fit])
    threshold = best_threshold(p, violates[fit])
    regression = fit_logistic(features[fit], violates[fit], penalty)
    crossed = score_of(p >= threshold, violates[fit])
    seen = score_of(regression.probabilities(features[~fit]) >= threshold, violates[~fit])
    return Probe(regression, threshold, _figures(int(fit.sum()), int((~fit).sum()), crossed, seen))


def _figures(fit: int, held_out: int, crossed: JudgeScore, seen: JudgeScore) -> ProbeFigures:
    rates = [round(rate, 4) for rate in (crossed.precision, crossed.recall, seen.precision, seen.recall)]
    return ProbeFigures(fit, held_out, *rates)


def _chosen_penalty(features: Matrix, labels: Flags) -> tuple[float, Matrix]:
    """The penalty with the least cross-validated cross-entropy, and the probabilities (rows,) that its folds gave."""
    crossed = {penalty: cross_validated(features, labels, penalty) for penalty in PENALTIES}
    penalty = min(PENALTIES, key=lambda one: _balanced_cross_entropy(crossed[one], labels))
    return penalty, crossed[penalty]


def cross_validated(features: Matrix, labels: Flags, penalty: float) -> Matrix:
    """The probability (rows,) of each row by a regression that did not see its fold."""
    folds = np.random.default_rng(SEED).permutation(len(labels)) % FOLDS
    p = np.empty(len(labels))
    for fold in range(FOLDS):
        regression: LogisticRegression = fit_logistic(features[folds != fold], labels[folds != fold], penalty)
        p[folds == fold] = regression.probabilities(features[folds == fold])
    return p


def best_threshold(p: Matrix, labels: Flags) -> float:
    """The threshold with the highest F_beta, to two digits; of equals the highest, which flags least."""
    candidates = np.arange(0.05, 1.0, 0.01)
    scores = [score_of(p >= candidate, labels).f_score(BETA) for candidate in candidates]
    return round(float(candidates[len(scores) - 1 - int(np.argmax(scores[::-1]))]), 2)


def score_of(flagged: Flags, labels: Flags) -> JudgeScore:
    """The counts of a judge's flags against the labels."""
    hits = [flagged & labels, flagged & ~labels, ~flagged & labels, ~flagged & ~labels]
    return JudgeScore(*(int(hit.sum()) for hit in hits))


def _balanced_cross_entropy(p: Matrix, labels: Flags) -> float:
    clipped = np.clip(p, 1e-9, 1 - 1e-9)
    return float(-np.log(clipped[labels]).mean() - np.log(1 - clipped[~labels]).mean())


if __name__ == "__main__":
    sys.exit(main())
