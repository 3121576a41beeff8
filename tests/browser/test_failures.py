"""Whatever goes wrong is said in words, with a way on, and no spin is lost or made twice."""

import json
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Route, expect

from tests.browser.conftest import MakeStudent
from tests.browser.student import Student

BUNDLED = Path(__file__).parents[2] / "model_layer/storybook/baked"


@pytest.fixture
def unlucky(make_student: MakeStudent) -> Student:
    """A student whose browser will log failed requests: that alone is no fault of the page."""
    student = make_student(reduced_motion="reduce")
    student.let_requests_fail()
    student.open()
    return student


def fail_first(student: Student, path: str, answers: list[Callable[[Route], None]]) -> list[str | None]:
    """Answer the first requests to a path so, let the others through; returns the idempotency keys of all."""
    keys: list[str | None] = []

    def handle(route: Route) -> None:
        keys.append(route.request.headers.get("idempotency-key"))
        if answers:
            answers.pop(0)(route)
        else:
            route.continue_()

    student.answering[path] = handle
    return keys


def refused(status: int, code: str, retry_after: str = "0") -> Callable[[Route], None]:
    """An answer with an error."""
    return lambda route: route.fulfill(
        status=status, headers={"Retry-After": retry_after}, json={"detail": "words of the server", "code": code}
    )


def lose_answer(route: Route) -> None:
    """Let the server do the work, and lose its answer on the way."""
    route.fetch()
    route.abort("connectionreset")


def server_turns(student: Student) -> int:
    """How many turns the server has."""
    count: int = httpx.get(f"{student.site}/api/sessions/{student.session_id()}").json()["generation_count"]
    return count


@pytest.mark.parametrize(
    ("status", "code", "words"),
    [
        (429, "too_many_requests", "Too many requests at once. Your spin is kept"),
        (503, "store_unavailable", "The server is busy or waking up. Your spin is kept"),
        (504, "timeout", "The server is busy or waking up. Your spin is kept"),
    ],
)
def test_a_busy_server_is_asked_again(unlucky: Student, status: int, code: str, words: str) -> None:
    """The page says so and when it tries again, sends the same key, and the spin counts once."""
    keys = fail_first(unlucky, "/spin", [refused(status, code, "1"), refused(status, code)])
    unlucky.page.keyboard.press("Space")
    problem = unlucky.page.locator('[data-part="problem"]')
    expect(problem).to_contain_text(words)
    expect(problem.locator('[data-part="countdown"]')).to_have_text("1 s")
    expect(unlucky.part("story").locator("span")).to_have_count(1)
    expect(problem).to_be_hidden()
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert server_turns(unlucky) == 1


def test_a_lost_answer_is_no_lost_spin(unlucky: Student) -> None:
    """The server had drawn; asked again with the same key it gives the same token, once."""
    fail_first(unlucky, "/spin", [lose_answer])
    unlucky.page.keyboard.press("Space")
    expect(unlucky.part("story").locator("span")).to_have_count(1)
    assert server_turns(unlucky) == 1
    whole = httpx.get(f"{unlucky.site}/api/sessions/{unlucky.session_id()}").json()
    assert whole["current_text"] == unlucky.story()


def test_after_many_failures_the_student_decides(unlucky: Student) -> None:
    """The same request again, by a button."""
    keys = fail_first(unlucky, "/spin", [refused(503, "store_unavailable")] * 5)
    unlucky.page.keyboard.press("Space")
    again = unlucky.page.get_by_role("button", name="Try again")
    expect(again).to_be_visible(timeout=30_000)
    expect(unlucky.page.get_by_role("alert")).to_contain_text("The place where sessions are kept does not answer just now.")
    again.click()
    expect(unlucky.part("story").locator("span")).to_have_count(1)
    assert len(set(keys)) == 1
    assert server_turns(unlucky) == 1


