"""Laws of the wheel: what is shown is what is drawn."""

import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chisquare  # type: ignore[import-untyped] # scipy ships no types

from handler.wheel.errors import NothingInOtherError, SettingOutOfRangeError
from handler.wheel.session import WheelSettings
from handler.wheel.settings_change import SettingsChange
from handler.wheel.wheel import MAX_SLICES, Wheel, make_wheel
from model_layer.errors import TokenIdOutOfRangeError
from model_layer.sampling import draw_rank, rank_order

GPT2_VOCABULARY = 50_257
BELOW_ONE = math.nextafter(1.0, 0.0)

settings_values = st.builds(
    WheelSettings,
    threshold=st.sampled_from([0.0, 1e-6, 0.01, 0.2, 1.0]),
    temperature=st.sampled_from([0.0, 0.01, 0.5, 1.0, 3.0, 100.0]),
    top_k=st.sampled_from([0, 0, 1, 3, 150]),
    top_p=st.sampled_from([1.0, 1.0, 0.5, 1e-6]),
    min_p=st.sampled_from([0.0, 0.0, 0.1, 1.0]),
    other_top_k=st.sampled_from([0, 1, 10]),
)
logit_arrays = arrays(np.float32, st.integers(1, 300), elements=st.floats(-40, 40, width=32))
wheels = st.builds(lambda logits, settings: make_wheel(logits, settings, token_bytes), logit_arrays, settings_values)
uniforms = st.floats(0, 1, exclude_max=True)


def token_bytes(token_id: int) -> bytes:
    """Bytes that name the token."""
    return f"<{token_id}>".encode()


def wheel_of(p: ArrayLike, **settings: float) -> Wheel:
    """The wheel of a model that gives these probabilities."""
    return make_wheel(np.log(np.asarray(p)), WheelSettings(**settings), token_bytes)  # type: ignore[arg-type]


def vocabulary_logits(spread: float = 3.0) -> NDArray[np.float32]:
    """Logits over GPT-2's whole vocabulary, always the same."""
    return (np.random.default_rng(11).standard_normal(GPT2_VOCABULARY) * spread).astype(np.float32)


@given(wheels)
def test_slices_tile_the_circle(wheel: Wheel) -> None:
    """Slices start at 0, follow each other without a gap, end at exactly 360, and each is 360 p wide."""
    assert wheel.slices[0].start_angle == 0
    assert wheel.slices[-1].end_angle == 360
    for index, piece in enumerate(wheel.slices):
        assert piece.index == index
        assert piece.end_angle - piece.start_angle == pytest.approx(360 * piece.probability, abs=1e-11)
    for one, following in zip(wheel.slices, wheel.slices[1:], strict=False):
        assert one.end_angle == following.start_angle


@given(wheels)
def test_slices_go_by_rank_down_to_the_threshold(wheel: Wheel) -> None:
    """Token slices are the first tokens by (-p, id); those left out are below the threshold, or beyond the 128th."""
    p = wheel.distribution.probabilities
    order = sorted(range(p.size), key=lambda i: (-p[i], i))
    named = [piece.token for piece in wheel.token_slices if piece.token is not None]
    assert [share.token_id for share in named] == order[: len(named)]
    assert [share.rank for share in named] == list(range(1, len(named) + 1))
    assert all(share.probability >= wheel.settings.threshold and share.probability > 0 for share in named)
    left_out = p[order[len(named) :]]
    assert len(named) == MAX_SLICES or not ((left_out > 0) & (left_out >= wheel.settings.threshold)).any()


@example(np.array([19, 0], np.float32), WheelSettings(threshold=0.0, temperature=0.5), 1)
@given(logit_arrays, settings_values, st.integers(1, 40))
def test_fewer_slices_are_the_first_of_them(logits: NDArray[np.float32], settings: WheelSettings, max_slices: int) -> None:
    """A wheel cut to fewer slices has the first of them as they were, short of the last arc: that and all the rest is Other's."""
    whole, cut = (make_wheel(logits, settings, token_bytes, max_slices=most) for most in (MAX_SLICES, max_slices))
    last = 360 * BELOW_ONE if cut.other.token_count else 360.0
    assert len(cut.token_slices) == min(len(whole.token_slices), max_slices)
    for piece, same in zip(cut.token_slices, whole.token_slices, strict=False):
        assert piece.token == same.token
        assert (piece.start_angle, piece.end_angle) == (min(same.start_angle, last), min(same.end_angle, last))
    assert cut.total_above_threshold_probability + cut.other.total_probability == pytest.approx(1)
    assert cut.other.token_count - whole.other.token_count == len(whole.token_slices) - len(cut.token_slices)


