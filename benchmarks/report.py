"""A run's results as Markdown tables and as JSON."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bandwidth import MEMORY, floor_ms
from benchmarks.figures import Figures
from benchmarks.numbers import number
from benchmarks.targets import verdicts

RESULTS = Path(__file__).parent / "results"

# Title, quantity and threads of each.
BY_SIZE = (
    ("Decode step in ms, by tokens before it", "step_ms", 1),
    ("Prefill in ms, by tokens", "prefill_ms", 1),
    ("One step of many sequences in ms, by sequences (128 tokens before)", "batch_step_ms", 1),
    ("Decode step in ms on two threads, by tokens before it", "step_ms", 2),
    ("Prefill in ms on two threads, by tokens", "prefill_ms", 2),
    ("One step of many sequences in ms on two threads, by sequences", "batch_step_ms", 2),
    ("Requests of a job per second on two threads, by texts at once", "job_requests_s", 2),
    ("Tokens of a job per second on two threads, by texts at once", "job_tokens_s", 2),
)
# Title, and the heading of each quantity.
BY_QUANTITY = (
    (
        "Process start to first distribution after 16 tokens",
        {"first_ms": "warm, ms", "first_dropped_ms": "page cache dropped, ms", "peak_memory_mb": "peak memory, MB"},
    ),
    (
        "Start of a service",
        {
            "http_first_wheel_ms": "first wheel over HTTP, ms",
            "http_first_wheel_dropped_ms": "page cache dropped, ms",
            "lambda_init_ms": "init under the Lambda runtime client, ms",
            "lambda_first_answer_ms": "first answer there, ms",
        },
    ),
    (
        "Spins of a class",
        {
            "spin_ms": "spin p50, ms",
            "spin_overhead_p50_ms": "outside the model p50, ms",
            "spin_overhead_p99_ms": "p99, ms",
        },
    ),
    ("Agreement with float32", {"kl": "mean KL, nats", "log_probability_change": "largest change of a log-probability"}),
)


def write(name: str, figures: Figures, machine: Mapping[str, Any]) -> Path:
    """Write `<name>.json` and `<name>.md` under `benchmarks/results`; the path of the JSON file."""
    RESULTS.mkdir(exist_ok=True)
    content = {"model": name, "machine": machine, "targets": target_records(figures), **figures.as_json()}
    path = RESULTS / f"{name}.json"
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    path.with_suffix(".md").write_text(markdown(name, figures, machine), encoding="utf-8")
    return path


def read(path: Path) -> Figures:
    """The figures of a JSON file that `write` wrote; none when there is no such file."""
    return Figures.from_json(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else Figures()


def target_records(figures: Figures) -> list[dict[str, Any]]:
    """The verdicts as plain values."""
    return [
        {"target": verdict.target.name, "limit": verdict.target.limit, "unit": verdict.target.unit, "value": verdict.value}
        | {"at_least": verdict.target.at_least, "met": verdict.met, "verdict": str(verdict)}
        for verdict in verdicts(figures)
    ]


def markdown(name: str, figures: Figures, machine: Mapping[str, Any]) -> str:
    """All tables of a run."""
    words = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in machine.items())
    parts = [f"# {name}\n\n{words}", section("Targets", target_table(figures))]
    parts += [section(title, table_by_size(figures, quantity, threads)) for title, quantity, threads in BY_SIZE]
    parts += [section(title, table_by_quantity(figures, headings)) for title, headings in BY_QUANTITY]
    parts += [section("Memory bandwidth and the floor of a step", floor_table(figures))]
    parts += [section("Not here", [f"- {engine}: {reason}" for engine, reason in figures.not_here.items()])]
    return "\n\n".join(part for part in parts if part) + "\n"


def section(title: str, lines: Sequence[str]) -> str:
    """A heading and its lines; nothing without lines."""
    return "\n".join([f"## {title}", "", *lines]) if lines else ""


def target_table(figures: Figures) -> list[str]:
    """Target, measured, verdict."""
    rows = [
        [
            verdict.target.name,
            f"{'>=' if verdict.target.at_least else '<='} {number(verdict.target.limit)} {verdict.target.unit}",
            "" if verdict.value is None else f"{number(verdict.value)} {verdict.target.unit}",
            str(verdict),
        ]
        for verdict in verdicts(figures)
    ]
    return table(["what", "target", "measured", "verdict"], rows)


def table_by_size(figures: Figures, quantity: str, threads: int) -> list[str]:
    """Engines by sizes; nothing when the quantity was not measured."""
    measured = [figure for figure in figures.records if (figure.quantity, figure.threads) == (quantity, threads)]
    sizes = sorted({figure.size for figure in measured})
    engines = dict.fromkeys(figure.engine for figure in measured)
    rows = [[name, *(cell(figures.value(quantity, name, size=size, threads=threads)) for size in sizes)] for name in engines]
    return table(["engine", *(str(size) if size else "one by one" for size in sizes)], rows) if rows else []


def table_by_quantity(figures: Figures, headings: Mapping[str, str]) -> list[str]:
    """Engines by quantities; nothing when none of them was measured."""
    found = {(figure.engine, figure.quantity): figure.value for figure in figures.records if figure.quantity in headings}
    engines = dict.fromkeys(engine for engine, _ in found)
    rows = [[name, *(cell(found.get((name, quantity))) for quantity in headings)] for name in engines]
    return table(["engine", *headings.values()], rows) if rows else []


def floor_table(figures: Figures) -> list[str]:
    """Bandwidth, and the floor of each engine whose weights were counted."""
    rates = [figure for figure in figures.records if figure.engine == MEMORY]
    lines = [f"{figure.threads} core{'s' * (figure.threads > 1)}: {number(figure.value)} GB/s  " for figure in rates]
    rows = [
        [name, cell(figures.value("weights_mb", name)), cell(floor_ms(figures, name)), cell(floor_ms(figures, name, threads=2))]
        for name in figures.engines("weights_mb")
    ]
    return [*lines, "", *table(["engine", "weights, MB", "floor, ms", "on two cores, ms"], rows)] if rates and rows else lines


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table, its columns as wide as their longest cell."""
    widths = [max(len(line[column]) for line in [headings, *rows]) for column in range(len(headings))]
    lines = [
        "| " + " | ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) + " |"
        for line in [headings, *rows]
    ]
    return [lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]]


def cell(value: float | None) -> str:
    """A number, or nothing."""
    return "" if value is None else number(value)
