"""Laws of the distributions and of the draws."""

import hashlib
import math

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from model_layer.sampling import draw_rank, first_ranks, probabilities, rank_order, seeded_uniform, system_uniform

LogitArray = NDArray[np.float32]
logit_arrays = arrays(np.float32, st.integers(1, 60), elements=st.floats(-30, 30, width=32))
temperatures = st.floats(0.05, 20)
coarse_logits = arrays(np.float32, st.integers(2, 40), elements=st.sampled_from([-1.0, 0.0, 0.5, 3.0]))  # many ties


@given(logit_arrays, temperatures)
def test_without_a_filter_it_is_the_softmax_of_logits_over_temperature(logits: LogitArray, temperature: float) -> None:
    """Ratios of probabilities are exponentials of differences of logits over the temperature."""
    p = probabilities(logits, temperature=temperature)
    scaled = logits.astype(np.float64) / temperature
    wanted = np.exp(scaled - scaled.max()) / np.exp(scaled - scaled.max()).sum()
    np.testing.assert_allclose(p, wanted, rtol=1e-12, atol=1e-300)


@given(
    logit_arrays,
    st.sampled_from([0.0, 0.01, 0.7, 1.0, 100.0]),
    st.integers(0, 70),
    st.sampled_from([1e-6, 0.3, 0.9, 1.0]),
    st.sampled_from([0.0, 0.05, 1.0]),
)
def test_whatever_is_filtered_the_rest_sums_to_one(
    logits: LogitArray, temperature: float, top_k: int, top_p: float, min_p: float
) -> None:
    """Every mix of settings leaves a distribution that has at least the likeliest token."""
    p = probabilities(logits, temperature=temperature, top_k=top_k, top_p=top_p, min_p=min_p)
    assert p.sum() == pytest.approx(1, abs=1e-12)
    assert p.min() >= 0
    likeliest = rank_order(probabilities(logits, temperature=temperature))[0]
    assert p[likeliest] == p.max() > 0


@given(coarse_logits)
def test_temperature_zero_is_greedy(logits: LogitArray) -> None:
    """All of the mass is on the lowest id among the likeliest."""
    p = probabilities(logits, temperature=0)
    assert p[int(np.argmax(logits))] == 1
    assert np.count_nonzero(p) == 1


def test_temperature_to_zero_tends_to_greedy() -> None:
    """The colder, the nearer to the greedy choice, down to the smallest double."""
    logits = np.array([1.0, 3.0, 2.9, -5.0])
    distances = [abs(probabilities(logits, temperature=t) - probabilities(logits, temperature=0)).sum() for t in (1, 0.1, 0.01)]
    assert distances == sorted(distances, reverse=True)
    assert distances[-1] < 1e-3
    assert (probabilities(logits, temperature=5e-324) == probabilities(logits, temperature=0)).all()


@given(coarse_logits, st.integers(1, 45))
def test_top_k_keeps_exactly_k_also_on_ties(logits: LogitArray, k: int) -> None:
    """The k first by probability and then id stay, and no other."""
    p = probabilities(logits, top_k=k)
    wanted = sorted(range(logits.size), key=lambda i: (-logits[i], i))[:k]
    assert set(np.flatnonzero(p)) == set(wanted)


@given(logit_arrays, st.floats(1e-6, 1, exclude_max=True), st.integers(0, 60))
def test_top_p_keeps_the_smallest_set_of_that_mass(logits: LogitArray, top_p: float, top_k: int) -> None:
    """What stays has at least mass top_p of what top-k left, and not without its least likely token."""
    before = probabilities(logits, top_k=top_k)
    kept = np.flatnonzero(probabilities(logits, top_k=top_k, top_p=top_p))
    masses = np.sort(before[kept])
    assert masses.sum() >= top_p - 1e-12
    assert masses[1:].sum() < top_p + 1e-12
    assert before[kept].min() >= np.delete(before, kept).max(initial=0)


@given(logit_arrays, st.floats(0.001, 1))
def test_min_p_keeps_what_is_within_a_factor_of_the_likeliest(logits: LogitArray, min_p: float) -> None:
    """A token stays when it has at least min_p times the highest probability."""
    before = probabilities(logits)
    assert ((probabilities(logits, min_p=min_p) > 0) == (before >= min_p * before.max())).all()


