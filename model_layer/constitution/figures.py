"""How well the judges do on held-out sentences: `python -m model_layer.constitution.figures [FOLDER]` prints it."""

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from model_layer.catalog import BUNDLED_FOLDER
from model_layer.constitution.principles import NAMES
from model_layer.constitution.probe import Probes
from model_layer.constitution.scores import JudgeScore, rule_scores


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a line for each principle and judge."""
    parser = argparse.ArgumentParser(prog="python -m model_layer.constitution.figures", description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", default=BUNDLED_FOLDER, help="a baked model (the bundled one)")
    probes = Probes.read(parser.parse_args(arguments).folder)
    sys.stdout.writelines(f"{line}\n" for line in lines(rule_scores("held_out"), probes))
    return 0


def lines(by_rules: Mapping[str, JudgeScore], probes: Probes) -> Iterator[str]:
    """A table: principle, judge, precision, recall, sentences; the rules of all principles last."""
    yield f"{'held-out sentences':20} {'judge':6} precision  recall  count"
    for name in NAMES:
        score, figures = by_rules[name], probes.of(name).figures
        yield _line(name, "rules", score.precision, score.recall, score.count)
        yield _line(name, "model", figures.held_out_precision, figures.held_out_recall, figures.held_out_sentences)
    every = sum(by_rules.values(), JudgeScore(0, 0, 0, 0))
    yield _line("all", "rules", every.precision, every.recall, every.count)


def _line(name: str, judge: str, precision: float, recall: float, count: int) -> str:
    return f"{name:20} {judge:6} {precision:9.2f} {recall:7.2f} {count:6}"


if __name__ == "__main__":
    sys.exit(main())
