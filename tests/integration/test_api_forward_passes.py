"""What the model computes for each request: a spin is one decode step, and what was computed is not computed again."""

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from model_layer.language_model import LanguageModel
from tests.api_client import PROMPT, client_of, make_application, spin, start_session

NOTHING = (0, 0)
ONE_STEP = (1, 1)


class Server:
    """A server of its own, and a meter of what its model computes."""

    def __init__(self, data_folder: Path, *, max_turns: int = 512) -> None:
        application = make_application(data_folder, max_turns=max_turns)
        self.client: TestClient = client_of(application)
        self.model: LanguageModel = application.model()
        self._read = NOTHING

    def spent(self) -> tuple[int, int]:
        """Forward passes and tokens computed since this was last asked."""
        before, self._read = self._read, (self.model.forward_passes, self.model.tokens_computed)
        return self._read[0] - before[0], self._read[1] - before[1]

    def start(self) -> str:
        """The id of a new session."""
        return str(start_session(self.client)["session_id"])

    def append(self, session_id: str, **body: object) -> None:
        """Choose a token."""
        assert self.client.post(f"/api/sessions/{session_id}/append-token", json=body).status_code == 200

    def undo(self, session_id: str) -> None:
        """Take the last token away."""
        assert self.client.post(f"/api/sessions/{session_id}/undo").status_code == 200

    def get(self, path: str) -> None:
        """Read."""
        assert self.client.get(path).status_code == 200, path


@pytest.fixture
def server(tmp_path: Path) -> Server:
    """A fresh one."""
    return Server(tmp_path)


def test_a_session_begins_with_one_pass_over_its_prompt(server: Server) -> None:
    """The first wheel is in the answer that begins the session; the same prompt again costs nothing."""
    server.start()
    assert server.spent() == (1, len(server.model.encode(PROMPT)))
    server.start()
    assert server.spent() == NOTHING


def test_spinning_and_choosing_are_one_step_each(server: Server) -> None:
    """One new token in one pass gives the next wheel, which is in the answer; changed settings need no pass of their own."""
    session_id = server.start()
    server.spent()
    for turn in range(4):
        spin(server.client, session_id, temperature=1 + turn / 2, top_k=turn * 50)
        assert server.spent() == ONE_STEP
        server.append(session_id, token_id=300 + turn)
        assert server.spent() == ONE_STEP
    server.append(session_id, category="other", seed="tail")
    assert server.spent() == ONE_STEP


def test_looking_costs_nothing(server: Server) -> None:
    """The wheel again, other settings of it, the history, the exports and what there is to serve: all without a pass."""
    session_id = server.start()
    spin(server.client, session_id)
    server.spent()
    looks = ["/next-token-probs", "/next-token-probs?temperature=2&top_p=0.9", "", "/turns", "/export", "/export?format=csv"]
    for path in [*(f"/api/sessions/{session_id}{look}" for look in looks), "/api/models", "/health", "/ready"]:
        server.get(path)
        assert server.spent() == NOTHING, path


def test_going_back_costs_nothing(server: Server) -> None:
    """An undo and the wheel after it; the same spin again; only a token that was never there is a step."""
    session_id = server.start()
    first = spin(server.client, session_id, seed="once")["appended_token"]["token_id"]
    spin(server.client, session_id, seed="more")
    server.spent()
    for _ in range(2):
        server.undo(session_id)
        server.get(f"/api/sessions/{session_id}/next-token-probs")
    spin(server.client, session_id, seed="once")
    server.undo(session_id)
    assert server.spent() == NOTHING
    server.append(session_id, token_id=300 if first != 300 else 301)
    assert server.spent() == ONE_STEP


def test_a_fork_costs_nothing_until_it_goes_its_own_way(server: Server) -> None:
    """Neither the fork nor its wheel is a pass, wherever it forks; then each session is one step a token."""
    session_id = server.start()
    for number in range(3):
        spin(server.client, session_id, seed=f"spin {number}")
    server.spent()
    for at_turn in (3, 1):
        forked = server.client.post(f"/api/sessions/{session_id}/fork", json={"at_turn": at_turn}).json()["session_id"]
        server.get(f"/api/sessions/{forked}/next-token-probs")
        assert server.spent() == NOTHING
        server.append(forked, token_id=310 + at_turn)
        assert server.spent() == ONE_STEP
    server.append(session_id, token_id=320)
    assert server.spent() == ONE_STEP


def test_an_answer_that_is_kept_is_not_computed_again(server: Server) -> None:
    """The same Idempotency-Key: the stored answer, without a pass."""
    path = f"/api/sessions/{server.start()}/spin"
    server.spent()
    for expected in (ONE_STEP, NOTHING):
        answer = server.client.post(path, json={"seed": "law"}, headers={"Idempotency-Key": "a-key-of-the-page"})
        assert answer.status_code == 200
        assert server.spent() == expected


def test_a_spin_that_ends_the_session_computes_no_further_wheel(tmp_path: Path) -> None:
    """After the last turn there is no next wheel."""
    server = Server(tmp_path, max_turns=1)
    session_id = server.start()
    server.spent()
    assert spin(server.client, session_id)["finished"]
    assert server.spent() == NOTHING


def test_a_batch_is_one_pass(server: Server) -> None:
    """All prompts of a batch in one pass, equal ones once, and none the second time."""
    prompts = ["The cat", "A dog", "The cat", "Once upon a time"]
    tokens = sum(len(server.model.encode(text)) for text in set(prompts))
    for expected in ((1, tokens), NOTHING):
        assert server.client.post("/api/wheel", json={"prompts": prompts}).status_code == 200
        assert server.spent() == expected