@given(wheels)
def test_other_is_all_the_rest(wheel: Wheel) -> None:
    """Other is the last slice, with the mass, the number and the first few of the possible tokens without a slice."""
    p = np.sort(wheel.distribution.probabilities)[::-1]
    rest = p[len(wheel.token_slices) :]
    assert wheel.other.token_count == np.count_nonzero(rest)
    assert wheel.other.total_probability == pytest.approx(rest.sum(), rel=1e-9)
    assert wheel.other.total_probability + wheel.total_above_threshold_probability == pytest.approx(1, abs=1e-12)
    assert [piece.kind for piece in wheel.slices].count("other") == (wheel.other.token_count > 0)
    assert wheel.slices[-1].kind == ("other" if wheel.other.token_count else "token")
    first_rank = len(wheel.token_slices) + 1
    shown = min(wheel.settings.other_top_k, wheel.other.token_count)
    assert [share.rank for share in wheel.other.sample_tokens] == list(range(first_rank, first_rank + shown))
    assert all(share.probability > 0 for share in wheel.other.sample_tokens)


@given(wheels, st.one_of(uniforms, st.sampled_from([0.0, 5e-324, 0.5, BELOW_ONE])))
def test_angle_slice_and_token_of_a_landing_agree(wheel: Wheel, u: float) -> None:
    """For any u the pointer at 360 u lies in the slice that is named, and the slice is the token's."""
    landing = wheel.at(u)
    piece = wheel.slices[landing.slice_index]
    assert landing.target_angle == 360 * u
    assert piece.start_angle <= landing.target_angle < piece.end_angle
    assert landing.share == wheel.share_of(landing.share.token_id)
    assert landing.share.probability > 0
    assert landing.category == wheel.category_of(wheel.share_of(landing.share.token_id).rank)
    if piece.token is None:
        assert landing.category == "other"
        assert landing.share.rank > len(wheel.token_slices)
    else:
        assert landing.category == "above_threshold"
        assert landing.share == piece.token


@given(wheels, st.data())
def test_they_agree_at_the_edges_of_slices(wheel: Wheel, data: st.DataObject) -> None:
    """A u next to a slice's end, on either side and on it, is no exception."""
    edge = data.draw(st.sampled_from(wheel.slices)).end_angle / 360
    for u in (math.nextafter(edge, 0), edge, math.nextafter(edge, 1)):
        if 0 <= u < 1:
            piece = wheel.slices[wheel.at(u).slice_index]
            assert piece.start_angle <= wheel.at(u).target_angle < piece.end_angle


@given(wheels, st.one_of(uniforms, st.sampled_from([0.0, BELOW_ONE])))
def test_a_draw_within_other_stays_in_its_arc(wheel: Wheel, u: float) -> None:
    """Any u that is moved into Other lands on a tail token; with nothing in Other that is refused."""
    if wheel.other.token_count:
        landing = wheel.at(wheel.in_other(u))
        assert landing.category == "other"
        assert wheel.slices[landing.slice_index].kind == "other"
    else:
        with pytest.raises(NothingInOtherError):
            wheel.in_other(u)


def test_a_u_inside_other_names_its_tail_token() -> None:
    """Worked by hand: p = .5 .2 .15 .1 .05, threshold .2: u = .9 lies in the arc of the fourth token, within Other."""
    wheel = wheel_of([0.1, 0.5, 0.05, 0.2, 0.15], threshold=0.2 - 1e-9)
    landing = wheel.at(0.9)
    assert (landing.share.token_id, landing.share.rank, landing.slice_index) == (0, 4, 2)
    assert landing.target_angle == 324
    assert wheel.at(wheel.in_other(0.0)).share.token_id == 4
    assert wheel.at(wheel.in_other(0.99)).share.token_id == 2


def test_a_million_draws_follow_the_distribution() -> None:
    """Chi-square over bins of neighbouring ranks that hold 1/3000 of the mass or one token, tail included."""
    wheel = make_wheel(vocabulary_logits(2.0), WheelSettings(threshold=0.0005), token_bytes)
    draws = 1_000_000
    u = np.random.default_rng(2).integers(2**53, size=draws) / 2**53
    ranks = draw_rank(wheel.distribution.cumulative, u)
    assert [int(rank) + 1 for rank in ranks[:500]] == [wheel.at(float(one)).share.rank for one in u[:500]]

    ranked = wheel.distribution.ranked
    bins = np.unique(((np.cumsum(ranked) - ranked) * 3_000).astype(int), return_inverse=True)[1]
    expected = np.bincount(bins, weights=ranked) * draws
    observed = np.bincount(bins[ranks], minlength=expected.size)
    assert wheel.other.total_probability > 0.5, "the tail must matter"
    assert expected.size > 2_000
    assert expected.min() > 5, "chi-square needs a few draws in each bin"
    assert chisquare(observed, expected * draws / expected.sum()).pvalue > 0.001


