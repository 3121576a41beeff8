"""Batches of the queue as Lambda hands them over: what cannot be done comes again, and nothing else does."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from handler.entrypoint import lambda_handler
from handler.jobs.job import Message
from handler.jobs.worker import ATTEMPTS_ALONE
from handler.wheel.errors import StoreUnavailableError
from handler.wiring import Application
from tests.queue_events import Context, batch, failures
from tests.queue_function import break_passes_of, kept, messages, started_function, submit

SECRET = "zebra"  # a word of no other text


@pytest.fixture
def application(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Application]:
    """The application behind the entry point."""
    with started_function(tmp_path, monkeypatch) as started:
        yield started


@pytest.mark.parametrize("poison", ["", "{", '{"job_id": 7, "index": 1}', "unknown", "breaking"])
@pytest.mark.parametrize("position", [0, 4, 9])
def test_one_poison_in_ten_fails_alone(
    application: Application, monkeypatch: pytest.MonkeyPatch, poison: str, position: int
) -> None:
    """Nine of ten succeed, whether the tenth is no message, names no task, or breaks the forward pass."""
    prompts = [f"Once upon a time {number}" for number in range(10)]
    prompts[position] = SECRET
    job = submit(application, prompts)
    bodies: list[Message | str] = [*messages(job, range(10))]
    if poison == "breaking":
        break_passes_of(application, monkeypatch, SECRET)
    else:
        bodies[position] = Message(job.id, 999) if poison == "unknown" else poison
    answer = lambda_handler(batch(bodies), Context())
    assert failures(answer) == [position]
    assert kept(application, job) == [number for number in range(10) if number != position]


def test_whatever_comes_again_is_finished_at_once(application: Application) -> None:
    """A batch, the same batch again, and a batch with each message twice keep one result of each task."""
    job = submit(application, ["Once", "upon", "a"])
    for event in (batch(messages(job, [0, 1])), batch(messages(job, [1, 0])), batch(messages(job, [2, 0, 2, 1, 2]))):
        assert failures(lambda_handler(event, Context())) == []
    assert kept(application, job) == [0, 1, 2]
    assert application.desk.store.load(job.id).done == 3


def test_messages_of_jobs_that_are_gone_need_nothing(application: Application) -> None:
    """A cancelled, a forgotten and an unknown job: finished, without a result."""
    cancelled, forgotten = submit(application, ["Once"]), submit(application, ["Once"])
    application.desk.store.cancel(cancelled.id)
    application.desk.store.forget(forgotten.id)
    unknown = Message("00000000-0000-4000-8000-000000000000", 3)
    event = batch([*messages(cancelled, [0]), *messages(forgotten, [0]), unknown])
    assert failures(lambda_handler(event, Context())) == []
    assert kept(application, cancelled) == []


def test_what_time_does_not_suffice_for_comes_again(application: Application) -> None:
    """Near the end of its time the function keeps what is done and returns the rest, which is done the next time."""
    job = submit(application, [f"Once {number}" for number in range(10)], new=1)
    long = submit(application, [f"Once {number}" for number in range(10)], new=40)
    event = batch([*messages(job, range(10)), *messages(long, range(10))])
    assert failures(lambda_handler(event, Context(looks=5))) == [*range(10, 20)]
    assert (len(kept(application, job)), len(kept(application, long))) == (10, 0)
    assert failures(lambda_handler(event, Context(looks=0))) == [*range(10, 20)]
    assert failures(lambda_handler(event, Context())) == []
    assert (len(kept(application, job)), len(kept(application, long))) == (10, 10)


def test_a_store_that_does_not_answer_returns_the_batch(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything comes again, and the runtime sees no exception."""
    job = submit(application, ["Once", "upon"])

    def refuse(*_: object) -> None:
        raise StoreUnavailableError

    with monkeypatch.context() as patched:
        patched.setattr(application.desk.store, "keep", refuse)
        assert failures(lambda_handler(batch(messages(job, [0, 1])), Context())) == [0, 1]
    assert failures(lambda_handler(batch(messages(job, [0, 1])), Context())) == []


def test_a_request_that_fails_twice_is_given_up(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its result says so and the job ends; its message is never finished, so that it becomes a dead letter."""
    job = submit(application, ["Once", SECRET])
    break_passes_of(application, monkeypatch, SECRET)
    assert failures(lambda_handler(batch(messages(job, [0, 1])), Context())) == [1]
    assert application.desk.store.load(job.id).state == "running"
    for receives in (2, 3, 4, 12):
        assert failures(lambda_handler(batch(messages(job, [1]), receives=receives), Context())) == [0]
        after = application.desk.store.load(job.id)
        assert (after.state, after.done, after.failed) == ("completed", 1, 1)
    (_, result) = application.desk.store.results(job.id, limit=2)
    assert '"code":"internal_error"' in result.body
    assert SECRET not in result.body


def test_a_request_that_kills_its_workers_takes_no_other_down(application: Application, monkeypatch: pytest.MonkeyPatch) -> None:
    """After some deaths the batch runs one by one: the killer is given up once it was alone, and the neighbours are answered."""
    job = submit(application, [f"Once {number}" if number != 4 else SECRET for number in range(10)])
    break_passes_of(application, monkeypatch, SECRET, error=SystemExit)
    for receives in range(1, 4 + ATTEMPTS_ALONE):
        with pytest.raises(SystemExit):
            lambda_handler(batch(messages(job, range(10)), receives=receives), Context())
    assert failures(lambda_handler(batch(messages(job, range(10)), receives=12), Context())) == [4]
    after = application.desk.store.load(job.id)
    assert (after.state, after.done, after.failed) == ("completed", 9, 1)
    given_up = application.desk.store.results(job.id, after=3, limit=1)[0]
    assert '"code":"given_up"' in given_up.body


def test_nothing_of_a_batch_is_logged(
    application: Application, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Neither prompts nor bodies nor results show in the log, also when they fail."""
    job = submit(application, [SECRET, "Once"])
    break_passes_of(application, monkeypatch, SECRET)
    lambda_handler(batch([*messages(job, [0, 1]), f'{{"{SECRET}": 1}}']), Context())
    out, err = capfd.readouterr()
    assert '"message":"worked"' in out
    assert '"message":"task failed"' in out
    assert SECRET not in out + err
