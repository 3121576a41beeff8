"""The whole suite: `python -m benchmarks [--model FOLDER] [--only step,start] [--quick]`.

README.md says what each part measures.
"""

import argparse
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks import agreement, bandwidth, first, jobs, lambda_start, machine, report, serving, start, steady
from benchmarks.engines import SPECS, Engine, find
from benchmarks.environments import REPOSITORY, NotHereError, interpreter, last_line
from benchmarks.figures import Figures
from benchmarks.models import ModelFolders


@dataclass(frozen=True, slots=True)
class Run:
    """What every part measures with."""

    figures: Figures
    folders: ModelFolders
    engines: Sequence[Engine]
    quick: bool

    def rounds(self, full: int) -> int:
        """A quick run has three rounds of everything."""
        return 3 if self.quick else full


def measure_steady(run: Run, parts: Sequence[str]) -> None:
    """Steps, prefill and batches on one thread, all engines loaded at once."""
    with steady.Field(run.figures, run.engines, threads=1, rounds=run.rounds(5)) as field:
        if "step" in parts:
            field.measure("step_ms", steady.CONTEXTS, steady.steps)
            bandwidth.measure_again(run.figures)
        if "prefill" in parts:
            field.measure("prefill_ms", steady.PROMPTS, steady.prefill)
        if "batch" in parts:
            field.measure("batch_step_ms", steady.BATCHES, steady.batch_steps, only=steady.batching(run.engines))


def measure_threads(run: Run) -> None:
    """The same on two threads, at fewer sizes."""
    if len(machine.all_cores()) < 2:
        print("threads: this machine has one core")
        return
    with steady.Field(run.figures, run.engines, threads=2, rounds=run.rounds(5)) as field:
        field.measure("step_ms", (128,), steady.steps)
        field.measure("prefill_ms", (128,), steady.prefill)
        field.measure("batch_step_ms", (8, 32), steady.batch_steps, only=steady.batching(run.engines))


PARTS: Mapping[str, Callable[[Run], None]] = {
    "first": lambda run: first.measure(run.figures, run.engines, rounds=run.rounds(5)),
    "start": lambda run: start.measure(run.figures, run.folders, rounds=run.rounds(5)),
    "lambda": lambda run: lambda_start.measure(run.figures, run.folders, rounds=run.rounds(3)),
    "serving": lambda run: serving.measure(run.figures, run.folders),
    "agreement": lambda run: agreement.measure(run.figures, run.folders),
    "threads": measure_threads,
    "jobs": lambda run: jobs.measure(run.figures, run.folders, quick=run.quick),
    "bandwidth": lambda run: bandwidth.measure(run.figures, run.engines),
}
STEADY = ("step", "prefill", "batch")  # these come last and share their loaded engines


def main() -> None:
    """Command line: see the module's docstring."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure this engine beside others.")
    parser.add_argument("--model", help="a GPT-2 folder in the Hugging Face format (default: .models/gpt2, else random weights)")
    parser.add_argument("--only", help=f"some of {','.join((*PARTS, *STEADY))}; earlier results of the others are kept")
    parser.add_argument("--quick", action="store_true", help="fewer rounds of everything")
    parser.add_argument("--engines", help="only engines whose names begin with one of these, separated by commas")
    arguments = parser.parse_args()
    wanted = arguments.only.split(",") if arguments.only else [*PARTS, *STEADY]
    if unknown := set(wanted) - {*PARTS, *STEADY}:
        parser.error(f"unknown parts: {', '.join(sorted(unknown))}")
    folders = ModelFolders.of(arguments.model)
    begun = tuple((arguments.engines or "").split(","))
    engines, not_here = find(folders, [spec for spec in SPECS if spec.name.startswith(begun)])
    figures = Figures(report.read(report.RESULTS / f"{folders.name}.json").records if arguments.only else [], not_here)
    run = Run(figures, folders, engines, arguments.quick)
    measure(run, wanted)
    publish(run)


def measure(run: Run, wanted: Sequence[str]) -> None:
    """Run the parts; one that cannot be measured here is told and the rest goes on."""
    for name, part in PARTS.items():
        if name in wanted:
            timed(name, run, part)
    if steady_parts := [name for name in STEADY if name in wanted]:
        timed(", ".join(steady_parts), run, lambda run: measure_steady(run, steady_parts))


def timed(name: str, run: Run, part: Callable[[Run], None]) -> None:
    """One part, with its name and how long it took; what is known by then is kept."""
    started = time.perf_counter()
    print(f"{name} ", end="", flush=True)
    try:
        part(run)
    except Exception as error:  # noqa: BLE001 - the other parts go on
        run.figures.not_here[name] = f"{type(error).__name__}: {last_line(str(error))}"
    report.write(run.folders.name, run.figures, machine.describe())
    print(f" {time.perf_counter() - started:.0f} s")


def publish(run: Run) -> None:
    """Print the tables, and keep them as JSON, Markdown and a picture."""
    described = machine.describe()
    path = report.write(run.folders.name, run.figures, described)
    print("\n" + report.markdown(run.folders.name, run.figures, described))
    try:
        python, picture = interpreter("plot"), path.with_suffix(".png")
        command = [str(python), "-m", "benchmarks.plot", str(path), str(picture)]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=REPOSITORY)
        print(f"wrote {path.with_suffix('.*')}" if done.returncode == 0 else f"no picture: {last_line(done.stderr)}")
    except NotHereError as error:
        print(f"no picture: {error}")


if __name__ == "__main__":
    main()