def test_offline_goes_on_by_itself(unlucky: Student) -> None:
    """The page says that it is offline, and spins once it is back."""
    unlucky.page.context.set_offline(True)
    unlucky.page.keyboard.press("Space")
    expect(unlucky.page.get_by_role("alert")).to_contain_text("You are offline. Your spin is kept")
    unlucky.page.context.set_offline(False)
    expect(unlucky.part("story").locator("span")).to_have_count(1)
    expect(unlucky.page.locator('[data-part="problem"]')).to_be_hidden()
    assert server_turns(unlucky) == 1


def test_a_slow_start_is_explained(unlucky: Student) -> None:
    """While a cold server loads the model the page says what is going on, and for how long."""
    held: list[Route] = []
    unlucky.answering["/spin"] = held.append
    unlucky.page.keyboard.press("Space")
    expect(unlucky.part("result")).to_contain_text("Waiting for the model")
    expect(unlucky.part("result")).to_contain_text("The server is waking up and loads the model", timeout=15_000)
    held[0].continue_()
    expect(unlucky.part("result")).to_contain_text("Drawn")


def test_a_change_elsewhere_is_not_overwritten(unlucky: Student) -> None:
    """409: the page offers to show the session as it is now."""
    httpx.post(f"{unlucky.site}/api/sessions/{unlucky.session_id()}/spin", json={})
    unlucky.page.keyboard.press("Space")
    expect(unlucky.page.get_by_role("alert")).to_contain_text("changed somewhere else")
    assert server_turns(unlucky) == 1
    unlucky.page.get_by_role("button", name="Show how it is now").click()
    expect(unlucky.part("story").locator("span")).to_have_count(1)
    unlucky.wait_for_wheel()
    unlucky.spin()
    assert server_turns(unlucky) == 2


def test_an_expired_session_keeps_its_text(unlucky: Student) -> None:
    """The page still has it, and goes on from it."""
    unlucky.spin()
    text = unlucky.story()
    httpx.delete(f"{unlucky.site}/api/sessions/{unlucky.session_id()}")
    unlucky.page.keyboard.press("Space")
    expect(unlucky.page.get_by_role("alert")).to_contain_text("This session has expired.")
    unlucky.page.get_by_role("button", name="Go on from this text").click()
    expect(unlucky.part("story").locator("span")).to_have_count(0)
    unlucky.wait_for_wheel()
    assert unlucky.story() == text
    unlucky.spin()


def test_a_finished_text_says_so(unlucky: Student) -> None:
    """The last token is shown; undo and a new start are the ways on."""
    end = json.loads((BUNDLED / "config.json").read_text())["eos_token_id"]
    httpx.post(f"{unlucky.site}/api/sessions/{unlucky.session_id()}/append-token", json={"token_id": end})
    unlucky.page.reload()
    expect(unlucky.page.get_by_role("alert")).to_contain_text("The model ended its text here.")
    expect(unlucky.part("spin")).to_be_disabled()
    unlucky.page.get_by_role("alert").get_by_role("button", name="Undo").click()
    expect(unlucky.part("story").locator("span")).to_have_count(0)
    unlucky.wait_for_wheel()
    unlucky.spin()


def test_a_prompt_that_is_refused_is_explained(unlucky: Student) -> None:
    """By the server's words, which name the limit."""
    unlucky.page.locator('[data-part="prompt"]').evaluate(
        "(field) => { field.maxLength = 9000; field.value = 'the '.repeat(900); }"
    )
    unlucky.page.get_by_role("button", name="Start", exact=True).click()
    expect(unlucky.page.get_by_role("alert")).to_contain_text("at most 2000 characters")


def test_what_only_shows_something_fails_in_its_place(unlucky: Student) -> None:
    """A tab that cannot be filled says so itself; the session goes on."""
    fail_first(unlucky, "/room", [refused(400, "some_limit")])
    unlucky.tab(3)
    unlucky.part("room").click()
    expect(unlucky.part("failure")).to_contain_text("words of the server")
    unlucky.part("room").click()
    expect(unlucky.part("room-rows").locator("tr").first).to_be_visible()
    unlucky.at_once(unlucky.part("spin").click)
