"""The SQLite queue beside a dictionary that does the same: whatever is done, in whatever order, they agree."""

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, MultipleResults, RuleBasedStateMachine, initialize, invariant, multiple, rule

from handler.jobs.job import Delivery, Message
from handler.stores.sqlite_queue import SqliteJobQueue
from tests.contract.queue_values import JOB_ID
from tests.contract.session_values import SetClock

LEASE_S = 20
MAX_RECEIVES = 2


@dataclass
class Waiting:
    """What the dictionary knows of a message."""

    due_at_s: float
    receives: int = 0
    receipt: str | None = None


class QueueMachine(RuleBasedStateMachine):
    """Both queues, their clock, and every delivery that was ever received, stale ones too."""

    deliveries: Bundle[Delivery] = Bundle("deliveries")

    @initialize()
    def begin(self) -> None:
        """Begin empty."""
        self.folder = TemporaryDirectory()
        self.clock = SetClock()
        path = Path(self.folder.name) / "jobs.db"
        self.queue = SqliteJobQueue(path, clock=self.clock, lease_s=LEASE_S, max_receives=MAX_RECEIVES)
        self.sent = 0
        self.waiting: dict[Message, Waiting] = {}
        self.dead: list[Message | None] = []

    def teardown(self) -> None:
        """Close the file and remove it."""
        self.queue.close()
        self.folder.cleanup()

    @rule(count=st.integers(0, 2))
    def send(self, count: int) -> None:
        """Send messages that were never sent before."""
        new = [Message(JOB_ID, self.sent + offset) for offset in range(count)]
        self.queue.send(new)
        self.sent += count
        self.waiting |= {message: Waiting(self.now) for message in new}

    @rule(target=deliveries, most=st.sampled_from([1, 2, 9]))
    def receive(self, most: int) -> MultipleResults[Delivery]:
        """Both give the same messages, those first that were sent first, and bury the same."""
        due = [message for message, state in self.waiting.items() if state.due_at_s <= self.now]
        for message in due:
            if self.waiting[message].receives == MAX_RECEIVES:
                del self.waiting[message]
                self.dead.append(message)
        expected = [message for message in due if message in self.waiting][:most]
        got = {self.message(delivery): delivery for delivery in self.queue.receive(most)}
        assert got.keys() == set(expected)
        for message, delivery in got.items():
            state = self.waiting[message]
            self.waiting[message] = Waiting(self.now + LEASE_S, state.receives + 1, delivery.receipt)
            assert delivery.receives == state.receives + 1
        return multiple(*got.values())

    @rule(delivery=deliveries)
    def finish(self, delivery: Delivery) -> None:
        """Finish, be the delivery stale or not."""
        self.queue.finish([delivery])
        if self.is_latest(delivery):
            del self.waiting[self.message(delivery)]

    @rule(delivery=deliveries)
    def extend(self, delivery: Delivery) -> None:
        """Extend, be the delivery stale or not."""
        self.queue.extend([delivery])
        if self.is_latest(delivery):
            self.waiting[self.message(delivery)].due_at_s = self.now + LEASE_S

    @rule(delivery=deliveries, delay_s=st.sampled_from([0, 7, 40]))
    def release(self, delivery: Delivery, delay_s: int) -> None:
        """Release, be the delivery stale or not."""
        self.queue.release([delivery], delay_s=delay_s)
        if self.is_latest(delivery):
            self.waiting[self.message(delivery)].due_at_s = self.now + delay_s

    @rule(delivery=deliveries)
    def put_back(self, delivery: Delivery) -> None:
        """Put back, be the delivery stale or not."""
        self.queue.put_back([delivery])
        if self.is_latest(delivery):
            message = self.message(delivery)
            self.waiting[message] = Waiting(self.now, self.waiting[message].receives - 1)

    @rule(seconds=st.sampled_from([0.25, 19.75, 20, 40]))
    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.forward(seconds)

    @invariant()
    def the_same_are_dead(self) -> None:
        """Both have buried the same messages in the same order."""
        assert self.queue.dead_letters() == self.dead

    @property
    def now(self) -> float:
        """The time it is."""
        return self.clock.now.timestamp()

    @staticmethod
    def message(delivery: Delivery) -> Message:
        """The message of a delivery, which is ours."""
        assert delivery.message is not None
        return delivery.message

    def is_latest(self, delivery: Delivery) -> bool:
        """Whether its message is neither finished nor dead, and was neither put back nor received again."""
        state = self.waiting.get(self.message(delivery))
        return state is not None and state.receipt == delivery.receipt


QueueMachine.TestCase.settings = settings(max_examples=50, stateful_step_count=40)
TestQueue = QueueMachine.TestCase