def test_filters_keep_the_proportions_of_what_they_keep() -> None:
    """Renormalising multiplies every kept probability by the same number."""
    logits = np.log([0.4, 0.3, 0.2, 0.1])
    np.testing.assert_allclose(probabilities(logits, top_k=2), [4 / 7, 3 / 7, 0, 0])
    np.testing.assert_allclose(probabilities(logits, top_k=3, top_p=0.5), [4 / 7, 3 / 7, 0, 0])
    np.testing.assert_allclose(probabilities(logits, min_p=0.5), [4 / 9, 3 / 9, 2 / 9, 0])


@pytest.mark.parametrize(
    "settings",
    [{name: value} for name in ("temperature", "top_p", "min_p") for value in (math.nan, math.inf, -math.inf, -0.1)]
    + [{"top_k": -1}, {"top_p": 0.0}, {"top_p": 1.1}, {"min_p": 1.1}],
)
def test_senseless_settings_are_refused(settings: dict[str, float]) -> None:
    """NaN, infinity and values outside the limits give an error, not a distribution."""
    with pytest.raises(ValueError, match="wanted"):
        probabilities(np.zeros(4), **settings)  # type: ignore[arg-type] # top_k is the whole number in its own case


@pytest.mark.parametrize("broken", [math.nan, math.inf])
def test_broken_logits_are_refused(broken: float) -> None:
    """A model that computes NaN or infinity is found out before a student sees its wheel."""
    with pytest.raises(ValueError, match="finite"):
        probabilities(np.array([0.0, broken, 1.0]))


@given(coarse_logits, st.integers(0, 40))
def test_ranking_falls_and_breaks_ties_by_id(logits: LogitArray, top_k: int) -> None:
    """Ids are in order of (-p, id), filtered tokens at the end."""
    p = probabilities(logits, top_k=top_k)
    assert rank_order(p).tolist() == sorted(range(p.size), key=lambda i: (-p[i], i))


@given(coarse_logits, st.integers(0, 40), st.integers(1, 40))
def test_the_first_ranks_are_the_first_of_the_ranking(logits: LogitArray, top_k: int, count: int) -> None:
    """Whatever the ties and the zeros."""
    p = probabilities(logits, top_k=top_k)
    assert first_ranks(p, count).tolist() == rank_order(p)[:count].tolist()


def test_ranking_of_a_whole_vocabulary_breaks_ties_by_id() -> None:
    """Float32 logits of 50,257 tokens have ties here and there."""
    p = probabilities(np.random.default_rng(3).standard_normal(50_257).astype(np.float16))
    ranking = rank_order(p)
    assert np.unique(p).size < p.size
    assert (ranking == np.lexsort((np.arange(p.size), -p))).all()


@given(arrays(np.float64, st.integers(1, 30), elements=st.sampled_from([0.0, 0.1, 0.5, 1.0])), st.floats(0, 1, exclude_max=True))
def test_a_draw_is_the_inverse_of_the_cumulative_sums(weights: NDArray[np.float64], u: float) -> None:
    """The drawn index has mass, and u lies between the sums before and after it."""
    cumulative = np.cumsum(weights)
    position = u * cumulative[-1]
    assume(position < cumulative[-1])
    index = int(draw_rank(cumulative, position))
    assert weights[index] > 0
    assert (cumulative[index - 1] if index else 0) <= position < cumulative[index]


def test_a_seeded_uniform_is_the_documented_formula() -> None:
    """Written down again, bit by bit: the first 53 bits of SHA-256("{seed}:{turn}") as a binary fraction."""
    for seed, turn in [("", 0), ("classroom", 0), ("classroom", 1), ("é \N{GRINNING FACE}", 511)]:
        bits = "".join(f"{byte:08b}" for byte in hashlib.sha256((seed + ":" + str(turn)).encode("utf-8")).digest())[:53]
        assert seeded_uniform(seed, turn) == sum(2.0 ** -(place + 1) for place, bit in enumerate(bits) if bit == "1")


def test_a_seeded_uniform_never_changes() -> None:
    """Classes keep their seeds: this number is fixed for good."""
    assert seeded_uniform("wheel", 3) == 0.47609883082206017


def test_the_systems_uniform_lies_in_the_unit_interval_and_varies() -> None:
    """Numbers of 53 random bits: in [0, 1), multiples of 2^-53, all different."""
    numbers = [system_uniform() for _ in range(500)]
    assert all(0 <= u < 1 and (u * 2**53).is_integer() for u in numbers)
    assert len(set(numbers)) == 500
    assert 0.4 < sum(numbers) / 500 < 0.6
