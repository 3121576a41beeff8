"""Laws of a judge's score, and what the rules have to reach on sentences that they were not written from."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution import figures
from model_layer.constitution.labelled import Split, load_labelled
from model_layer.constitution.principles import NAMES, load_principles
from model_layer.constitution.rules import RuleJudge
from model_layer.constitution.scores import JudgeScore, rule_scores

pairs = st.lists(st.tuples(st.booleans(), st.booleans()), max_size=40)


def score(flags: list[tuple[bool, bool]]) -> JudgeScore:
    """The score of pairs of flag and label."""
    return JudgeScore.of([flag for flag, _ in flags], [label for _, label in flags])


@given(pairs)
def test_every_case_is_counted_once(flags: list[tuple[bool, bool]]) -> None:
    """And by its kind: flags are true or false positives, labels are found or missed."""
    found = score(flags)
    assert found.true_positives + found.false_positives == sum(flag for flag, _ in flags)
    assert found.true_positives + found.false_negatives == sum(label for _, label in flags)
    assert found.true_negatives == flags.count((False, False))


@given(pairs, st.sampled_from([0.5, 1.0, 2.0]))
def test_f_scores_lie_between_precision_and_recall(flags: list[tuple[bool, bool]], beta: float) -> None:
    """With a beta of 1 it is their harmonic mean."""
    found = score(flags)
    low, high = sorted([found.precision, found.recall])
    assert 0 <= low <= high <= 1
    assert low - 1e-12 <= found.f_score(beta) <= high + 1e-12 or found.true_positives == 0
    assert found.f_score() == pytest.approx(2 * low * high / (low + high) if low + high else 0)


@given(pairs)
def test_beta_draws_towards_recall(flags: list[tuple[bool, bool]]) -> None:
    """Without weight on recall it is the precision; with much, nearly the recall."""
    found = score(flags)
    if found.true_positives:
        assert found.f_score(0) == found.precision
        assert found.f_score(1000) == pytest.approx(found.recall, rel=1e-3)


def test_arithmetic() -> None:
    """Three of four flags are right, and three of five violations are found."""
    found = JudgeScore(true_positives=3, false_positives=1, false_negatives=2, true_negatives=4)
    assert (found.count, found.precision, found.recall) == (10, 0.75, 0.6)
    assert (found.f_score(), found.f_score(2)) == pytest.approx((2 / 3, 0.625))


def test_nothing_is_no_success() -> None:
    """Rates without a case are 0."""
    nothing = JudgeScore.of([], [])
    assert (nothing.count, nothing.precision, nothing.recall, nothing.f_score()) == (0, 0, 0, 0)


def test_each_flag_has_a_label() -> None:
    """Flags and labels of different numbers are an error."""
    with pytest.raises(ValueError, match="shorter"):
        JudgeScore.of([True, False], [True])


@pytest.mark.parametrize("name", NAMES)
def test_rules_hold_on_sentences_they_were_not_written_from(name: str) -> None:
    """At least 0.85 of what they flag violates their own principle, and they find at least 0.6 of what does."""
    held_out = rule_scores("held_out")[name]
    assert held_out.precision >= 0.85
    assert held_out.recall >= 0.6


@pytest.mark.parametrize("split", ["fit", "held_out"])
def test_scores_count_all_sentences(split: Split) -> None:
    """All of the split; only a principle's own can be found or missed."""
    for name, found in rule_scores(split).items():
        own = [one for one in load_labelled() if (one.principle, one.split) == (name, split)]
        assert found.count == sum(one.split == split for one in load_labelled())
        assert found.true_positives + found.false_negatives == sum(one.violates for one in own)


@pytest.mark.parametrize("name", NAMES)
def test_no_clean_example_alarms_any_principle(name: str) -> None:
    """What one principle shows as clean is clean to the others too."""
    clean = next(principle.clean_examples for principle in load_principles() if principle.name == name)
    alarms = [(text, one.name) for text in clean for one in load_principles() if RuleJudge(one).spans(text)]
    assert alarms == []


def test_the_figures_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """Of each principle and judge, and of the rules over all of them."""
    assert figures.main([]) == 0
    rows = [line.split() for line in capsys.readouterr().out.splitlines()[1:]]
    assert [(row[0], row[1]) for row in rows] == [
        *((name, judge) for name in NAMES for judge in ("rules", "model")),
        ("all", "rules"),
    ]
    by_rules = rule_scores("held_out")
    assert [row[2] for row in rows if row[1] == "rules"][:4] == [f"{by_rules[name].precision:.2f}" for name in NAMES]
    assert int(rows[-1][4]) == sum(score.count for score in by_rules.values())
