"""What the wheel shows is what the server drew: angles and pointer, read from the page itself."""

import itertools
import math
import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeStudent
from tests.browser.student import Student

NUMBER = re.compile(r"-?\d+(?:\.\d+)?(?:e-?\d+)?")


def arc_of(outline: str) -> tuple[float, float]:
    """Start and end of a wedge in degrees, from the points where its outline begins and where its outer arc ends."""
    numbers = [float(one) for one in NUMBER.findall(outline)]
    start = numbers[0:2]
    end = numbers[14:16]
    return tuple(math.degrees(math.atan2(x, -y)) % 360 for x, y in (start, end))  # type: ignore[return-value] # two of them


def shown_wheel(student: Student) -> dict[str, object]:
    """The server's wheel of the session on the page, with the settings it last showed."""
    session = httpx.get(f"{student.site}/api/sessions/{student.session_id()}").json()
    query = {name: session["settings"][name] for name in ("temperature", "threshold", "top_k", "top_p")}
    wheel: dict[str, object] = httpx.get(
        f"{student.site}/api/sessions/{student.session_id()}/next-token-probs", params=query
    ).json()
    return wheel


def test_the_pointer_is_in_the_drawn_wedge_after_each_of_50_spins(make_student: MakeStudent) -> None:
    """Under its tip lies one wedge: the one that is marked, with the token that was appended."""
    student = make_student(reduced_motion="reduce")
    student.open()
    student.note_landings()
    for _ in range(50):
        if not student.part("spin").is_enabled():
            student.page.keyboard.press("z")
            student.wait_for_wheel()
        student.spin()
    landings = student.landings()
    assert len(landings) == 50
    assert all(landing["under"] == [landing["drawn"]] for landing in landings)
    assert len({landing["drawn"] for landing in landings}) > 5, "chance hits many wedges"


def test_an_animated_spin_stops_there_too(student: Student) -> None:
    """With the motion seen to its end."""
    student.note_landings()
    student.page.keyboard.press("Space")
    expect(student.part("story").locator("span")).to_have_count(1)
    [landing] = student.landings()
    assert landing["under"] == [landing["drawn"]]


def test_wedges_are_as_wide_as_tokens_are_likely(student: Student) -> None:
    """Every wedge spans the server's angles, 360 times its probability, and together they fill the circle."""
    student.slide("temperature", 13)
    student.part("seed").fill("wedges")
    student.at_once(student.part("spin").click)
    slices = shown_wheel(student)["slices"]
    assert isinstance(slices, list)
    arcs = [arc_of(outline) for _, outline in student.wedges()]
    assert len(arcs) == len(slices) > 5
    for (start, end), piece in zip(arcs, slices, strict=True):
        assert start == pytest.approx(piece["start_angle"], abs=1e-6)
        assert end % 360 == pytest.approx(piece["end_angle"] % 360, abs=1e-6)
        assert (end - start) % 360 == pytest.approx(360 * piece["probability"] % 360, abs=1e-6)
    assert all(one[1] == pytest.approx(following[0], abs=1e-6) for one, following in itertools.pairwise(arcs))


def test_labels_stay_inside_their_wedges(student: Student) -> None:
    """No corner of a label lies outside the outline, at any crowding; where a label does not fit there is none."""
    misplaced = """(wedges) => wedges.flatMap((wedge) => {
      const text = wedge.querySelector("text");
      if (!text) return [];
      const box = text.getBBox();
      const matrix = text.transform.baseVal.consolidate().matrix;
      const middle = (box.y + box.height / 2);
      const points = [[box.x, middle], [box.x + box.width, middle], [box.x + box.width / 2, middle]];
      const path = wedge.querySelector("path");
      const inside = ([x, y]) => path.isPointInFill(new DOMPoint(x, y).matrixTransform(matrix));
      return points.every(inside) ? [] : [text.textContent];
    })"""
    student.slide("threshold", 0)
    for place in (0, 9, 16, 19):
        student.slide("temperature", place)
        wedges = student.column().locator(".wedges > g")
        assert wedges.evaluate_all(misplaced) == []
        assert wedges.locator("text").count() > 0
    assert wedges.locator("text").count() < wedges.count(), "the crowded wheel has wedges too thin for words"


def test_reduced_motion_is_respected(make_student: MakeStudent) -> None:
    """The wheel turns to its end at once."""
    student = make_student(reduced_motion="reduce")
    student.open()
    student.page.evaluate("""() => {
      window.durations = [];
      const animate = Element.prototype.animate;
      Element.prototype.animate = function (frames, options) {
        window.durations.push(options.duration);
        return animate.call(this, frames, options);
      };
    }""")
    student.spin()
    assert student.page.evaluate("window.durations") == [0]


def test_white_space_and_bytes_can_be_seen(student: Student) -> None:
    """Spaces and line ends have signs, bytes of a character hexadecimal ones."""
    labels = [label for label, _ in student.wedges()]
    assert any(label.startswith("␣") for label in labels)
    student.tab(4)
    student.part("text").fill("a ☃")
    student.part("score").get_by_role("button").click()
    spans = student.part("scored").locator("span")
    expect(spans.nth(0)).to_be_visible()
    tips = [tip or "" for tip in spans.evaluate_all("(spans) => spans.map((span) => span.title)")]
    assert any(re.search(r"\u2039[0-9A-F]{2}\u203a", tip) for tip in tips)
    assert (student.part("scored").locator(".path").text_content() or "") == "a ☃"


def test_other_opens(student: Student) -> None:
    """To its count, its mass and its likeliest tokens, any of which can be chosen."""
    wheel = shown_wheel(student)
    other = wheel["other_category"]
    assert isinstance(other, dict)
    student.open_other()
    dialog = student.column().locator("dialog[open]")
    expect(dialog).to_contain_text(f"{other['token_count']:,} more tokens share")
    expect(dialog.locator("tbody tr")).to_have_count(50)
    chosen = dialog.locator("tbody tr").nth(3)
    token = (chosen.locator("bdi").text_content() or "").replace("␣", " ")
    student.at_once(lambda: chosen.get_by_role("button").click())
    assert student.story().endswith(token)
    expect(student.part("result")).to_contain_text("Chosen:")


def test_a_draw_from_other_says_how_improbable_it_was(student: Student) -> None:
    """The page names the rank, and one in how many."""
    student.note_landings()
    named = sum(not label.startswith("Other") for label, _ in student.wedges())
    student.open_other()
    student.at_once(lambda: student.column().locator("dialog[open] [data-part=draw]").click())
    said = student.part("result").text_content() or ""
    found = re.search(r"Drawn from Other: (.+) ([\d.]+)%, 1 in ([\d,.]+) · rank ([\d,]+) of 3,840", said)
    assert found is not None
    assert int(found[4].replace(",", "")) > named
    assert [landing["under"] == [landing["drawn"]] for landing in student.landings()] == [True]
