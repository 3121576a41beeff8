"""The page can be used by everyone: axe-core's rules, small screens, zoomed text, every language."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped] # it ships no types
from playwright.sync_api import expect

from handler.api.page import FOLDER
from tests.browser.conftest import MakeStudent
from tests.browser.student import Student

PHONE = {"viewport": {"width": 390, "height": 844}, "is_mobile": True, "has_touch": True}
NARROWEST = {"viewport": {"width": 320, "height": 600}}
RULES = 15
SERIOUS = {"serious", "critical"}
LANGUAGES = ("en", "de", "es", "zh", "ar")


def serious_issues(student: Student) -> list[str]:
    """What axe-core finds wrong on the page as it is, if it matters."""
    answer = Axe().run(student.page).response
    assert len(answer["passes"]) > RULES, "axe-core has looked at the page"
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in answer["violations"] if one["impact"] in SERIOUS]


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "ar"])
def test_axe_finds_nothing_serious(make_student: MakeStudent, scheme: str, language: str) -> None:
    """On the wheel, after spins, in every tab, in both dialogs, and with two columns."""
    student = make_student(color_scheme=scheme, reduced_motion="reduce")
    student.open(f"?lang={language}")
    assert serious_issues(student) == []
    for _ in range(3):
        student.spin()
    for tab in range(5):
        student.tab(tab)
        if tab == 3:
            student.part("room").click()
            expect(student.part("room-rows").locator("tr").first).to_be_visible()
        assert serious_issues(student) == []
    student.open_other()
    assert serious_issues(student) == []
    student.page.keyboard.press("Escape")
    student.part("link").click()
    expect(student.part("links")).to_be_visible()
    assert serious_issues(student) == []
    student.page.keyboard.press("Escape")
    student.part("fork").click()
    expect(student.column(1).locator(".wedges > g").first).to_be_visible()
    assert serious_issues(student) == []


def test_a_problem_is_accessible(make_student: MakeStudent) -> None:
    """The message and its ways on."""
    student = make_student()
    student.let_requests_fail()
    moved_on = {"detail": "moved on", "code": "version_conflict"}
    student.answering["/spin"] = lambda route: route.fulfill(status=409, json=moved_on)
    student.open()
    student.page.keyboard.press("Space")
    expect(student.page.get_by_role("alert")).to_be_visible()
    assert serious_issues(student) == []


@pytest.mark.parametrize("screen", [PHONE, NARROWEST], ids=["phone", "narrowest"])
@pytest.mark.parametrize("language", ["en", "de", "ar"])
def test_nothing_is_wider_than_a_small_screen(make_student: MakeStudent, screen: dict[str, object], language: str) -> None:
    """The page scrolls down only, whatever it shows; the wheel is to be seen whole, and spins by a tap."""
    student = make_student(**screen)
    student.open(f"?lang={language}")
    sideways = "() => document.documentElement.scrollWidth - document.documentElement.clientWidth"
    student.at_once(student.part("spin").click)
    for tab in range(5):
        student.tab(tab)
        student.page.wait_for_timeout(100)
        assert student.page.evaluate(sideways) <= 0
    box = student.part("wheel").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= student.page.evaluate("innerWidth")


def test_targets_are_large_enough_for_fingers(make_student: MakeStudent) -> None:
    """Buttons and fields are at least 24 by 24 pixels (WCAG 2.2, 2.5.8)."""
    student = make_student(**PHONE)
    student.open()
    sizes = """(elements) => elements.filter((one) => one.offsetParent).map((one) => one.getBoundingClientRect())
      .filter(({ width, height }) => width < 24 || height < 24).length"""
    assert student.page.locator("button, input, select, textarea").evaluate_all(sizes) == 0


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_is_shown(make_student: MakeStudent, language: str) -> None:
    """The words are the language's, its direction too, and no key shows through."""
    words = json.loads((FOLDER / f"messages/{language}.json").read_text())
    student = make_student(locale=language)
    student.open()
    html = student.page.locator("html")
    expect(html).to_have_attribute("lang", language)
    expect(html).to_have_attribute("dir", "rtl" if language == "ar" else "ltr")
    expect(student.part("undo")).to_have_text(words["undo"])
    expect(student.page).to_have_title(words["title"])
    student.spin()
    text = student.page.locator("body").inner_text()
    assert not [key for key in words if "." in key and key in text.split()]
    assert "undefined" not in text
    assert "{" not in text


def test_the_language_can_be_changed(student: Student) -> None:
    """The session stays, and the choice is kept for the next visit."""
    student.spin()
    story, session_id = student.story(), student.session_id()
    student.page.locator('[data-part="language"]').select_option("de")
    expect(student.part("undo")).to_have_text("Zurück")
    student.wait_for_wheel()
    assert (student.story(), student.session_id()) == (story, session_id)
    student.page.goto(student.site)
    expect(student.part("undo")).to_have_text("Zurück")


def test_an_unknown_language_is_english(make_student: MakeStudent) -> None:
    """Whatever the browser or the address asks for."""
    student = make_student(locale="fi")
    student.open("?lang=tlh")
    expect(student.page.locator("html")).to_have_attribute("lang", "en")
