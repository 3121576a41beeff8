"""The lab's page: what it shows is what the API says, from a judged text to the report of a real training run."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright.sync_api import expect

from tests.browser.conftest import MakeStudent
from tests.browser.lab_visitor import TABS, LabVisitor
from tests.browser.test_accessibility import NARROWEST, PHONE, serious_issues
from tests.local_server import lab_worker

RUNS = "api/constitution/runs"
POLL_MS = 1500
TEXT = "Everyone knows that all sailors are lazy."


@pytest.fixture
def visitor(make_student: MakeStudent) -> LabVisitor:
    """A visitor at a laptop, with the lab open."""
    visitor = LabVisitor(make_student(reduced_motion="reduce"))
    visitor.open()
    return visitor


@pytest.fixture(scope="module")
def finished(site: str, data_folder: Path) -> Iterator[dict[str, Any]]:
    """A Quick Demo of the bundled model, trained by a worker process to its end."""
    run = httpx.post(f"{site}/{RUNS}", json={"plan": "quick_demo"}).raise_for_status().json()
    assert lab_worker(data_folder, "--once").wait() == 0, (data_folder / "lab.log").read_text()
    yield httpx.get(f"{site}/{RUNS}/{run['run_id']}").json()
    httpx.delete(f"{site}/{RUNS}/{run['run_id']}")


def test_a_text_is_judged(visitor: LabVisitor) -> None:
    """Places are marked, each principle has its verdicts, and the totals are the API's."""
    visitor.tab("evaluate")
    visitor.field("evaluate", "text").fill(TEXT)
    visitor.submit("evaluate")
    answer = httpx.post(f"{visitor.student.site}/api/constitution/evaluate", json={"text": TEXT}).json()
    [evaluation] = answer["evaluations"]
    shown = visitor.part("evaluated")
    expect(shown.locator(".judged")).to_have_text(TEXT)
    expect(shown.locator("mark.rules").first).to_be_visible()
    expect(shown.locator("tbody tr")).to_have_count(4)
    expect(shown.locator(".flag")).to_have_count(sum(result["flagged"] for result in evaluation["results"]))
    expect(shown.locator(".note").first).to_contain_text(f"{evaluation['weighted_score']:.1f} of 5.5")


def test_a_draft_is_revised(visitor: LabVisitor) -> None:
    """Draft and revision stand side by side; only the draft is flagged so much."""
    visitor.tab("revise")
    visitor.field("revise", "prompt").fill("The old man said:")
    visitor.field("revise", "draft").fill(f" {TEXT}")
    visitor.submit("revise")
    sides = visitor.part("revised").locator("article")
    expect(sides).to_have_count(2)
    expect(sides.nth(0).locator(".judged")).to_have_text(f"The old man said: {TEXT}")
    expect(sides.nth(0).locator(".flag").first).to_be_visible()
    before, after = (float(re.findall(r"[\d.]+", sides.nth(one).locator(".note").first.inner_text())[0]) for one in (0, 1))
    assert after < before


def test_a_model_beside_itself(visitor: LabVisitor) -> None:
    """Two equal wheels, no distance."""
    visitor.tab("compare")
    visitor.submit("compare")
    compared = visitor.part("compared")
    expect(compared.locator(".wheel")).to_have_count(2)
    wedges = [
        compared.locator(".wheel")
        .nth(one)
        .locator(".wedges path")
        .evaluate_all("(all) => all.map((one) => one.getAttribute('d'))")
        for one in (0, 1)
    ]
    assert wedges[0] == wedges[1] != []
    expect(compared.get_by_text("KL divergence 0 nats")).to_be_visible()


def test_a_run_waits_for_a_worker_and_is_removed(visitor: LabVisitor) -> None:
    """A double click is one run on the server; looks keep the focus; removed, which is asked first, it is gone from both."""
    visitor.tab("train")
    before = httpx.get(f"{visitor.student.site}/{RUNS}").json()["runs"]
    visitor.part("train").locator("button").dblclick()
    expect(visitor.part("runs").locator("button")).to_have_count(len(before) + 1)
    expect(visitor.part("run")).to_contain_text("waiting for a worker")
    visitor.student.page.once("dialog", lambda dialog: dialog.dismiss())
    remove = visitor.part("run").get_by_role("button", name="Remove")
    remove.click()
    visitor.student.page.wait_for_timeout(2 * POLL_MS)
    expect(remove).to_be_focused()
    assert len(httpx.get(f"{visitor.student.site}/{RUNS}").json()["runs"]) == len(before) + 1
    visitor.student.page.once("dialog", lambda dialog: dialog.accept())
    remove.click()
    expect(visitor.part("runs").locator("button")).to_have_count(len(before))
    assert httpx.get(f"{visitor.student.site}/{RUNS}").json()["runs"] == before


