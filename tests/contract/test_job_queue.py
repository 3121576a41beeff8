"""What every queue of tasks promises, on SQLite and on SQS alike."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from handler.jobs.job import Delivery, Message
from tests.contract.queue_values import JOB_ID, MAX_RECEIVES, QUEUES, OpenQueue, indices, messages


@pytest.fixture(params=QUEUES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[OpenQueue]:
    """An empty queue of each kind."""
    with request.param(tmp_path) as made:
        yield made


def received(opened: OpenQueue, *, wait_s: float = 0) -> Delivery:
    """The one message that there is to receive."""
    [delivery] = opened.queue.receive(10, wait_s=wait_s)
    return delivery


@pytest.fixture
def delivery(opened: OpenQueue) -> Delivery:
    """The first delivery of the only message."""
    opened.queue.send(messages(1))
    return received(opened)


@pytest.mark.parametrize("message", [Message(JOB_ID, 0), Message(JOB_ID, 999_999), Message(JOB_ID, None)])
def test_what_is_sent_is_received(opened: OpenQueue, message: Message) -> None:
    """A message comes as it was sent, for the first time."""
    opened.queue.send([message])
    delivery = received(opened)
    assert (delivery.message, delivery.receives) == (message, 1)


def test_nothing_is_received_from_an_empty_queue(opened: OpenQueue) -> None:
    """Sending no messages is fine, and then none comes; nor is there anything to do for no deliveries."""
    opened.queue.send([])
    assert opened.queue.receive(10) == []
    assert opened.queue.receive(10, wait_s=0.3) == []
    for use in (opened.queue.extend, opened.queue.finish, opened.queue.release, opened.queue.put_back):
        use([])


def test_a_thousand_in_a_thousand_out(opened: OpenQueue) -> None:
    """Of a thousand messages each comes, and none that was finished comes twice."""
    opened.queue.send(messages(opened.many))
    assert sorted(opened.drain(64), key=str) == sorted(range(opened.many), key=str)


@pytest.mark.parametrize("most", [1, 10, 11, 25])
def test_no_more_is_received_than_asked_for(opened: OpenQueue, most: int) -> None:
    """As many as are asked for come, where there are as many, though SQS gives ten at a time."""
    opened.queue.send(messages(30))
    assert len(set(indices(opened.queue.receive(most)))) == most


def test_a_leased_message_is_not_received(opened: OpenQueue, delivery: Delivery) -> None:
    """Until its lease is over, a message comes to nobody else; then it comes again, and tells how often it came."""
    assert opened.queue.receive(10) == []
    opened.forward(opened.lease_s)
    again = received(opened, wait_s=5)
    assert again.message == delivery.message
    assert again.receives == 2


def test_a_finished_message_never_comes_again(opened: OpenQueue, delivery: Delivery) -> None:
    """What is finished is gone, from the dead letters too; to finish it once more, or extend or release it, does nothing."""
    again = (opened.queue.finish, opened.queue.extend, opened.queue.release, opened.queue.put_back)
    for use in (opened.queue.finish, *again):
        use([delivery])
    for _ in range(2):
        assert opened.queue.receive(10) == []
        opened.forward(opened.lease_s)
    assert opened.dead_letters() == []


def test_only_the_finished_are_gone(opened: OpenQueue) -> None:
    """Finishing some leaves the others."""
    opened.queue.send(messages(25))
    deliveries = opened.queue.receive(25)
    opened.queue.finish(deliveries[:12])
    opened.queue.release(deliveries[12:])
    assert sorted(indices(opened.queue.receive(25, wait_s=1)), key=str) == sorted(indices(deliveries[12:]), key=str)


def test_a_released_message_comes_at_once(opened: OpenQueue, delivery: Delivery) -> None:
    """Releasing ends the lease."""
    opened.queue.release([delivery])
    assert received(opened, wait_s=1).receives == 2


def test_what_is_put_back_comes_at_once(opened: OpenQueue, delivery: Delivery) -> None:
    """Putting back ends the lease, and counts no receive where the queue can take it back."""
    opened.queue.put_back([delivery])
    again = received(opened, wait_s=1)
    assert again.message == delivery.message
    assert again.receives == (1 if opened.takes_receives_back else 2)


def test_only_what_is_put_back_comes(opened: OpenQueue) -> None:
    """Putting back some leaves the others leased."""
    opened.queue.send(messages(25))
    deliveries = opened.queue.receive(25)
    opened.queue.put_back(deliveries[:12])
    assert sorted(indices(opened.queue.receive(25, wait_s=1)), key=str) == sorted(indices(deliveries[:12]), key=str)


def test_a_released_message_comes_after_its_delay(opened: OpenQueue, delivery: Delivery) -> None:
    """Releasing with a delay keeps the message away for as long, be it longer than the lease."""
    opened.queue.release([delivery], delay_s=2 * opened.lease_s)
    opened.forward(opened.lease_s)
    assert opened.queue.receive(10) == []
    opened.forward(opened.lease_s)
    assert received(opened, wait_s=5).receives == 2


def test_an_extended_lease_lasts_longer(opened: OpenQueue, delivery: Delivery) -> None:
    """Extending begins the lease anew, at once and not at its end."""
    opened.forward(0.6 * opened.lease_s)
    opened.queue.extend([delivery])
    opened.forward(0.6 * opened.lease_s)
    assert opened.queue.receive(10) == []
    opened.forward(0.4 * opened.lease_s)
    assert received(opened, wait_s=5).receives == 2


def test_extending_counts_no_receive(opened: OpenQueue, delivery: Delivery) -> None:
    """A message may be extended more often than it may be received."""
    for _ in range(2 * MAX_RECEIVES):
        opened.queue.extend([delivery])
    opened.forward(opened.lease_s)
    assert received(opened, wait_s=5).receives == 2


@pytest.mark.parametrize("released", [True, False])
def test_what_is_never_finished_goes_to_the_dead_letters(opened: OpenQueue, released: bool) -> None:
    """A message comes as often as allowed, each time counted, and then lies with the dead letters and comes no more."""
    poison, healthy = messages(2)
    opened.queue.send([poison])
    for number in range(1, MAX_RECEIVES + 1):
        delivery = received(opened, wait_s=5)
        assert delivery.receives == number
        assert opened.dead_letters() == []
        if released:
            opened.queue.release([delivery])
        else:
            opened.forward(opened.lease_s)
    opened.forward(0.05)
    opened.queue.send([healthy])
    assert received(opened, wait_s=5).message == healthy
    opened.forward(opened.lease_s)
    assert received(opened, wait_s=5).message == healthy
    assert opened.dead_letters() == [poison]


def test_a_message_finished_at_its_last_receive_is_done(opened: OpenQueue, delivery: Delivery) -> None:
    """The last delivery is as good as the first."""
    for _ in range(MAX_RECEIVES - 1):
        opened.queue.release([delivery])
        delivery = received(opened, wait_s=1)
    assert delivery.receives == MAX_RECEIVES
    opened.queue.finish([delivery])
    opened.forward(opened.lease_s)
    assert opened.queue.receive(10) == []
    assert opened.dead_letters() == []


@pytest.mark.parametrize("text", ["Once upon a time", "{}", '{"job_id": "x", "index": 1}', "[" * 5000])
def test_what_is_none_of_ours_is_received_as_none(opened: OpenQueue, text: str) -> None:
    """A text that is no message of ours comes without one, beside ours, and can be finished."""
    opened.send_text(text)
    opened.queue.send(messages(1))
    deliveries = opened.queue.receive(10)
    assert {delivery.message for delivery in deliveries} == {None, *messages(1)}
    opened.queue.finish(deliveries)
    opened.forward(opened.lease_s)
    assert opened.queue.receive(10) == []


def test_poison_lies_with_the_dead_letters(opened: OpenQueue) -> None:
    """A text that is no message of ours, and is not finished, goes where others go."""
    opened.send_text("Once upon a time")
    for _ in range(MAX_RECEIVES):
        opened.queue.release([received(opened, wait_s=1)])
    opened.forward(0.05)
    assert opened.queue.receive(10) == []
    assert opened.dead_letters() == [None]


def test_who_waits_receives_what_comes(opened: OpenQueue) -> None:
    """A receive that waits gives a message that is sent meanwhile."""
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(opened.queue.receive, 10, wait_s=20)
        opened.queue.send(messages(1))
        assert indices(waiting.result(timeout=60)) == [0]


def test_two_consumers_finish_each_message(opened: OpenQueue) -> None:
    """Two threads together finish every message, each exactly once where the queue is atomic, and none is left."""
    opened.queue.send(messages(opened.many))
    with ThreadPoolExecutor(2) as pool:
        finished = [index for indices in pool.map(lambda _: opened.drain(), range(2)) for index in indices]
    assert set(finished) == set(range(opened.many))
    assert len(finished) == opened.many or not opened.is_atomic
    opened.forward(opened.lease_s)
    assert opened.drain() == [] or not opened.is_atomic
    assert opened.dead_letters() == []
