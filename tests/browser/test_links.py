"""A session as a link: whoever opens it sees the same tokens at the same angles."""

import re

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeStudent
from tests.browser.student import Student


def link_of(student: Student, kind: str) -> str:
    """The replay or share link of what a student has before them, without the site."""
    student.part("link").click()
    field = student.part(kind)
    expect(field).to_have_value(re.compile("#"))
    address = field.input_value()
    student.page.keyboard.press("Escape")
    return address.removeprefix(f"{student.site}/")


def turns_of(student: Student) -> list[dict[str, object]]:
    """The turns of the session on the page, as the server has them."""
    turns: list[dict[str, object]] = httpx.get(f"{student.site}/api/sessions/{student.session_id()}/export").json()["turns"]
    return turns


@pytest.fixture
def author(make_student: MakeStudent) -> Student:
    """A student who has spun with and without a seed, from Other, and chosen, with several settings."""
    student = make_student(reduced_motion="reduce")
    student.open()
    student.spin()
    student.part("seed").fill("7b")
    student.slide("temperature", 15)
    for _ in range(3):
        student.at_once(student.part("spin").click)
    student.open_other()
    student.at_once(student.column().locator("dialog[open] [data-part=draw]").click)
    student.slide("top_k", 5)
    student.at_once(student.column().locator(".wedges > g").nth(2).locator("path").click)
    return student


def test_a_replay_reproduces_the_session(author: Student, make_student: MakeStudent) -> None:
    """In another browser: token for token, and what had a seed is drawn again with the very same number."""
    link = link_of(author, "replay")
    reader = make_student(reduced_motion="reduce")
    reader.page.goto(f"{reader.site}/{link}")
    replayed = reader.page.locator('[data-part="replayed"]')
    expect(replayed).to_contain_text("Replayed 6 turns.", timeout=30_000)
    expect(replayed).to_contain_text("4 were drawn again from their seed, and came out the same.")
    expect(replayed).to_contain_text("2 had no seed and were repeated as recorded.")
    assert reader.story() == author.story()
    assert reader.wedges() == author.wedges()
    kept = ("token_id", "probability", "model_probability", "rank", "settings")
    written, read = turns_of(author), turns_of(reader)
    assert [[turn[name] for name in kept] for turn in read] == [[turn[name] for name in kept] for turn in written]
    assert [turn["draw"] for turn in read[1:5]] == [turn["draw"] for turn in written[1:5]]
    assert reader.session_id() != author.session_id()


def test_a_replay_stops_each_spin_where_it_stopped(author: Student, make_student: MakeStudent) -> None:
    """Also those without a seed: the wheel turns to the recorded angle, and the pointer is on the token."""
    link = link_of(author, "replay")
    reader = make_student(reduced_motion="reduce")
    reader.open()
    reader.note_landings()
    reader.page.evaluate("(hash) => { location.hash = hash; }", link.removeprefix("#"))
    expect(reader.page.locator('[data-part="replayed"]')).to_contain_text("Replayed 6 turns.", timeout=30_000)
    landings = reader.landings()
    assert len(landings) == 6
    assert all(landing["under"] == [landing["drawn"]] for landing in landings[:5])
    assert landings[5]["drawn"] == "column1-wedge-2"


def test_a_share_link_shows_the_text_at_once(author: Student, make_student: MakeStudent) -> None:
    """Nothing moves, and a reload shows the session rather than a copy of it."""
    link = link_of(author, "share")
    reader = make_student()
    reader.page.goto(f"{reader.site}/{link}")
    expect(reader.part("story")).to_have_text(author.story())
    expect(reader.part("story").locator("span")).to_have_count(6)
    reader.wait_for_wheel()
    expect(reader.part("settings").locator("output").nth(2)).to_have_text("7")
    session_id = reader.session_id()
    reader.page.reload()
    reader.wait_for_wheel()
    assert reader.session_id() == session_id


def test_the_server_never_sees_a_link(author: Student, make_student: MakeStudent) -> None:
    """What it holds stands after the #, which browsers keep to themselves."""
    link = link_of(author, "share")
    assert link.startswith("#")
    reader = make_student()
    reader.page.goto(f"{reader.site}/{link}")
    expect(reader.part("story")).to_have_text(author.story())
    assert not any(link.removeprefix("#share=")[:40] in address for address in reader.addresses[1:])


@pytest.mark.parametrize("link", ["#replay=", "#replay=AAAA", "#share=%%%", "#replay=bm90IGRlZmxhdGVk", "#else=1"])
def test_a_broken_link_is_an_ordinary_page(make_student: MakeStudent, link: str) -> None:
    """It begins with a prompt of its own."""
    student = make_student()
    student.open(link)
    expect(student.part("story")).to_have_text("The cat sat on the")