def test_a_finished_run_is_to_be_seen_everywhere(visitor: LabVisitor, finished: dict[str, Any], artefacts: Path) -> None:
    """Its curve, its report with an interval at every figure, its comparison; its model is on the wheel's page too."""
    assert finished["status"] == "succeeded", finished
    visitor.open()
    visitor.tab("train")
    run = visitor.part("run")
    expect(run.locator("h2")).to_have_text(finished["model_name"])
    lines = run.locator(".line").evaluate_all("(all) => all.map((one) => one.getAttribute('d').split('L').length)")
    assert sum(lines[:2]) == finished["steps"] == len(finished["curve"])
    visitor.student.page.screenshot(path=artefacts / "lab-train.png", full_page=True)
    run.get_by_role("button", name="Compare").click()
    expect(visitor.part("compared").locator(".wheel")).to_have_count(2)
    expect(visitor.field("compare", "after")).to_have_value(finished["model_name"])
    visitor.student.page.screenshot(path=artefacts / "lab-compare.png", full_page=True)
    visitor.tab("report")
    _check_report(visitor, finished)
    visitor.student.page.screenshot(path=artefacts / "lab-report.png")
    visitor.student.open()
    expect(visitor.student.page.locator(f'[data-part="model"] option[value="{finished["model_name"]}"]')).to_have_count(1)


def _check_report(visitor: LabVisitor, finished: dict[str, Any]) -> None:
    report = httpx.get(f"{visitor.student.site}/{RUNS}/{finished['run_id']}/report").json()
    shown = visitor.part("report")
    changes = report["impact"]["violations"]
    expect(shown.locator("circle")).to_have_count(2 * len(changes))
    expect(shown.locator("path.whisker")).to_have_count(2 * len(changes))
    figures = shown.locator("section").nth(1).locator("tbody td:not(:first-child)").all_inner_texts()
    assert len(figures) == 3 * len(changes)
    assert all(re.search(r"%.*\(.*% to .*%\)", figure) for figure in figures)
    expect(shown.locator("section").last.locator("details")).to_have_count(len(report["impact"]["examples"]))
    for link, beginning in (("JSON", '{"run_id"'), ("CSV", "measure,principle,judge")):
        with visitor.student.page.expect_download() as download:
            shown.get_by_role("link", name=link, exact=True).click()
        assert download.value.path().read_text().startswith(beginning)


@pytest.mark.parametrize(("scheme", "language"), [("light", "en"), ("dark", "ar")])
def test_axe_finds_nothing_serious(make_student: MakeStudent, finished: dict[str, Any], scheme: str, language: str) -> None:
    """In every tab, with what each can show."""
    assert finished
    visitor = LabVisitor(make_student(color_scheme=scheme, reduced_motion="reduce"))
    visitor.open(f"?lang={language}")
    for tab in TABS:
        visitor.tab(tab)
        if tab in {"evaluate", "revise", "compare"}:
            visitor.submit(tab)
        if tab == "train":
            expect(visitor.part("run").locator(".line").first).to_be_visible()
        if tab == "report":
            expect(visitor.part("report").locator("section").first).to_be_visible()
        assert serious_issues(visitor.student) == [], tab


@pytest.mark.parametrize("screen", [PHONE, NARROWEST], ids=["phone", "narrowest"])
def test_nothing_is_wider_than_a_small_screen(
    make_student: MakeStudent, finished: dict[str, Any], screen: dict[str, object]
) -> None:
    """The lab scrolls down only."""
    assert finished
    visitor = LabVisitor(make_student(**screen))
    visitor.open("?lang=de")
    for tab in TABS:
        visitor.tab(tab)
        if tab in {"evaluate", "revise", "compare"}:
            visitor.submit(tab)
        visitor.student.page.wait_for_timeout(300)
        assert (
            visitor.student.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth") <= 0
        ), tab


def test_a_lab_that_is_off_still_judges(make_student: MakeStudent) -> None:
    """A start is told why not; and a server that is gone while a run is watched is told, too."""
    student = make_student()
    student.let_requests_fail()
    off = {"detail": "off", "code": "lab_off"}
    visitor = LabVisitor(student)
    visitor.open()
    visitor.tab("train")
    student.answering["/constitution/runs"] = lambda route: route.fulfill(status=409, json=off)
    visitor.part("train").locator("button").click()
    expect(student.page.get_by_role("alert")).to_contain_text("does not train here")
    student.answering["/constitution/runs"] = lambda route: route.fulfill(
        status=503, json={"detail": "x", "code": "store_unavailable"}
    )
    expect(visitor.part("announcement")).not_to_be_empty()
    visitor.tab("evaluate")
    visitor.submit("evaluate")
    expect(visitor.part("evaluated").locator("tbody tr")).to_have_count(4)


def test_a_judge_that_fails_is_told(make_student: MakeStudent) -> None:
    """503 is no clean bill: the page says so and shows no verdict."""
    student = make_student()
    student.let_requests_fail()
    failure = {"detail": "no verdict", "code": "judge_unavailable"}
    student.answering["/evaluate"] = lambda route: route.fulfill(status=400, json=failure)
    visitor = LabVisitor(student)
    visitor.open()
    visitor.tab("evaluate")
    visitor.part("evaluate").locator("button").click()
    expect(student.page.get_by_role("alert")).to_contain_text("does not mean that the text is clean")
    expect(visitor.part("evaluated")).to_be_hidden()
