"""A next-token distribution cut into slices, and the one draw that stops on it.

Invariant: the ends of the slices are the cumulative sums that the draw looks up, so pointer, slice and token cannot disagree.
Angles are in degrees, clockwise from the pointer at 0. This module knows logits and bytes, neither a model nor a session.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from handler.wheel.distribution import FULL_CIRCLE, RankedDistribution, TokenShare
from handler.wheel.errors import NothingInOtherError
from handler.wheel.session import Category, WheelSettings
from model_layer.sampling import draw_rank, first_ranks, probabilities

MAX_SLICES = 128  # slices with a token of their own; Other comes beside them
HEAD = 256  # ranks that are put in order for every wheel: its slices, and what is listed of Other
LARGEST_U = math.nextafter(1.0, 0.0)


@dataclass(frozen=True, slots=True)
class Slice:
    """An arc of the wheel, `end_angle - start_angle` = 360 x `probability` degrees wide. The other slice has no token."""

    index: int
    start_angle: float
    end_angle: float
    probability: float
    token: TokenShare | None

    @property
    def kind(self) -> Literal["token", "other"]:
        """Whose arc it is."""
        return "other" if self.token is None else "token"


@dataclass(frozen=True, slots=True)
class OtherSlice:
    """What Other holds: its mass, the number of its tokens that can be drawn, and the first few of them by rank."""

    total_probability: float
    token_count: int
    sample_tokens: tuple[TokenShare, ...]


@dataclass(frozen=True, slots=True)
class Landing:
    """Where a draw stops: `target_angle` = 360 u lies in slice `slice_index`, and within it at this token."""

    share: TokenShare
    slice_index: int
    category: Category
    u: float
    target_angle: float


@dataclass(frozen=True, slots=True, eq=False)
class Wheel:
    """A distribution ready to show and to spin. `entropy` in bits and `perplexity` = 2^entropy are the shown distribution's."""

    settings: WheelSettings
    slices: tuple[Slice, ...]
    other: OtherSlice
    entropy: float
    distribution: RankedDistribution

    @property
    def perplexity(self) -> float:
        """The number of equally likely tokens that would be as uncertain."""
        return float(2**self.entropy)

    @property
    def vocabulary_size(self) -> int:
        """The number of tokens, those of probability 0 included."""
        return self.distribution.probabilities.size

    @property
    def token_slices(self) -> tuple[Slice, ...]:
        """The slices that have a token of their own, by rank."""
        return self.slices[:-1] if self.other.token_count else self.slices

    @property
    def total_above_threshold_probability(self) -> float:
        """The mass of the tokens that have a slice of their own."""
        return math.fsum(piece.probability for piece in self.token_slices)

    def at(self, u: float) -> Landing:
        """Where the pointer stops for u in [0, 1)."""
        assert 0 <= u < 1, "u must lie in [0, 1)"
        rank = self.distribution.rank_at(u)
        return Landing(
            share=self.distribution.share(rank),
            slice_index=min(rank - 1, len(self.token_slices)),
            category=self.category_of(rank),
            u=u,
            target_angle=u * FULL_CIRCLE,
        )

    def slices_at(self, numbers: NDArray[np.float64]) -> NDArray[np.intp]:
        """The indices of the slices on which the pointer stops for numbers in [0, 1), (spins,): as `at` says of each."""
        named = len(self.token_slices)
        return draw_rank(self.distribution.head_sums[:named] * FULL_CIRCLE, numbers * FULL_CIRCLE)

    def in_other(self, u: float) -> float:
        """A u in [0, 1) moved into Other's arc, to be given to `at`. Raises NothingInOtherError when Other is empty."""
        if not self.other.token_count:
            raise NothingInOtherError
        named = len(self.token_slices)
        start = float(self.distribution.head_sums[named - 1]) if named else 0.0
        return min(start + u * (1 - start), LARGEST_U)

    def share_of(self, token_id: int) -> TokenShare:
        """What the wheel says of any token, also of one that has no slice. Raises TokenIdOutOfRangeError."""
        return self.distribution.share(self.distribution.rank_of(token_id))

    def category_of(self, rank: int) -> Category:
        """Whether the token of a rank has a slice of its own."""
        return "above_threshold" if rank <= len(self.token_slices) else "other"


