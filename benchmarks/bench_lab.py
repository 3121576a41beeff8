"""The lab at full size on two cores: `python -m benchmarks.bench_lab [--model FOLDER]`.

A Quick Demo runs in a process of its own, as `benchmarks.lab_run` says. What Standard would take is worked out from its
figures, and how many invocations of Lambda each needs from the time that one may last. Others who use the cores meanwhile make
every time longer: `load_before` says how many wanted them when it began.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.engine_process import environment
from benchmarks.environments import REPOSITORY, NotHereError
from benchmarks.machine import all_cores, cores_for, describe, pin
from benchmarks.models import ModelFolders
from benchmarks.numbers import number
from model_layer.constitution.making import MEASURING_S
from model_layer.constitution.plan import QUICK_DEMO, STANDARD, Plan
from model_layer.constitution.preparing import HELD_OUT_EVERY, PAIRS_PER_PROMPT

THREADS = 2
INVOCATION_S = 900  # Lambda's longest
START_S = 30  # of an invocation, assumed: what is imported, fetched and loaded
RESULT = Path(__file__).parent / "results" / "lab.json"

Figures = dict[str, Any]


def measure(folder: Path) -> Figures:
    """The figures of a Quick Demo, held to two cores. Raises NotHereError."""
    with tempfile.TemporaryDirectory() as work:
        command = [sys.executable, "-m", "benchmarks.lab_run", str(folder), work, QUICK_DEMO.name]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY, env=environment(THREADS, {}))
        pin(process.pid, cores_for(THREADS))
        output, _ = process.communicate()
    if process.returncode != 0:
        raise NotHereError(f"the run ended with {process.returncode}")
    figures: Figures = json.loads(output)
    return figures


def train_pairs(plan: Plan) -> int:
    """The most pairs that a plan may train on."""
    return PAIRS_PER_PROMPT * (plan.prompts - plan.prompts // HELD_OUT_EVERY)


def train_seconds(plan: Plan, times: Mapping[str, float]) -> float:
    """Steps, scores, saves and the bake of a plan with its most pairs, from the mean time of each; without imports."""
    pairs, held_out = train_pairs(plan), PAIRS_PER_PROMPT * (plan.prompts // HELD_OUT_EVERY)
    steps = plan.steps(pairs)
    scored = math.ceil(pairs / plan.batch) + 2 * math.ceil(held_out / plan.batch)
    saves = 2 * steps // plan.checkpoint_every_steps + 1
    return steps * (times["sft_s"] + times["dpo_s"]) + scored * times["score_s"] + saves * times["save_s"] + times["bake_s"]


def invocations(worked_s: float) -> int:
    """How many it takes to prepare and train for so long and then to measure, which begins only with MEASURING_S left."""
    usable_s = INVOCATION_S - START_S
    whole = math.ceil(worked_s / usable_s)
    return whole if whole * usable_s - worked_s >= MEASURING_S else whole + 1


def row(plan: Plan, measured: Figures) -> Figures:
    """What a plan takes: Quick Demo as it was measured, another one as its steps add up."""
    train = measured["train"]
    train_s = train["seconds"] + train_seconds(plan, train) - train_seconds(QUICK_DEMO, train)
    prepare_s = measured["prepare"]["seconds"] * plan.prompts / QUICK_DEMO.prompts
    measure_s = measured["measure"]["seconds"]
    return {
        "plan": plan.name,
        "pairs": train_pairs(plan),
        "steps": 2 * plan.steps(train_pairs(plan)),
        "prepare_s": round(prepare_s),
        "train_s": round(train_s),
        "measure_s": round(measure_s),
        "seconds": round(prepare_s + train_s + measure_s),
        "invocations": invocations(prepare_s + train_s),
        "how": "measured" if plan == QUICK_DEMO else "from the steps of Quick Demo",
    }


def table(rows: list[Figures]) -> str:
    """The rows as Markdown."""
    lines = [list(rows[0]), ["---"] * len(rows[0]), *(list(map(str, one.values())) for one in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(description="Measure the lab at full size.")
    parser.add_argument("--model", help="a GPT-2 folder (default: .models/gpt2 if baked, else random weights)")
    arguments = parser.parse_args()
    if len(all_cores()) < THREADS:
        raise SystemExit("this machine has one core")
    folders, load = ModelFolders.of(arguments.model), round(os.getloadavg()[0], 1)
    measured = measure(folders.folder("float16"))
    plans = [row(plan, measured) for plan in (QUICK_DEMO, STANDARD)]
    result = {"model": folders.name, "machine": describe(), "threads": THREADS, "load_before": load}
    RESULT.write_text(json.dumps(result | {"measured": measured, "plans": plans}, indent=1) + "\n", encoding="utf-8")
    print(table(plans))
    for part, figures in measured.items():
        print(part, ", ".join(f"{name} {number(value)}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
