"""Each target is judged by what was measured, in the right direction, and never without a measurement."""

import pytest

from benchmarks.bandwidth import MEMORY
from benchmarks.engines import LLAMA_FLOAT16, OURS, OURS_INT8, SEED
from benchmarks.figures import Figure, Figures
from benchmarks.jobs import GPT2, ONE_BY_ONE, STORYBOOK
from benchmarks.serving import ENGINE
from benchmarks.targets import BATCH_OF_32, TARGETS, Target, Verdict, verdicts


def judged(value: float | None, limit: float, *, at_least: bool = False) -> Verdict:
    """The verdict on a value that is what it is."""
    return Verdict(Target("anything", limit, "ms", lambda _: value, at_least), value)


@pytest.mark.parametrize(
    ("value", "met", "words"), [(90, True, "met, 10% to spare"), (100, True, "met, 0%"), (125, False, "missed by 25%")]
)
def test_a_most_is_met_below_it(value: float, met: bool, words: str) -> None:
    """The words say by which share of the limit."""
    verdict = judged(value, 100)
    assert verdict.met is met
    assert str(verdict).startswith(words)


@pytest.mark.parametrize(
    ("value", "met", "words"), [(15, True, "met, 50% to spare"), (10, True, "met"), (7, False, "missed by 30%")]
)
def test_a_least_is_met_above_it(value: float, met: bool, words: str) -> None:
    """The direction turns round, the words do not."""
    verdict = judged(value, 10, at_least=True)
    assert verdict.met is met
    assert str(verdict).startswith(words)


def test_without_a_measurement_nothing_is_met_or_missed() -> None:
    """An empty run judges no target."""
    assert [verdict.met for verdict in verdicts(Figures())] == [None] * len(TARGETS)
    assert {str(verdict) for verdict in verdicts(Figures())} == {"not measured"}


def run() -> Figures:
    """A run with known ratios: every time is 10 ms unless said."""
    known = {
        ("step_ms", OURS, 16, 1): 10,
        ("step_ms", OURS, 128, 1): 12,
        ("step_ms", OURS, 1000, 1): 13,
        ("step_ms", OURS, 128, 2): 6,
        ("step_ms", OURS_INT8, 128, 1): 6.5,
        ("step_ms", LLAMA_FLOAT16, 128, 1): 18,
        ("prefill_ms", SEED, 128, 1): 240,
        ("prefill_ms", OURS, 128, 1): 150,
        ("prefill_ms", "torch by hand", 128, 1): 200,
        ("prefill_ms", "llama.cpp float32", 128, 1): 300,
        ("prefill_ms", "CTranslate2 int8", 128, 1): 50,
        ("batch_step_ms", OURS, 1, 1): 12,
        ("batch_step_ms", OURS, 8, 1): 36,
        ("job_requests_s", GPT2, ONE_BY_ONE, 2): 4,
        ("job_requests_s", GPT2, 8, 2): 12,
        ("job_requests_s", GPT2, 32, 2): 18,
        ("job_requests_s", STORYBOOK, 32, 2): 90,
        ("http_first_wheel_ms", "ours gpt2", 0, 1): 400,
        ("http_first_wheel_ms", "transformers gpt2", 0, 1): 4000,
        ("server_peak_memory_mb", ENGINE, 1000, 1): 460,
        ("weights_mb", OURS, 0, 1): 250,
        ("weights_mb", OURS_INT8, 0, 1): 125,
        ("bandwidth_gb_s", MEMORY, 0, 1): 25,
    }
    return Figures([Figure(*key, value, 1) for key, value in known.items()])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("step at 128, float16 / its floor", 1.2),  # 250 MB at 25 GB/s are 10 ms
        ("... faster than llama.cpp float16", 1.5),
        ("... faster than one pass of the seed", 20),
        ("step at 1000 / step at 16", 1.3),
        ("prefill 128 / best float32 library", 0.75),  # int8 is no float32 library
        ("step of 8 sequences / of one", 3),
        ("step at 128, int8 / its floor", 1.3),
        ("step at 128, two threads / one", 0.5),
        (f"{BATCH_OF_32}, gpt2", 4.5),
        (f"{BATCH_OF_32}, storybook", None),  # one by one was not measured
        ("first wheel over HTTP, gpt2", 400),
        ("peak memory after 1,000 spins in 50 sessions", 460),
        ("a spin outside the model, p50", None),
    ],
)
def test_each_target_takes_its_own_figures(name: str, value: float | None) -> None:
    """Numerator, denominator, size and threads are those that the name says."""
    found = [verdict.value for verdict in verdicts(run()) if verdict.target.name == name]
    assert found == [value if value is None else pytest.approx(value)]
