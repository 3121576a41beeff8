"""A visitor of the lab: what is seen and done there in a real browser."""

from dataclasses import dataclass

from playwright.sync_api import Locator, expect

from tests.browser.student import Student

TABS = ("principles", "evaluate", "revise", "train", "compare", "report")


@dataclass(frozen=True)
class LabVisitor:
    """A student's browser at the lab's page."""

    student: Student

    def open(self, query: str = "") -> None:
        """Open the page and wait for what it asks the server at first."""
        self.student.page.goto(f"{self.student.site}/lab.html{query}")
        expect(self.panel("principles").locator("article")).to_have_count(4)
        expect(self.part("plan").locator("option")).to_have_count(2)

    def panel(self, tab: str) -> Locator:
        """The panel of a tab."""
        return self.student.page.locator(f'[data-tab="{tab}"]')

    def part(self, name: str) -> Locator:
        """What the page calls by this name."""
        return self.student.page.locator(f'[data-part="{name}"]').first

    def field(self, form: str, name: str) -> Locator:
        """A field of a form."""
        return self.student.page.locator(f'[data-part="{form}"] [data-part="{name}"]')

    def tab(self, name: str) -> None:
        """Open a tab."""
        self.student.page.get_by_role("tab").nth(TABS.index(name)).click()
        expect(self.panel(name)).to_be_visible()

    def submit(self, form: str) -> None:
        """Press the button of a form, and wait until it can be pressed again."""
        button = self.part(form).locator("button")
        button.click()
        expect(button).to_be_enabled()
