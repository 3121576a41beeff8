"""Preference pairs as values and as JSON lines."""

import json
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from model_layer.constitution.pairs import Pair, read_pairs, write_pairs

PAIR = Pair("All of them", " are people.", " are thieves.", "fairness", 0.0, 1.0, "rewriting")
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PAIRS = st.builds(Pair, TEXTS, TEXTS, TEXTS, TEXTS, st.floats(0, 5.5), st.floats(0, 5.5), TEXTS)


def test_the_margin_is_what_the_revision_gained() -> None:
    """The draft's score less the revision's."""
    assert PAIR.margin == 1.0


@given(pairs=st.lists(PAIRS, max_size=4))
def test_what_is_written_is_read(tmp_path_factory: pytest.TempPathFactory, pairs: list[Pair]) -> None:
    """Line breaks of every kind, quotes and characters beyond ASCII come back."""
    path = tmp_path_factory.mktemp("pairs") / "pairs.jsonl"
    write_pairs(path, pairs)
    assert read_pairs(path) == pairs


def test_a_pair_is_a_line(tmp_path: Path) -> None:
    """Two pairs are two lines of JSON."""
    write_pairs(tmp_path / "pairs.jsonl", [PAIR, PAIR])
    lines = (tmp_path / "pairs.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [asdict(PAIR)] * 2


@pytest.mark.parametrize(
    "line",
    ["{", "[]", "{}", json.dumps(asdict(PAIR) | {"more": 1}), json.dumps(asdict(PAIR) | {"prompt": 1})]
    + [json.dumps(asdict(PAIR) | {"chosen_score": value}) for value in ("1", True, None)],
)
def test_what_is_no_pair_is_refused_without_its_text(tmp_path: Path, line: str) -> None:
    """The message names the line and holds nothing of it."""
    path = tmp_path / "pairs.jsonl"
    write_pairs(path, [PAIR])
    path.write_text(path.read_text(encoding="utf-8") + line + "\n", encoding="utf-8")
    with pytest.raises(ValueError, match="line 2 is not a preference pair") as refused:
        read_pairs(path)
    assert "them" not in str(refused.value)
