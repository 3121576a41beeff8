"""What the project aims at, as data: ratios within one run where a ratio says more than a time. One thread unless said."""

from collections.abc import Callable
from dataclasses import dataclass

from benchmarks.bandwidth import floor_ms
from benchmarks.engines import FLOAT32_LIBRARIES, LLAMA_FLOAT16, OURS, OURS_INT8, SEED
from benchmarks.figures import Figures, ratio
from benchmarks.jobs import GPT2, ONE_BY_ONE, STORYBOOK, THREADS
from benchmarks.serving import ENGINE as SERVER

Measured = Callable[[Figures], float | None]


@dataclass(frozen=True, slots=True)
class Target:
    """`limit` is the most that `measured` may be, or the least when `at_least`."""

    name: str
    limit: float
    unit: str
    measured: Measured
    at_least: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """A target beside what was measured; `share` is how far beyond the limit: 0.1 misses by 10 %, -0.1 is 10 % better."""

    target: Target
    value: float | None

    @property
    def share(self) -> float | None:
        """None when nothing was measured."""
        if self.value is None:
            return None
        beyond = self.value / self.target.limit - 1
        return -beyond if self.target.at_least else beyond

    @property
    def met(self) -> bool | None:
        """None when nothing was measured."""
        return None if self.share is None else self.share <= 0

    def __str__(self) -> str:
        if self.share is None:
            return "not measured"
        return f"met, {abs(self.share):.0%} to spare" if self.share <= 0 else f"missed by {self.share:.0%}"


def verdicts(figures: Figures) -> list[Verdict]:
    """Every target with what was measured."""
    return [Verdict(target, target.measured(figures)) for target in TARGETS]


def single(quantity: str, engine: str, *, size: int = 0) -> Measured:
    """One figure."""
    return lambda figures: figures.value(quantity, engine, size=size)


def compared(quantity: str, over: str, under: str, *, size: int = 0) -> Measured:
    """One engine's figure over another's."""
    return lambda figures: ratio(figures.value(quantity, over, size=size), figures.value(quantity, under, size=size))


def sizes_compared(quantity: str, engine: str, over: int, under: int) -> Measured:
    """An engine's figure at one size over its own at another."""
    return lambda figures: ratio(figures.value(quantity, engine, size=over), figures.value(quantity, engine, size=under))


def batch_over_one_by_one(engine: str) -> Measured:
    """Requests per second of a job, 32 at once over one by one."""
    return lambda figures: ratio(
        figures.value("job_requests_s", engine, size=32, threads=THREADS),
        figures.value("job_requests_s", engine, size=ONE_BY_ONE, threads=THREADS),
    )


def beside_best_library(quantity: str, size: int) -> Measured:
    """Ours over the best float32 library in the same run."""
    return lambda figures: ratio(figures.value(quantity, OURS, size=size), figures.best(quantity, FLOAT32_LIBRARIES, size=size))


def step_over_floor(engine: str) -> Measured:
    """A step at 128 over one read of the engine's weights."""
    return lambda figures: ratio(figures.value("step_ms", engine, size=128), floor_ms(figures, engine))


def seed_pass_over_step(figures: Figures) -> float | None:
    """One pass of the seed over 128 tokens, over a step of ours."""
    return ratio(figures.value("prefill_ms", SEED, size=128), figures.value("step_ms", OURS, size=128))


def second_thread(figures: Figures) -> float | None:
    """A step on two threads over one on one."""
    return ratio(figures.value("step_ms", OURS, size=128, threads=2), figures.value("step_ms", OURS, size=128))


BATCH_OF_32 = "batch of 32 / one by one, requests per second, two threads"

TARGETS = (
    Target("first wheel over HTTP, gpt2", 450, "ms", single("http_first_wheel_ms", "ours gpt2")),
    Target("first wheel over HTTP, gpt2 (stretch)", 300, "ms", single("http_first_wheel_ms", "ours gpt2")),
    Target(
        "... faster than on transformers",
        7,
        "x",
        compared("http_first_wheel_ms", "transformers gpt2", "ours gpt2"),
        at_least=True,
    ),
    Target(
        "first wheel over HTTP, storybook, faster than on transformers",
        7,
        "x",
        compared("http_first_wheel_ms", "transformers storybook", "ours storybook"),
        at_least=True,
    ),
    Target("init under the Lambda runtime client, gpt2", 800, "ms", single("lambda_init_ms", "ours gpt2")),
    Target(
        "... faster than on transformers", 5, "x", compared("lambda_init_ms", "transformers gpt2", "ours gpt2"), at_least=True
    ),
    Target("step at 128, float16 / its floor", 1.2, "x", step_over_floor(OURS)),
    Target("... faster than llama.cpp float16", 1.3, "x", compared("step_ms", LLAMA_FLOAT16, OURS, size=128), at_least=True),
    Target("... faster than one pass of the seed", 14, "x", seed_pass_over_step, at_least=True),
    Target("step at 1000 / step at 16", 1.3, "x", sizes_compared("step_ms", OURS, 1000, 16)),
    Target("prefill 128 / best float32 library", 1.0, "x", beside_best_library("prefill_ms", 128)),
    Target("prefill 1000 / best float32 library", 1.0, "x", beside_best_library("prefill_ms", 1000)),
    Target("step of 8 sequences / of one", 2.0, "x", sizes_compared("batch_step_ms", OURS, 8, 1)),
    Target("step of 32 sequences / of one", 5.0, "x", sizes_compared("batch_step_ms", OURS, 32, 1)),
    Target("step of 8 sequences / best float32 library", 1.0, "x", beside_best_library("batch_step_ms", 8)),
    Target("step of 32 sequences / best float32 library", 1.0, "x", beside_best_library("batch_step_ms", 32)),
    Target("step at 128, int8 / its floor", 1.3, "x", step_over_floor(OURS_INT8)),
    Target("KL of int8 from float32", 5e-3, "nats", single("kl", OURS_INT8)),
    Target("step at 128, two threads / one", 0.6, "x", second_thread),
    Target(f"{BATCH_OF_32}, gpt2", 4, "x", batch_over_one_by_one(GPT2), at_least=True),
    Target(f"{BATCH_OF_32}, storybook", 4, "x", batch_over_one_by_one(STORYBOOK), at_least=True),
    Target("peak memory after 1,000 spins in 50 sessions", 450, "MB", single("server_peak_memory_mb", SERVER, size=1000)),
    Target("a spin outside the model, p50", 4, "ms", single("spin_overhead_p50_ms", SERVER)),
    Target("a spin outside the model, p99", 25, "ms", single("spin_overhead_p99_ms", SERVER)),
)
