"""A request whose body does not arrive whole is no request."""

import asyncio
import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from starlette.types import Message

from handler.api.app import create_app
from tests.api_client import client_of, make_application, start_session
from tests.integration.test_api_concurrency import running_server

KEY = "a-key-of-a-cut-off-request"
LENGTH = "Content-Length: 400\r\n\r\n"
CHUNKED = "Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real server."""
    with running_server(tmp_path_factory.mktemp("data")) as address:
        yield address


def hang_up_after(address: str, request: str) -> bytes:
    """Send this much of a request and no more; what the server answered until it closed."""
    host = urlsplit(address)
    with socket.create_connection((str(host.hostname), int(host.port or 0)), timeout=60) as connection:
        connection.sendall(request.encode())
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(4096), b""))


@pytest.mark.parametrize(
    "rest",
    [LENGTH, LENGTH + '{"seed": "a", "temp', CHUNKED, CHUNKED + "a\r\n", CHUNKED + "2\r\n{}\r\n", CHUNKED + '8\r\n{"seed":'],
)
@pytest.mark.parametrize("route", ["spin", "undo", "fork"])
def test_a_cut_off_upload_changes_nothing(address: str, route: str, rest: str) -> None:
    """Also where a request without a body would be one; its key is free for the request that comes whole."""
    with httpx.Client(base_url=address, timeout=60) as client:
        path = f"/api/sessions/{client.post('/api/sessions', json={'prompt': 'Once upon'}).json()['session_id']}"
        client.post(f"{path}/spin", json={"seed": "first"}).raise_for_status()
        headers = f"Host: here\r\nContent-Type: application/json\r\nIdempotency-Key: {KEY}\r\n"
        assert hang_up_after(address, f"POST {path}/{route} HTTP/1.1\r\n{headers}{rest}") == b""
        assert client.get(path).json()["version"] == 1
        whole = client.post(f"{path}/{route}", json={"expected_version": 1}, headers={"Idempotency-Key": KEY})
        assert whole.is_success, whole.text


@pytest.mark.parametrize("arrived", [[], [b""], [b'{"seed": "a"'], [b"{}"], [b"{", b"}"]])
def test_a_disconnect_ends_a_request(tmp_path: Path, arrived: list[bytes]) -> None:
    """As ASGI tells it: parts of a body, then the end of the connection; nothing is answered, nothing is done."""
    application = make_application(tmp_path)
    with client_of(application) as client:
        session_id = start_session(client)["session_id"]
        sent = asyncio.run(disconnected(create_app(application), f"/api/sessions/{session_id}/spin", arrived))
        assert sent == []
        assert client.get(f"/api/sessions/{session_id}").json()["version"] == 0
        whole = client.post(f"/api/sessions/{session_id}/spin", json={"top_k": 1}, headers={"Idempotency-Key": KEY})
        assert (whole.status_code, json.loads(whole.text)["version"]) == (200, 1)


async def disconnected(app: Any, path: str, arrived: list[bytes]) -> list[Message]:
    """What an app sends for a POST whose body ends in a disconnect."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in arrived]
    waiting = iter([*messages, {"type": "http.disconnect"}])
    sent: list[Message] = []

    async def receive() -> Message:
        return next(waiting)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/json"), (b"idempotency-key", KEY.encode())]
    scope = {"type": "http", "method": "POST", "path": path, "query_string": b"", "headers": headers}
    await app(scope, receive, send)
    return sent
