"""What a student does: spin, choose, undo, fork, come back, take away. By pointer and by keys alone."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from playwright.sync_api import Download, Route, expect

from tests.browser.conftest import MakeStudent
from tests.browser.student import Student

PNG = b"\x89PNG\r\n\x1a\n"


def downloaded(student: Student, name: str) -> bytes:
    """The file that a link or button of the first column gives."""
    with student.page.expect_download() as expected:
        student.part(name).click()
    download: Download = expected.value
    return Path(download.path()).read_bytes()


def exported(student: Student) -> dict[str, object]:
    """The session as its export has it."""
    session: dict[str, object] = json.loads(downloaded(student, "json"))
    return session


def test_a_session_by_keys_alone(make_student: MakeStudent) -> None:
    """From the prompt to a spin, a chosen wedge, an undo, a slider and a tab, without a pointer."""
    student = make_student(reduced_motion="reduce")
    student.open()
    keys = student.page.keyboard
    student.page.locator('[data-part="prompt"]').focus()
    keys.press("Control+A")
    keys.type("Once upon a time")
    keys.press("Enter")
    expect(student.part("story")).to_have_text("Once upon a time")
    student.wait_for_wheel()
    while not student.page.evaluate("document.activeElement.matches('.wheel')"):
        keys.press("Tab")
    student.at_once(lambda: keys.press("Space"))
    for _ in range(2):
        keys.press("ArrowRight")
    focused = student.part("wheel").locator("[aria-selected=true]").get_attribute("aria-label") or ""
    assert focused == student.wedges()[2][0]
    student.at_once(lambda: keys.press("Enter"))
    expect(student.part("result")).to_contain_text("Chosen:")
    assert student.turns() == 2
    keys.press("z")
    expect(student.part("story").locator("span")).to_have_count(1)
    student.wait_for_wheel()
    keys.press("Tab")
    student.part("settings").locator("input[name=temperature]").focus()
    keys.press("ArrowRight")
    expect(student.part("settings").locator("output").first).to_have_text("1.1")
    student.column().get_by_role("tab").first.focus()
    keys.press("ArrowRight")
    expect(student.column().get_by_role("tabpanel")).to_contain_text("drawn at")


def test_a_click_chooses_a_wedge_and_z_takes_it_back(student: Student) -> None:
    """The token is appended without a draw."""
    student.at_once(lambda: student.column().locator(".wedges > g").first.locator("path").click())
    expect(student.part("result")).to_contain_text("Chosen: ␣table")
    assert student.story() == "The cat sat on the table"
    student.page.keyboard.press("z")
    expect(student.part("story")).to_have_text("The cat sat on the")
    expect(student.part("result")).to_contain_text("Took back ␣table")


def test_sliders_redraw_at_once_and_the_server_agrees(make_student: MakeStudent) -> None:
    """With the server's answer held back, the wheel is already the one that it will send."""
    student = make_student()
    student.let_requests_fail()
    held: list[Route] = []
    student.answering["/next-token-probs"] = held.append
    student.open()
    student.part("settings").hover()
    before = student.wedges()
    for name, place in (("temperature", 15), ("top_k", 9), ("top_p", 13), ("threshold", 3)):
        student.part("settings").locator(f"input[name={name}]").fill(str(place))
    expect(student.column().locator(".wedges > g")).not_to_have_count(len(before))
    student.page.wait_for_timeout(400)
    preview = student.wedges()
    assert held
    with student.page.expect_response(lambda response: "/next-token-probs" in response.url):
        for route in held:
            route.continue_()
    student.page.wait_for_timeout(100)
    confirmed = student.wedges()
    assert [label for label, _ in preview] == [label for label, _ in confirmed]
    numbers = [[float(one) for one in re.findall(r"-?\d+\.?\d*(?:e-?\d+)?", path)] for _, path in (*preview, *confirmed)]
    for drawn, sent in zip(numbers[: len(preview)], numbers[len(preview) :], strict=True):
        assert drawn == pytest.approx(sent, abs=1e-6)


def test_a_spin_uses_the_wheel_on_the_screen(student: Student) -> None:
    """A spin right after a slider moved has the slider's settings."""
    student.part("settings").locator("input[name=top_k]").fill("0")
    student.spin()
    turns = exported(student)["turns"]
    assert isinstance(turns, list)
    assert (turns[0]["settings"]["top_k"], turns[0]["rank"]) == (1, 1)


