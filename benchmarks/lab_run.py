"""One run of the lab in this process, part by part: `python -m benchmarks.lab_run FOLDER WORK PLAN` prints its figures.

The parts are those of `model_layer.constitution.making`, with as many pairs as a plan can have at most, each as long as it can
be. Those are made of words: the pairs that preparing finds are fewer, and are thrown away.
"""

import argparse
import json
import math
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.lab_texts import probes_that_flag, text_of_tokens
from model_layer.constitution.evaluation import Evaluator
from model_layer.constitution.impact import impact
from model_layer.constitution.making import MEASURED
from model_layer.constitution.memory import peak_memory_mb
from model_layer.constitution.pairs import Pair
from model_layer.constitution.plan import PLANS, Plan
from model_layer.constitution.preparing import DRAFT, HELD_OUT_EVERY, PAIRS_PER_PROMPT, Prepared, prepare
from model_layer.constitution.principles import load_principles
from model_layer.constitution.suites import impact_prompts, neutral_texts, training_prompts
from model_layer.language_model import LanguageModel
from model_layer.threads import use_threads

THREADS = 2
REVISED_TOKENS = DRAFT.max_new_tokens + 8  # a rewriting may be a few words longer
FLAGGED_SHARE = 0.1  # of the sentences, by the probe of each principle
SEED = 2026

Figures = dict[str, Any]


class Run:
    """What the parts hand on, and their figures: seconds, and the most memory that the process had held by the end of each."""

    def __init__(self, folder: Path, work: Path, plan: Plan) -> None:
        self.figures: Figures = {}
        self._folder, self._work, self._plan = folder, work, plan
        use_threads(THREADS)
        self._model = LanguageModel.open(folder)
        self._rng = random.Random(SEED)  # noqa: S311 - words, no secret
        words = [text_of_tokens(self._model, DRAFT.max_new_tokens, self._rng) for _ in range(64)]
        probes = probes_that_flag(self._model, words, FLAGGED_SHARE, seed=SEED)
        self._evaluator = Evaluator(load_principles(), model=self._model, probes=probes)

    def prepare(self) -> Figures:
        """Draw the drafts, judge and revise them."""
        found = prepare(self._model, self._evaluator, training_prompts()[: self._plan.prompts], "bench")
        return {"pairs": len(found.pairs), "held_out": len(found.held_out)}

    def train(self) -> Figures:
        """SFT, DPO and the bake, from the import of torch on."""
        from model_layer.constitution.training import Training  # noqa: PLC0415 - its import is part of what is measured

        use_threads(THREADS)
        saves: list[int] = []
        pairs = self._most_pairs()
        training = Training(
            self._folder,
            pairs.pairs,
            self._plan,
            self._work,
            on_progress=lambda progress: print(progress, file=sys.stderr, flush=True),
            seconds_left=lambda: math.inf,
            held_out=pairs.held_out,
            on_checkpoint=lambda path: saves.append(path.stat().st_size),
        )
        assert training.run(self._work / "model", name="bench", description="a benchmark"), "time is endless"
        each = {f"{kind}_s": statistics.fmean(spent) for kind, spent in training.times.items()}
        return {"pairs": len(pairs.pairs), "steps": training.steps, "checkpoint_mb": saves[-1] / 1e6} | each

    def measure(self) -> Figures:
        """Both models' texts after all prompts, their preferences and their drift."""
        prompts, pairs = impact_prompts(), self._most_pairs().held_out
        tuned = LanguageModel.open(self._work / "model")
        neutral, judge = neutral_texts(), self._evaluator
        impact(self._model, tuned, judge, prompts=prompts, pairs=pairs, neutral_texts=neutral, sampling=MEASURED)
        return {"prompts": len(prompts), "pairs": len(pairs)}

    def part(self, part: Callable[[], Figures]) -> None:
        """Run one of them and keep its figures."""
        started = time.perf_counter()
        figures = part()
        self.figures[part.__name__] = {"seconds": time.perf_counter() - started, "peak_mb": peak_memory_mb()} | figures
        print(part.__name__, self.figures[part.__name__], file=sys.stderr, flush=True)

    def _most_pairs(self) -> Prepared:
        prepared = Prepared([], [])
        for place, prompt in enumerate(training_prompts()[: self._plan.prompts]):
            kept = prepared.held_out if place % HELD_OUT_EVERY == HELD_OUT_EVERY - 1 else prepared.pairs
            kept.extend(self._pair(prompt.text) for _ in range(PAIRS_PER_PROMPT))
        return prepared

    def _pair(self, prompt: str) -> Pair:
        chosen, rejected = (text_of_tokens(self._model, tokens, self._rng) for tokens in (REVISED_TOKENS, DRAFT.max_new_tokens))
        return Pair(prompt, chosen, rejected, principle="none", chosen_score=0.0, rejected_score=1.0, reviser="words")


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Run the parts of the lab once.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("work", type=Path)
    parser.add_argument("plan", choices=list(PLANS))
    arguments = parser.parse_args()
    run = Run(arguments.folder, arguments.work, PLANS[arguments.plan])
    for part in (run.prepare, run.train, run.measure):
        run.part(part)
    print(json.dumps(run.figures))


if __name__ == "__main__":
    main()