@pytest.mark.parametrize("spread", [0.0, 0.02, 3.0])
def test_every_rank_is_one_token(spread: float) -> None:
    """Far beyond the slices, ties by id: the tokens of all ranks are the whole order, and each token has its rank back."""
    logits = vocabulary_logits(spread).astype(np.float16)  # so coarse that there are many ties
    distribution = make_wheel(logits, WheelSettings(), token_bytes).distribution
    order = rank_order(distribution.probabilities)
    assert np.unique(distribution.probabilities).size < GPT2_VOCABULARY
    for rank in [*range(1, 600), *range(600, GPT2_VOCABULARY, 997), GPT2_VOCABULARY]:
        assert distribution.token_at(rank) == order[rank - 1]
        assert distribution.rank_of(int(order[rank - 1])) == rank
    assert (np.diff(distribution.cumulative) >= 0).all()
    assert distribution.cumulative[-1] == 1


def test_filtered_tokens_are_never_drawn() -> None:
    """A hundred thousand draws, the extreme ones among them, give none but the tokens that the filters left."""
    wheel = make_wheel(vocabulary_logits(), WheelSettings(threshold=0.05, top_k=40, top_p=0.9), token_bytes)
    u = np.concatenate([np.linspace(0, BELOW_ONE, 100_000), [0.0, BELOW_ONE]])
    drawn = rank_order(wheel.distribution.probabilities)[draw_rank(wheel.distribution.cumulative, u)]
    assert set(drawn) == set(np.flatnonzero(wheel.distribution.probabilities))
    assert len(set(drawn)) <= 40


@pytest.mark.parametrize("spread", [0.0, 3.0])
def test_threshold_zero_gives_128_slices_and_other(spread: float) -> None:
    """Of 50,257 tokens, 128 get a slice and all others are counted in Other."""
    wheel = make_wheel(vocabulary_logits(spread), WheelSettings(threshold=0), token_bytes)
    assert len(wheel.token_slices) == MAX_SLICES == 128
    assert wheel.other.token_count == GPT2_VOCABULARY - 128
    assert wheel.vocabulary_size == GPT2_VOCABULARY
    assert wheel.slices[-1].end_angle == 360


def test_only_shown_tokens_become_objects() -> None:
    """The bytes of no more than the slices' and Other's first tokens are ever asked for."""
    asked: list[int] = []

    def counted(token_id: int) -> bytes:
        asked.append(token_id)
        return b"x"

    make_wheel(vocabulary_logits(), WheelSettings(threshold=0, other_top_k=100), counted)
    assert len(asked) == len(set(asked)) == 228


def test_a_tail_too_light_for_any_u_can_still_be_drawn_from() -> None:
    """At temperature 0.01 the tail's mass is under 2^-53: the last representable arc is its likeliest token's."""
    wheel = make_wheel(np.array([0.0, 5.0, 1.0]), WheelSettings(temperature=0.01), token_bytes)
    assert 0 < wheel.other.total_probability < 2**-53
    assert wheel.other.token_count == 2
    assert {wheel.at(wheel.in_other(u)).share.token_id for u in (0.0, 0.5, BELOW_ONE)} == {2}
    assert wheel.at(0.999999).share.token_id == 1


@pytest.mark.parametrize("mass", [1e-12, 1e-13, 1e-14, 1e-15])
def test_draws_within_a_light_other_follow_its_distribution(mass: float) -> None:
    """Within Other each token has its share, to the few representable angles that so light an arc begins and ends between."""
    head, tail = np.full(100, (1 - mass) / 100), mass * np.array([0.4, 0.3, 0.2, 0.1])
    wheel = wheel_of(np.concatenate([head, tail]), threshold=0.005)
    ends = np.diff(wheel.distribution.cumulative[len(wheel.token_slices) - 1 :])
    assert ends == pytest.approx(tail, abs=2**-53)
    drawn = [wheel.at(wheel.in_other(n / 4_000)).share.rank - 101 for n in range(4_000)]
    assert np.bincount(drawn, minlength=4) / 4_000 == pytest.approx(tail / mass, abs=4 * 2**-53 / mass + 0.001)


