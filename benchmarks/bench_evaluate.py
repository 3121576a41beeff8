"""How long it takes to judge texts, on two cores: `python -m benchmarks.bench_evaluate [--model FOLDER]`.

By the rules alone, and by both judges with the bundled storybook model and with a GPT-2 at full size. Probes of a model that was
baked without any are random, which takes as long. Every text is another one, made of labelled sentences.
"""

import argparse
import json
import os
import random
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from benchmarks.lab_texts import probes_that_flag, text_of_characters
from benchmarks.machine import cores_for, describe, pin
from benchmarks.models import ModelFolders
from benchmarks.numbers import number
from model_layer.catalog import BUNDLED_FOLDER
from model_layer.constitution.evaluation import Evaluator, Mode
from model_layer.constitution.principles import load_principles
from model_layer.constitution.probe import PROBE_FILE, Probes
from model_layer.language_model import LanguageModel
from model_layer.threads import use_threads

THREADS = 2
ROUNDS, LEAST_ROUNDS = 40, 5
ENOUGH_S = 20.0  # of one case, once it had its least rounds
SEED = 2026
RESULT = Path(__file__).parent / "results" / "evaluate.json"


@dataclass(frozen=True, slots=True)
class Case:
    """So many texts of so many characters, judged together; the 95th percentile of it shall be below `target_s`."""

    texts: int
    characters: int
    target_s: float


CASES = (Case(1, 1_000, 1.0), Case(1, 10_000, 1.0), Case(100, 500, 10.0))


@dataclass(frozen=True, slots=True)
class Measured:
    """A case by one judge or two; seconds."""

    model: str
    mode: Mode
    texts: int
    characters: int
    rounds: int
    p50_s: float
    p95_s: float
    target_s: float

    @property
    def met(self) -> bool:
        """Whether it is as fast as it shall be."""
        return self.p95_s < self.target_s


def measured(model: str, mode: Mode, case: Case, seconds: list[float]) -> Measured:
    """The percentiles of the rounds of a case."""
    p50, p95 = (round(float(value), 4) for value in np.percentile(seconds, (50, 95)))
    return Measured(model, mode, case.texts, case.characters, len(seconds), p50, p95, case.target_s)


def rounds(work: Callable[[list[str]], object], batches: Sequence[list[str]]) -> list[float]:
    """Seconds of each batch, after a first one that does not count; the last ones are left out when it takes too long."""
    work(batches[0])
    seconds: list[float] = []
    for batch in batches[1:]:
        started = time.perf_counter()
        work(batch)
        seconds.append(time.perf_counter() - started)
        if sum(seconds) > ENOUGH_S and len(seconds) >= LEAST_ROUNDS:
            break
    return seconds


def of_judge(model: str, evaluator: Evaluator, mode: Mode) -> Iterator[Measured]:
    """All cases."""
    rng = random.Random(SEED)  # noqa: S311 - texts, no secret
    for case in CASES:
        batches = [[text_of_characters(case.characters, rng) for _ in range(case.texts)] for _ in range(ROUNDS + 1)]
        yield measured(model, mode, case, rounds(lambda texts: evaluator.evaluate(texts, mode), batches))


def evaluator_of(folder: Path) -> Evaluator:
    """Both judges, with the folder's model."""
    model = LanguageModel.open(folder)
    rng = random.Random(SEED)  # noqa: S311 - texts, no secret
    texts = [text_of_characters(80, rng) for _ in range(64)]
    probes = Probes.read(folder) if (folder / PROBE_FILE).is_file() else probes_that_flag(model, texts, 0.1, seed=SEED)
    return Evaluator(load_principles(), model=model, probes=probes)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Measure how long judging takes.")
    parser.add_argument("--model", help="a GPT-2 folder (default: .models/gpt2 if baked, else random weights)")
    arguments = parser.parse_args()
    folders, load = ModelFolders.of(arguments.model), round(os.getloadavg()[0], 1)
    full_size = folders.folder("float16")
    pin(os.getpid(), cores_for(THREADS))
    use_threads(THREADS)
    found = list(of_judge("none", Evaluator(load_principles()), "rules"))
    for name, folder in (("storybook", BUNDLED_FOLDER), (folders.name, full_size)):
        found += of_judge(name, evaluator_of(folder), "both")
    for one in found:
        print(f"{one.model} {one.mode}: {one.texts} x {one.characters} characters, p50 {number(one.p50_s)} s, ", end="")
        print(f"p95 {number(one.p95_s)} s, {'meets' if one.met else 'misses'} {number(one.target_s)} s")
    result = {"machine": describe(), "threads": THREADS, "load_before": load, "cases": [asdict(one) for one in found]}
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
