"""A student at the page: what is seen and done in a real browser."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from playwright.sync_api import ConsoleMessage, Locator, Page, Request, Route, expect

MOST_PATIENCE_S = 20

# Whenever a wedge is marked as drawn, note what lies under the tip of the pointer at that moment: read from the SVG alone.
NOTE_LANDINGS = """() => {
  window.landings = [];
  const note = (svg) => {
    const tip = svg.createSVGPoint();
    const [, x, y] = svg.querySelector(".pointer").getAttribute("d").match(/L(-?[\\d.]+) (-?[\\d.]+)Z/);
    Object.assign(tip, { x: Number(x), y: Number(y) });
    const wheel = svg.querySelector(".wedges").transform.baseVal.consolidate().matrix;
    const at = tip.matrixTransform(wheel.inverse());
    const under = [...svg.querySelectorAll(".wedges > g")].filter((wedge) => wedge.querySelector("path").isPointInFill(at));
    const drawn = svg.querySelector(".wedges > .drawn");
    window.landings.push({ under: under.map(({ id }) => id), drawn: drawn?.id, label: drawn?.getAttribute("aria-label") });
  };
  for (const svg of document.querySelectorAll(".wheel")) {
    new MutationObserver(() => { if (svg.classList.contains("landed")) note(svg); }).observe(svg, { attributeFilter: ["class"] });
  }
}"""


@dataclass
class Student:
    """A page in a browser. What it logs as an error, and every address that it asks for, is kept."""

    page: Page
    site: str
    may_fail: bool = False  # whether failed requests, which browsers log as errors, are expected
    answering: dict[str, Callable[[Route], None]] = field(default_factory=dict)  # by the end of a request's path
    errors: list[str] = field(default_factory=list)
    addresses: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", self._hear)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", self._note)

    def let_requests_fail(self) -> None:
        """From now on `answering` decides what becomes of requests. Before the page is opened: later it takes time to begin."""
        self.may_fail = True
        self.page.route("**/api/**", self._answer)

    def open(self, path: str = "") -> None:
        """Open the page and wait for its wheel."""
        self.page.goto(f"{self.site}/{path}")
        self.wait_for_wheel()

    def wait_for_wheel(self) -> None:
        """Until a wheel can be spun."""
        expect(self.part("spin")).to_be_enabled()
        expect(self.column().and_(self.page.locator(".busy"))).to_have_count(0)

    def column(self, index: int = 0) -> Locator:
        """A column of the page."""
        return self.page.locator(".column").nth(index)

    def part(self, name: str, column: int = 0) -> Locator:
        """What a column calls by this name."""
        return self.column(column).locator(f'[data-part="{name}"]').first

    def tab(self, index: int, column: int = 0) -> None:
        """Open a tab."""
        self.column(column).get_by_role("tab").nth(index).click()

    def slide(self, name: str, place: int, column: int = 0) -> None:
        """Move a slider to one of its stops, and wait for the server's wheel."""
        with self.page.expect_response(lambda response: "/next-token-probs" in response.url):
            self.part("settings", column).locator(f"input[name={name}]").fill(str(place))
        self.page.wait_for_timeout(50)

    def at_once(self, act: Callable[[], None], column: int = 0) -> None:
        """Do what appends a token, skip what is to be seen of it, and wait for the next wheel."""
        before, until = self.turns(column), time.monotonic() + MOST_PATIENCE_S
        act()
        while self.turns(column) == before or self.is_busy(column):
            assert time.monotonic() < until, "no token was appended"
            self.skip(column)

    def spin(self) -> None:
        """Spin by the space bar, and skip what is to be seen."""
        self.at_once(lambda: self.page.keyboard.press("Space"))

    def open_other(self, column: int = 0) -> None:
        """Open Other by keys: it is the last wedge."""
        self.part("wheel", column).focus()
        self.page.keyboard.press("End")
        self.page.keyboard.press("Enter")

    def skip(self, column: int = 0) -> None:
        """Press the button that skips, if there is something to skip."""
        self.part("spin", column).evaluate("(spin) => { if (spin.textContent === '…') spin.click(); }")
        self.page.wait_for_timeout(20)

    def is_busy(self, column: int = 0) -> bool:
        """Whether a request or a spin is under way."""
        return "busy" in (self.column(column).get_attribute("class") or "")

    def turns(self, column: int = 0) -> int:
        """How many tokens have been appended."""
        return self.part("story", column).locator("span").count()

    def story(self, column: int = 0) -> str:
        """The text so far."""
        return self.part("story", column).text_content() or ""

    def wedges(self, column: int = 0) -> list[tuple[str, str]]:
        """Label and outline of every wedge."""
        read = "(wedges) => wedges.map((one) => [one.getAttribute('aria-label'), one.querySelector('path').getAttribute('d')])"
        found: list[list[str]] = self.column(column).locator(".wedges > g").evaluate_all(read)
        return [(label, outline) for label, outline in found]

    def note_landings(self) -> None:
        """Begin to note where the wheels stop."""
        self.page.evaluate(NOTE_LANDINGS)

    def landings(self) -> list[dict[str, Any]]:
        """Where they have stopped: the wedges under the pointer, the wedge that is marked, and its label."""
        noted: list[dict[str, Any]] = self.page.evaluate("window.landings")
        return noted

    def session_id(self, column: int = 0) -> str:
        """The session that a column shows."""
        address = self.part("json", column).get_attribute("href") or ""
        return address.split("/api/sessions/")[1].split("/")[0]

    def _answer(self, route: Route) -> None:
        path = route.request.url.split("?")[0]
        answer = next((one for end, one in self.answering.items() if path.endswith(end)), None)
        if answer is None:
            route.continue_()
        else:
            answer(route)

    def _hear(self, message: ConsoleMessage) -> None:
        failed_request = message.text.startswith("Failed to load resource")
        if message.type in {"error", "warning"} and not (failed_request and self.may_fail):
            self.errors.append(message.text)

    def _note(self, request: Request) -> None:
        self.addresses.append(request.url)
