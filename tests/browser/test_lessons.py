"""What the page teaches beside the wheel, and that its numbers are the server's."""

import math
import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.student import Student


def number(text: str) -> float:
    """The first number of a text."""
    found = re.search(r"-?[\d,]+(?:\.\d+)?", text)
    assert found is not None, text
    return float(found[0].replace(",", ""))


def test_bars_stand_before_and_after(student: Student) -> None:
    """Each token's bar has its probability on this wheel and the model's own; what a filter takes out is named too."""
    student.slide("temperature", 16)
    student.slide("top_k", 4)
    rows = student.part("rows").locator("tr")
    bars = rows.locator(".share")
    expect(student.part("rows").locator(".ruled-out")).to_have_count(10)
    query = {"temperature": 2, "top_k": 5}
    wheel = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/next-token-probs", params=query).json()
    for index, piece in enumerate(wheel["slices"]):
        title = bars.nth(index).get_attribute("title") or ""
        before, after = (number(part) for part in title.split("filters,"))
        assert before == pytest.approx(100 * piece["token"]["model_probability"], rel=1e-3)
        assert after == pytest.approx(100 * piece["token"]["probability"], rel=1e-3)
    expect(student.part("rows").locator(".ruled-out").first).to_contain_text("0%")


def test_entropy_and_perplexity_are_shown(student: Student) -> None:
    """In bits, and as the number of equal wedges that would be as open."""
    wheel = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/next-token-probs").json()
    text = student.part("entropy").text_content() or ""
    assert f"{wheel['entropy']:.2f} bits" in text
    assert number(text.split("perplexity")[1]) == pytest.approx(2 ** wheel["entropy"], rel=0.005)


def test_a_room_spins_the_wheel(student: Student) -> None:
    """A thousand spins are counted, each row has its bar and whisker, and the text stays as it was."""
    student.tab(3)
    student.part("room").click()
    rows = student.part("room-rows").locator("tr")
    expect(rows.first).to_be_visible()
    counts = [number(text) for text in rows.locator("td:nth-child(3)").all_text_contents()]
    assert sum(counts) == 1000
    shares = [number(text) for text in rows.locator("td:nth-child(2)").all_text_contents()]
    assert sum(shares) == pytest.approx(100, abs=0.05)
    assert rows.count() == len(student.wedges())
    for plot in student.part("room-rows").locator("svg").all():
        drawn = plot.locator("path.whisker").get_attribute("d") or ""
        left, right = (float(one) for one in re.findall(r"M([\d.]+) ", drawn)[::2])
        width = float(plot.locator("rect").get_attribute("width") or "nan") + 6
        assert left - 1e-9 <= width <= right + 1e-9
    expect(student.part("room-note")).to_contain_text("1,000 spins")
    assert student.turns() == 0


def test_the_greedy_path_stands_beside_the_sampled_one(student: Student) -> None:
    """Over the same number of tokens, with both log-probabilities and how they compare."""
    for _ in range(5):
        student.spin()
    student.tab(2)
    paths = student.part("paths").locator(".path")
    expect(paths).to_have_count(2)
    expect(paths.nth(1)).to_have_text(student.story())
    expect(paths.nth(0).locator("span")).to_have_count(5)
    turns = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/export").json()["turns"]
    total = sum(math.log(turn["model_probability"]) for turn in turns)
    said = student.part("paths").locator(".note").nth(1).text_content() or ""
    assert number(said.split("log-probability")[1]) == pytest.approx(total, abs=0.006)
    expect(student.part("paths")).to_contain_text(re.compile("The greedy path is .+ times as likely|This path is .+ times"))


def test_any_text_can_be_scored(student: Student) -> None:
    """Every token is tinted by its surprise, and the sums are the server's."""
    text = "Once upon a time there was a blockchain consultant."
    student.tab(4)
    student.part("text").fill(text)
    student.part("score").get_by_role("button").click()
    expect(student.part("scored").locator(".path")).to_have_text(text)
    answer = httpx.post(f"{student.site}/api/score", json={"text": text}).json()
    spans = student.part("scored").locator("span")
    tints = spans.evaluate_all("(spans) => spans.map((span) => Number(span.style.getPropertyValue('--surprise')))")
    expected = [0 if one["probability"] is None else min(1, -math.log2(one["probability"]) / 12) for one in answer["tokens"]]
    assert tints == pytest.approx(expected, abs=1e-6)
    said = student.part("scored").locator(".note").text_content() or ""
    assert number(said.split("perplexity")[1]) == pytest.approx(answer["perplexity"], rel=0.005)


def test_the_story_is_tinted_by_surprise(student: Student) -> None:
    """The less likely a token was, the stronger its tint; its tooltip has the numbers."""
    for _ in range(4):
        student.spin()
    turns = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/export").json()["turns"]
    spans = student.part("story").locator("span")
    tints = spans.evaluate_all("(spans) => spans.map((span) => Number(span.style.getPropertyValue('--surprise')))")
    assert tints == pytest.approx([min(1, -math.log2(turn["probability"]) / 12) for turn in turns], abs=1e-6)
    for index, turn in enumerate(turns):
        tip = spans.nth(index).get_attribute("title") or ""
        assert f"rank {turn['rank']:,}, drawn" in tip


def test_the_history_has_every_turn(student: Student) -> None:
    """The latest first, with token, probabilities, rank, and how it came."""
    for _ in range(3):
        student.spin()
    student.tab(1)
    turns = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/export").json()["turns"]
    rows = student.part("turns").locator("tr")
    expect(rows).to_have_count(3)
    for row, turn in zip(rows.all(), reversed(turns), strict=True):
        cells = row.locator("td").all_text_contents()
        assert int(cells[0]) == turn["index"] + 1
        assert number(cells[2]) == pytest.approx(100 * turn["probability"], rel=5e-3)
        assert number(cells[4]) == turn["rank"]
        assert f"{turn['draw']['target_angle']:.1f}°" in cells[5]
