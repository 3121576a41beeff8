"""A real browser at a real server. Skipped where Chromium is not installed."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.student import Student
from tests.local_server import server

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]


class MakeStudent(Protocol):
    """Makes a student whose browser is set up as named: Playwright's options of a context."""

    def __call__(self, **options: object) -> Student:
        """A student with a page that has not been opened yet."""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One browser for the tests of a module. Playwright runs an event loop, in which no other module's tests could run theirs."""
    if CHROMIUM is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=QUIET)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the server keeps sessions and runs."""
    return tmp_path_factory.mktemp("sessions")


@pytest.fixture(scope="session")
def site(data_folder: Path) -> Iterator[str]:
    """The address of a server on the bundled model."""
    with server(data_folder) as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture
def make_student(browser: Browser, site: str) -> Iterator[MakeStudent]:
    """A maker of students. At the end none of them may have met an error, or asked anything of another origin."""
    students: list[Student] = []

    def make(**options: object) -> Student:
        laptop: dict[str, Any] = {"viewport": {"width": 1280, "height": 900}, "locale": "en"}
        context = browser.new_context(**{**laptop, **options})
        context.set_default_timeout(15_000)
        students.append(Student(context.new_page(), site))
        return students[-1]

    yield make
    for student in students:
        student.page.context.close()
        assert student.errors == []
        assert [address for address in student.addresses if not address.startswith((site, "blob:"))] == []


@pytest.fixture
def student(make_student: MakeStudent) -> Student:
    """A student at a laptop, with the page open."""
    student = make_student()
    student.open()
    return student


@pytest.fixture(scope="session")
def artefacts() -> Path:
    """Where pictures of the page are kept, to be looked at."""
    folder = Path(__file__).parents[1] / "artefacts"
    folder.mkdir(exist_ok=True)
    return folder