def test_a_reload_shows_the_same(student: Student) -> None:
    """The session, its turns and its settings are the server's to remember."""
    student.slide("temperature", 14)
    student.spin()
    student.spin()
    story, wedges = student.story(), student.wedges()
    student.page.reload()
    student.wait_for_wheel()
    assert (student.story(), student.wedges()) == (story, wedges)
    expect(student.part("settings").locator("output").first).to_have_text("1.5")


def test_a_fork_goes_its_own_way(student: Student) -> None:
    """The second column starts with the same text and wheel; what is done there leaves the first alone."""
    student.spin()
    student.spin()
    first = student.story()
    student.part("fork").click()
    expect(student.column(1).locator(".wedges > g").first).to_be_visible()
    assert student.story(1) == first
    assert student.wedges(1) == student.wedges(0)
    student.at_once(lambda: student.part("spin", 1).click(), column=1)
    assert student.story(0) == first
    assert student.story(1).startswith(first)
    assert student.story(1) != first
    ids = student.page.locator("[id]").evaluate_all("(elements) => elements.map(({ id }) => id)")
    assert len(ids) == len(set(ids))
    student.part("close", 1).click()
    expect(student.page.locator(".column")).to_have_count(1)


def test_a_fork_may_start_earlier(student: Student) -> None:
    """Each row of the history is a place to fork."""
    for _ in range(3):
        student.spin()
    texts = student.part("story").locator("span").all_text_contents()
    student.tab(1)
    rows = student.part("turns").locator("tr")
    expect(rows).to_have_count(3)
    rows.last.get_by_role("button").click()
    expect(student.column(1).locator(".wedges > g").first).to_be_visible()
    assert student.story(1) == "The cat sat on the" + texts[0]


def test_it_spins_by_itself_and_pauses(make_student: MakeStudent) -> None:
    """As often as asked, and no further while paused."""
    student = make_student(reduced_motion="reduce")
    student.open()
    student.part("times").fill("4")
    student.part("auto").click()
    expect(student.part("story").locator("span")).not_to_have_count(0)
    student.part("auto").click()
    expect(student.part("auto")).to_contain_text("Go on")
    expect(student.column().and_(student.page.locator(".busy"))).to_have_count(0)
    paused_at = student.turns()
    assert paused_at < 4
    student.page.wait_for_timeout(1000)
    assert student.turns() == paused_at
    student.part("auto").click()
    expect(student.part("story").locator("span")).to_have_count(4)
    expect(student.part("auto")).to_have_text("Auto-spin")


def test_a_seed_decides(make_student: MakeStudent) -> None:
    """Two students with the same seed get the same text."""
    stories = []
    for _ in range(2):
        student = make_student(reduced_motion="reduce")
        student.open()
        student.part("seed").fill("class 7b")
        for _ in range(4):
            student.at_once(student.part("spin").click)
        stories.append(student.story())
    assert stories[0] == stories[1]


def test_reset_goes_back_to_the_prompt(student: Student) -> None:
    """In a new session; the settings stay."""
    student.slide("temperature", 12)
    student.spin()
    before = student.session_id()
    student.part("reset").click()
    expect(student.part("story")).to_have_text("The cat sat on the")
    student.wait_for_wheel()
    assert student.session_id() != before
    expect(student.part("settings").locator("output").first).to_have_text("1.3")


def test_everything_can_be_taken_away(student: Student) -> None:
    """JSON and CSV hold every turn, the PNG is a picture."""
    student.spin()
    student.spin()
    session = exported(student)
    turns = session["turns"]
    assert isinstance(turns, list)
    rows = list(csv.DictReader(io.StringIO(downloaded(student, "csv").decode())))
    assert [row["token_id"] for row in rows if row["kind"] == "turn"] == [str(turn["token_id"]) for turn in turns]
    picture = downloaded(student, "png")
    assert picture.startswith(PNG)
    assert len(picture) > 20_000


def test_a_quick_prompt_starts(student: Student) -> None:
    """One click, one new wheel."""
    student.page.get_by_role("button", name="Once upon a time").click()
    expect(student.part("story")).to_have_text("Once upon a time")
    expect(student.page.locator('[data-part="prompt"]')).to_have_value("Once upon a time")
