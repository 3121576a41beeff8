"""Pictures of the page for the README, and to be looked at. What is on them is checked elsewhere; here, that it is on them."""

from pathlib import Path

from playwright.sync_api import expect

from tests.browser.conftest import MakeStudent
from tests.browser.student import Student
from tests.browser.test_accessibility import PHONE

SEED = "picture"


def told(student: Student, spins: int) -> None:
    """Spin so often with a seed, so that the picture is the same each time."""
    student.open()
    student.part("seed").fill(SEED)
    for _ in range(spins):
        student.at_once(student.part("spin").click)


def test_desktop_light_and_dark(make_student: MakeStudent, artefacts: Path) -> None:
    """The whole page at a laptop."""
    for scheme, name in (("light", "page.png"), ("dark", "page-dark.png")):
        student = make_student(color_scheme=scheme, reduced_motion="reduce")
        told(student, 6)
        expect(student.part("story").locator("span")).to_have_count(6)
        student.page.screenshot(path=artefacts / name, full_page=True)


def test_phone(make_student: MakeStudent, artefacts: Path) -> None:
    """Prompt, text and wheel on one screen of a phone."""
    student = make_student(**PHONE, reduced_motion="reduce", device_scale_factor=2)
    told(student, 3)
    student.part("story").scroll_into_view_if_needed()
    expect(student.part("wheel")).to_be_in_viewport()
    student.page.screenshot(path=artefacts / "page-phone.png")


def test_other_opened(make_student: MakeStudent, artefacts: Path) -> None:
    """Its count, its mass, its likeliest tokens."""
    student = make_student(reduced_motion="reduce")
    told(student, 2)
    student.open_other()
    expect(student.column().locator("dialog[open] tbody tr").first).to_be_visible()
    student.page.screenshot(path=artefacts / "page-other.png")


def test_room_statistics(make_student: MakeStudent, artefacts: Path) -> None:
    """A thousand spins with their error bars."""
    student = make_student(reduced_motion="reduce")
    told(student, 0)
    student.tab(3)
    student.part("room").click()
    expect(student.part("room-rows").locator("tr").first).to_be_visible()
    student.page.locator(".lessons").screenshot(path=artefacts / "page-room.png")


def test_two_columns_in_arabic(make_student: MakeStudent, artefacts: Path) -> None:
    """A fork, right to left."""
    student = make_student(reduced_motion="reduce", locale="ar")
    told(student, 3)
    student.part("fork").click()
    expect(student.column(1).locator(".wedges > g").first).to_be_visible()
    student.at_once(student.part("spin", 1).click, column=1)
    student.page.screenshot(path=artefacts / "page-two-arabic.png", full_page=True)
