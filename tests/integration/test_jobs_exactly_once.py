"""Whatever the queue delivers, how often, in what order, and whoever dies of it: every result once, equal to the single call."""

import random
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from handler.api.contracts.precision import PrecisionBody
from handler.jobs.at_once import answer_at_once
from handler.jobs.job import Job, Message, TaskResult
from handler.jobs.reading import seed_of
from handler.jobs.request import JobRequest
from handler.wheel.ledger import Write
from handler.wiring import Application
from tests.api_client import make_application, tiny_model_folder

PROMPTS = ("Once upon a time", "The fox said", "I see the sea", "In the morning the king's daughter opened the window")


def mixed_requests(count: int, chance: random.Random) -> list[JobRequest]:
    """Wheels and completions, some seeded, of many lengths and settings."""
    requests = []
    for _ in range(count):
        body: dict[str, Any] = {"prompt": chance.choice(PROMPTS), "settings": {"temperature": chance.choice([0.5, 1.0, 1.7])}}
        if chance.random() < 0.7:
            body |= {"max_new_tokens": chance.randint(1, 30), "n": chance.randint(1, 3)}
            body |= {"seed": "class 7b"} if chance.random() < 0.3 else {}
        requests.append(JobRequest.model_validate(body))
    return requests


def single_results(application: Application, job: Job, requests: list[JobRequest]) -> dict[int, str]:
    """What each request gives when it is asked alone."""
    model = application.model()
    texts = {}
    for index, request in enumerate(requests):
        seeded = request.model_copy(update={"seed": request.seed or seed_of(job.seed, index)} if request.max_new_tokens else {})
        (result,) = answer_at_once(
            model,
            [seeded],
            seed="unused",
            precision=PrecisionBody.of(application.catalog.manifest(model.name)),
            limits=application.settings,
            going_on=lambda: True,
        )
        texts[index] = result.model_copy(update={"index": index}).text()
    return texts


def all_results(application: Application, job: Job) -> list[TaskResult]:
    """Every stored result of the job."""
    return application.desk.store.results(job.id, limit=10_000)


def test_killed_consumers_and_many_deliveries_change_nothing(tmp_path: Path) -> None:
    """Each message 1-10 times, shuffled, two consumers killed at random moments: each result once, equal to the single call's."""
    chance = random.Random(4)
    application = make_application(tmp_path)
    requests = mixed_requests(60, chance)
    job = application.desk.submit(requests, model_name=None, name=None, write=Write())
    copies = [Message(job.id, index) for index in range(len(requests)) for _ in range(chance.randint(0, 9))]
    application.queue.send(chance.sample(copies, len(copies)))
    assert _work_off(tmp_path, chance) >= 4, "a consumer was killed while it worked"
    after = application.desk.store.load(job.id)
    assert (after.state, after.done, after.failed, after.total) == ("completed", 60, 0, 60)
    results = all_results(application, job)
    assert [result.index for result in results] == list(range(60))
    assert {result.index: result.body for result in results} == single_results(application, job, requests)
    assert application.queue.receive(1) == []


def _work_off(data_folder: Path, chance: random.Random) -> int:
    """Two consumers, one of which is killed now and then and replaced; then both to the end. How many were killed."""
    consumers = [_consumer(data_folder) for _ in range(2)]
    kills = 0
    for _ in range(6):
        time.sleep(chance.uniform(0.9, 1.8))
        victim = consumers.pop(0)
        kills += victim.poll() is None
        victim.kill()
        victim.wait()
        consumers.append(_consumer(data_folder))
    assert [consumer.wait(timeout=120) for consumer in consumers] == [0, 0]
    return kills


def _consumer(data_folder: Path) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.integration.job_consumer", str(data_folder), str(tiny_model_folder())]
    return subprocess.Popen(command, cwd=Path(__file__).parents[2])