def make_wheel(
    logits: ArrayLike, settings: WheelSettings, token_bytes: Callable[[int], bytes], *, max_slices: int = MAX_SLICES
) -> Wheel:
    """The wheel of next-token logits, (vocab_size,), with at most `max_slices` and Other. Only shown tokens become objects."""
    distribution, named, possible = _ranked(logits, settings, token_bytes, max_slices)
    other = _other(distribution, named, possible, settings.other_top_k)
    return Wheel(settings, _slices(distribution, named, other), other, distribution.entropy(), distribution)


def draw_token(logits: ArrayLike, settings: WheelSettings, token_bytes: Callable[[int], bytes], u: float) -> TokenShare:
    """The token at which the wheel of these logits stops for u in [0, 1): `make_wheel(...).at(u).share`, in half the time."""
    distribution = _ranked(logits, settings, token_bytes, MAX_SLICES)[0]
    return distribution.share(distribution.rank_at(u))


def _ranked(
    logits: ArrayLike, settings: WheelSettings, token_bytes: Callable[[int], bytes], max_slices: int
) -> tuple[RankedDistribution, int, int]:
    """The distribution of a wheel, how many tokens have a slice of their own, and how many can be drawn."""
    p = probabilities(logits, temperature=settings.temperature, top_k=settings.top_k, top_p=settings.top_p, min_p=settings.min_p)
    model_p = p if settings.keep_the_model_as_it_is else probabilities(logits)
    head = first_ranks(p, HEAD)
    possible = int(np.count_nonzero(p > 0))
    named = min(int(np.count_nonzero(p[head[:possible]] >= settings.threshold)), max_slices)
    return RankedDistribution(p, model_p, head, _head_sums(p, head, named, possible), token_bytes), named, possible


def _head_sums(p: NDArray[np.float64], head: NDArray[np.intp], named: int, possible: int) -> NDArray[np.float64]:
    """Cumulative sums by rank, exactly 1 from the last possible token on: 1 minus what comes after, summed from the least on.

    So the error of summing falls on the likeliest token, and every end is right to the 53 bits of u. What is counted in Other
    can be drawn from Other: of a tail too light for 53 bits, its likeliest token gets the last representable arc.
    """
    after = np.empty(head.size)  # what comes after the last rank of the head, and before that its ranks, from the least on
    after[0], after[1:] = _mass_without(p, head), p[head[:0:-1]]
    sums = 1 - np.cumsum(after)[::-1]
    if 0 < named < possible and sums[named - 1] >= LARGEST_U:
        np.minimum(sums[:named], LARGEST_U, out=sums[:named])
        sums[named:] = 1.0
    return sums


def _mass_without(p: NDArray[np.float64], taken: NDArray[np.intp]) -> float:
    rest = p.copy()
    rest[taken] = 0
    return float(rest.sum())


def _other(distribution: RankedDistribution, named: int, possible: int, shown: int) -> OtherSlice:
    ranks = range(named + 1, min(named + shown, possible) + 1)
    return OtherSlice(
        total_probability=_mass_without(distribution.probabilities, distribution.head[:named]),
        token_count=possible - named,
        sample_tokens=tuple(distribution.share(rank) for rank in ranks),
    )


def _slices(distribution: RankedDistribution, named: int, other: OtherSlice) -> tuple[Slice, ...]:
    ends = [0.0, *(float(end) * FULL_CIRCLE for end in distribution.head_sums[:named])]
    shares = [distribution.share(rank) for rank in range(1, named + 1)]
    slices = [Slice(i, ends[i], ends[i + 1], share.probability, share) for i, share in enumerate(shares)]
    if other.token_count:
        slices.append(Slice(named, ends[-1], FULL_CIRCLE, other.total_probability, None))
    return tuple(slices)
