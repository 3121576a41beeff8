"""The page's files, and the headers that browsers obey."""

import re
from collections.abc import Iterator

import pytest
from starlette.testclient import TestClient

from handler.api.documentation import VIEWER
from tests.api_client import make_client


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One server for the tests of this module."""
    with make_client(tmp_path_factory.mktemp("data"), cors_origins=("http://localhost:5173",)) as client:
        yield client


def test_the_page_is_served(client: TestClient) -> None:
    """At the root, to be asked for again only when it has changed."""
    answer = client.get("/")
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-cache")
    assert answer.headers["content-type"].startswith("text/html")
    again = client.get("/", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")


@pytest.mark.parametrize(
    "path", ["/nope.js", "/../settings.py", "/%2e%2e/settings.py", "/..%2fsettings.py", "/%00", "/" + "a" * 5000]
)
def test_what_is_no_file_of_the_page_is_404(client: TestClient, path: str) -> None:
    """Nothing outside the page's folder, and no odd name, is a file."""
    answer = client.get(path)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_only_own_scripts_run(client: TestClient) -> None:
    """Page, answers and errors forbid everything foreign; the documentation page alone may load its viewer."""
    for path in ("/", "/health", "/nope"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
    assert VIEWER in client.get("/docs").headers["content-security-policy"]


def test_the_documentation_has_one_viewer(client: TestClient) -> None:
    """Everything foreign that it loads is of one exact version."""
    addresses = re.findall(r'(?:src|href)="(https?:[^"]+)"', client.get("/docs").text)
    assert len(addresses) == 2
    assert all(address.startswith(VIEWER) for address in addresses)
    assert re.search(r"@\d+\.\d+\.\d+/$", VIEWER)


def test_answers_are_not_kept_by_caches(client: TestClient) -> None:
    """A student's text stays on no shared machine's disk."""
    assert client.get("/api/models").headers["cache-control"] == "no-store"
    assert client.post("/api/score", json={"text": "a fox"}).headers["cache-control"] == "no-store"


def test_only_named_sites_may_call(client: TestClient) -> None:
    """A page of another origin is let in only when the settings name it, and never with credentials."""
    known = client.get("/health", headers={"Origin": "http://localhost:5173"}).headers
    assert known["access-control-allow-origin"] == "http://localhost:5173"
    assert "access-control-allow-credentials" not in known
    exposed = known["access-control-expose-headers"].split(", ")
    assert {"Content-Disposition", "X-Request-ID", "Retry-After"} <= set(exposed)
    assert "access-control-allow-origin" not in client.get("/health", headers={"Origin": "https://evil.example"}).headers


def test_a_base_path_is_understood_with_and_without(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whether the proxy in front strips it or not; links are made with it."""
    with make_client(tmp_path_factory.mktemp("data"), base_path="/class/7b") as client:
        assert client.get("/class/7b/health").status_code == client.get("/health").status_code == 200
        assert client.get("/class/7b/").text == client.get("/").text
        assert "'/class/7b/openapi.json'" in client.get("/class/7b/docs").text
        assert client.get("/class/7bc/health").status_code == 404
