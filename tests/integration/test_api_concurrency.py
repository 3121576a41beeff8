"""A class presses at once, over real sockets."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn

from handler.api.app import create_app
from tests.api_client import make_application

STUDENTS = 32
SPINS = 6
PROMPTS = ("Once upon a time", "The fox said", "In the morning", "I see the sea")


@contextmanager
def running_server(data_folder: Path) -> Iterator[str]:
    """The address of a server in this process."""
    app = create_app(make_application(data_folder))
    config = uvicorn.Config(app, port=0, log_config=None, access_log=False, lifespan="off")
    server, socket = uvicorn.Server(config), config.bind_socket()
    thread = threading.Thread(target=server.run, kwargs={"sockets": [socket]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{socket.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
        socket.close()


def play(address: str, student: int) -> list[Any]:
    """One student's session: what each spin drew, an undo in between, and the text in the end."""
    with httpx.Client(base_url=address, timeout=120) as client:
        answer = client.post("/api/sessions", json={"prompt": PROMPTS[student % len(PROMPTS)], "settings": {"temperature": 1.4}})
        path = f"/api/sessions/{answer.raise_for_status().json()['session_id']}"
        seen: list[Any] = []
        for turn in range(SPINS):
            request = {"seed": f"student {student}", "expected_version": turn}
            spun = client.post(f"{path}/spin", json=request).raise_for_status().json()
            seen.append((spun["appended_token"]["token_id"], spun["target_angle"], spun["slice_index"]))
            if spun["finished"]:  # end of text: as good an end as any, and the same one alone
                break
        seen.append(client.post(f"{path}/undo", json={}).raise_for_status().json()["current_text"])
        seen.append(client.get(path).raise_for_status().json()["version"])
        return seen


def test_each_of_many_sessions_equals_its_solo_replay(tmp_path: Path) -> None:
    """32 sessions at once: no error, and each draws what it draws alone on a fresh server."""
    with running_server(tmp_path / "class") as address, ThreadPoolExecutor(STUDENTS) as pool:
        together = list(pool.map(lambda student: play(address, student), range(STUDENTS)))
    with running_server(tmp_path / "alone") as address:
        alone = [play(address, student) for student in range(STUDENTS)]
    assert together == alone
    assert len({str(session) for session in together}) == STUDENTS


def test_concurrent_spins_of_one_session_all_count(tmp_path: Path) -> None:
    """Without a version to expect, every spin is one turn; with one key, all of them together are one."""
    with (
        running_server(tmp_path) as address,
        ThreadPoolExecutor(6) as pool,
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        path = f"/api/sessions/{client.post('/api/sessions', json={'prompt': PROMPTS[0]}).json()['session_id']}"

        def press(headers: dict[str, str]) -> httpx.Response:
            return client.post(f"{path}/spin", json={"seed": "press"}, headers=headers)

        keyed = list(pool.map(press, [{"Idempotency-Key": "double-click"}] * 6))
        assert {answer.status_code for answer in keyed} == {200}
        assert len({answer.content for answer in keyed}) == 1
        free = list(pool.map(press, [{}] * 4))
        assert {answer.status_code for answer in free} == {200}
        assert sorted(answer.json()["version"] for answer in free) == [2, 3, 4, 5]
        assert client.get(path).json()["generation_count"] == 5


def test_racing_writes_for_one_version_have_one_winner(tmp_path: Path) -> None:
    """Of several spins for the same version one is done, and the others learn that they came late."""
    with (
        running_server(tmp_path) as address,
        ThreadPoolExecutor(6) as pool,
        httpx.Client(base_url=address, timeout=120) as client,
    ):
        path = f"/api/sessions/{client.post('/api/sessions', json={'prompt': PROMPTS[0]}).json()['session_id']}"
        answers = list(pool.map(lambda _: client.post(f"{path}/spin", json={"seed": "press", "expected_version": 0}), range(6)))
        assert sorted(answer.status_code for answer in answers) == [200, 409, 409, 409, 409, 409]
