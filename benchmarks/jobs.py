"""A job of many requests, some at once beside one by one: the same requests, model and cores, in turns."""

import sys
from dataclasses import dataclass
from pathlib import Path

from benchmarks.engine_process import EngineProcess
from benchmarks.engines import Engine, EngineSpec
from benchmarks.figures import Figure, Figures
from benchmarks.job_mix import REQUESTS
from benchmarks.machine import all_cores
from benchmarks.models import ModelFolders
from model_layer.catalog import BUNDLED_FOLDER

GPT2, STORYBOOK = "ours gpt2", "ours storybook"
THREADS = 2
ONE_BY_ONE = 0  # the size of a figure: each request in a call of its own
AT_ONCE = (8, 16, 32, 64)
ALONE = 1  # one text at a time in one call: about as slow as one by one, so one round has to do
WARMING = {"op": "job", "requests": 8, "at_once": 8}


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is asked, and how often."""

    requests: int
    rounds: int
    alone: int = 1

    def sizes(self) -> list[int]:
        """Of texts at once, one job after the other: what is compared takes turns."""
        return [ALONE] * self.alone + [ONE_BY_ONE, *AT_ONCE] * self.rounds


QUICK = Plan(32, rounds=1, alone=0)
PLANS = {STORYBOOK: Plan(REQUESTS, rounds=5), GPT2: Plan(REQUESTS, rounds=3)}


def measure(figures: Figures, folders: ModelFolders, *, quick: bool) -> None:
    """`job_requests_s` and `job_tokens_s` by texts at once, ONE_BY_ONE too. Raises NotHereError, for different answers too."""
    if len(all_cores()) < THREADS:
        print("jobs: this machine has one core")
        return
    for name, folder in ((STORYBOOK, BUNDLED_FOLDER), (GPT2, folders.folder("float16"))):
        measure_model(figures, name, folder, QUICK if quick else PLANS[name])


def measure_model(figures: Figures, name: str, folder: Path, plan: Plan) -> None:
    """The medians of one model. Raises NotHereError."""
    rates: dict[int, list[list[float]]] = {}
    with EngineProcess(Engine(EngineSpec(name, "jobs", "float16"), Path(sys.executable), folder), threads=THREADS) as process:
        process.load()
        process.ask(**WARMING)
        for size in plan.sizes():
            rates.setdefault(size, []).append(process.ask(op="job", requests=plan.requests, at_once=size))
            print(".", end="", flush=True)
    for size in sorted(rates):
        for quantity, values in zip(("job_requests_s", "job_tokens_s"), zip(*rates[size], strict=True), strict=True):
            figures.add(Figure.median(quantity, name, values, size=size, threads=THREADS))