@given(wheels)
def test_entropy_is_in_bits(wheel: Wheel) -> None:
    """Entropy is -sum p log2 p of the shown distribution, and perplexity two to its power."""
    p = [float(x) for x in wheel.distribution.probabilities if x > 0]
    assert wheel.entropy == pytest.approx(-math.fsum(x * math.log2(x) for x in p), abs=1e-9)
    assert wheel.perplexity == pytest.approx(2**wheel.entropy)


def test_a_uniform_wheel_of_eight_has_three_bits() -> None:
    """Eight equal slices: 3 bits, perplexity 8, 45 degrees each."""
    wheel = wheel_of([1 / 8] * 8)
    assert wheel.entropy == pytest.approx(3)
    assert wheel.perplexity == pytest.approx(8)
    assert [piece.end_angle for piece in wheel.slices] == pytest.approx([45 * n for n in range(1, 9)])


def test_a_share_tells_the_models_own_probability_beside_the_warped_one() -> None:
    """`probability` is the wheel's, `model_probability` that of temperature 1 without a filter."""
    wheel = wheel_of([0.5, 0.3, 0.2], top_k=2, temperature=0.5)
    share = wheel.share_of(1)
    assert share.probability == pytest.approx(0.09 / 0.34)
    assert share.log_probability == pytest.approx(math.log(0.09 / 0.34))
    assert share.model_probability == pytest.approx(0.3)
    assert (share.token_bytes, share.token_text, share.rank) == (b"<1>", "<1>", 2)


def test_an_impossible_token_has_no_log_probability() -> None:
    """A filtered token has probability 0, no logarithm, and a rank after all possible ones."""
    share = wheel_of([0.5, 0.3, 0.2], top_k=2).share_of(2)
    assert (share.probability, share.log_probability, share.rank) == (0, None, 3)
    assert share.model_probability == pytest.approx(0.2)


@pytest.mark.parametrize("token_id", [-1, 3, 10**30])
def test_a_token_outside_the_vocabulary_is_refused(token_id: int) -> None:
    """No negative index, no overflow: an error that names the limit."""
    with pytest.raises(TokenIdOutOfRangeError, match="from 0 to 2"):
        wheel_of([0.5, 0.3, 0.2]).share_of(token_id)


def test_half_a_character_shows_as_an_escape() -> None:
    """A lone partial byte never becomes a replacement character."""
    wheel = make_wheel(np.zeros(2), WheelSettings(), [b"\xc3", "é".encode()].__getitem__)
    assert [wheel.share_of(i).token_text for i in (0, 1)] == ["\\xc3", "é"]


LIMITS = {
    "threshold": (0.0, 1.0),
    "temperature": (0.01, 100.0),
    "top_k": (0, 400),
    "top_p": (1e-6, 1.0),
    "min_p": (0.0, 1.0),
    "other_top_k": (0, 100),
}


@pytest.mark.parametrize("name", LIMITS)
def test_a_setting_is_taken_within_its_limits_only(name: str) -> None:
    """The limits themselves are fine; past them, NaN and infinity are errors that name the setting."""
    lowest, highest = LIMITS[name]
    for value in (lowest, highest):
        changed = SettingsChange(**{name: value}).applied_to(WheelSettings(), vocab_size=400)  # type: ignore[arg-type]
        assert getattr(changed, name) == value
    for value in (lowest - 1, highest + 1, math.nan, math.inf, -math.inf):
        with pytest.raises(SettingOutOfRangeError, match=f"^{name} must be from"):
            SettingsChange(**{name: value}).applied_to(WheelSettings(), vocab_size=400)  # type: ignore[arg-type]


def test_settings_that_are_not_given_stay() -> None:
    """A change touches what it names; zero is a value, not an absence."""
    shown = WheelSettings(threshold=0.2, temperature=2, top_k=7, top_p=0.9, min_p=0.1, other_top_k=3)
    assert SettingsChange().applied_to(shown, vocab_size=400) == shown
    assert SettingsChange(threshold=0, other_top_k=0).applied_to(shown, vocab_size=400) == WheelSettings(0, 2, 7, 0.9, 0.1, 0)


def test_kept_settings_stay_valid_for_a_smaller_vocabulary() -> None:
    """A top_k beyond the vocabulary becomes all of it, which means the same; a new one beyond it is refused."""
    shown = WheelSettings(top_k=50_000)
    assert SettingsChange(temperature=2).applied_to(shown, vocab_size=400).top_k == 400
    with pytest.raises(SettingOutOfRangeError, match="top_k"):
        SettingsChange(top_k=401).applied_to(shown, vocab_size=400)
