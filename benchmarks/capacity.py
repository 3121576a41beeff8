"""Who waits how long, and what it costs: `python -m benchmarks.capacity` simulates classes of students on Lambda.

Measured: a spin, and the start of an environment (`make bench`). Assumed, and printed with the table: how long Lambda takes to
bring an image near, to restore a snapshot, and to end an idle environment. Everything is drawn from one seed.
"""

import heapq
import random
import statistics
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.costs import MEMORY_GB, measured_ms, prices

IMAGE_MS = 2_000  # assumed: an image's blocks that are not cached near the worker yet
RESTORE_MS = 600  # assumed: a snapshot of 1.7 GB
IDLE_S = 600  # assumed: Lambda keeps an idle environment about so long
QUOTA = 1_000  # concurrent executions of an account, unless raised
PING_S = 300
CACHED_S = 3 * 3600  # the least that a snapshot's cache is paid for
SPINS_A_STUDENT = 30
PAUSE_S = 6  # between a student's spins, on average
SEED = 2026


@dataclass(frozen=True, slots=True)
class Crowd:
    """Students who come within some seconds."""

    name: str
    students: int
    within_s: float


@dataclass(frozen=True, slots=True)
class Plan:
    """What is done about cold starts: environments that are warm before, and what a start costs."""

    name: str
    warm: int
    start_ms: float
    provisioned: bool = False
    restored: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a crowd under a plan."""

    requests: int
    throttled: int
    cold: int
    environments: int
    latencies_ms: Sequence[float]
    busy_s: float
    dollars: float

    @property
    def cold_share(self) -> float:
        """Cold starts among the requests that were answered."""
        return self.cold / max(1, self.requests - self.throttled)

    def percentile_ms(self, percent: int) -> float:
        """The time within which `percent` of 100 answers came."""
        return statistics.quantiles(self.latencies_ms, n=100, method="inclusive")[percent - 1]


def crowds() -> Sequence[Crowd]:
    """The class, the school, and the busiest hour of a day with 100,000 users, in which a tenth of them come."""
    return (Crowd("class of 30 in 10 s", 30, 10), Crowd("school of 1,000 in 60 s", 1_000, 60), Crowd("busy hour", 10_000, 3_600))


def plans(crowd: Crowd, init_ms: float) -> Sequence[Plan]:
    """What can be done; bursts and provisioned environments are as many as the students that come at once, 100 at most."""
    cold_ms = init_ms + IMAGE_MS
    ready = min(crowd.students, 100)
    return (
        Plan("no warm-up", 0, cold_ms),
        Plan("ping", 1, cold_ms),
        Plan("burst warmer", ready, cold_ms),
        Plan("SnapStart", 0, RESTORE_MS, restored=True),
        Plan("provisioned", ready, cold_ms, provisioned=True),
    )


def arrivals(crowd: Crowd, rng: random.Random) -> list[float]:
    """Seconds at which spins come, in order: each student comes at some time and pauses between spins."""
    return sorted(second for _ in range(crowd.students) for second in _student(crowd, rng))


def _student(crowd: Crowd, rng: random.Random) -> Iterator[float]:
    second = rng.uniform(0, crowd.within_s)
    for _ in range(SPINS_A_STUDENT):
        yield second
        second += rng.expovariate(1 / PAUSE_S)


@dataclass(slots=True)
class Environments:
    """Those that are alive: the idle ones by when they became so, the busy ones by when they end."""

    kept_warm: int
    idle: list[float]
    busy: list[float]

    def advance(self, now: float) -> None:
        """Free those that have ended, and let go those that were idle for too long, but for those that are kept warm."""
        while self.busy and self.busy[0] <= now:
            self.idle.append(heapq.heappop(self.busy))
        while self.idle and self.idle[0] < now - IDLE_S and len(self) > self.kept_warm:
            self.idle.pop(0)

    def __len__(self) -> int:
        """How many are alive."""
        return len(self.idle) + len(self.busy)


def simulate(times: Sequence[float], plan: Plan, *, spin_ms: float, quota: int = QUOTA) -> Outcome:
    """Answer requests that come at these seconds, the last-used environment first; each takes one at a time."""
    alive = Environments(plan.warm, [0.0] * plan.warm, [])
    latencies: list[float] = []
    cold, most = 0, plan.warm
    for now in times:
        alive.advance(now)
        warm = bool(alive.idle)
        if not warm and len(alive.busy) >= quota:
            continue
        if warm:
            alive.idle.pop()
        cold += not warm
        latency_ms = spin_ms + (0 if warm else plan.start_ms)
        latencies.append(latency_ms)
        heapq.heappush(alive.busy, now + latency_ms / 1000)
        most = max(most, len(alive))
    busy_s = sum(latencies) / 1000
    dollars = _dollars(plan, requests=len(latencies), cold=cold, busy_s=busy_s, lasts_s=times[-1])
    return Outcome(len(times), len(times) - len(latencies), cold, most, latencies, busy_s, dollars)


def _dollars(plan: Plan, *, requests: int, cold: int, busy_s: float, lasts_s: float) -> float:
    """Lambda and the HTTP API, with what a plan costs beside the requests; starts are billed as time."""
    price = prices()
    second = price["provisioned_x86_running_gb_s"] if plan.provisioned else price["lambda_x86_gb_s"]
    dollars = requests / 1e6 * (price["lambda_requests_million"] + price["http_api_million"]) + busy_s * MEMORY_GB * second
    if plan.provisioned:
        return dollars + plan.warm * lasts_s * MEMORY_GB * price["provisioned_x86_gb_s"]
    if plan.restored:
        return dollars + MEMORY_GB * (
            max(lasts_s, CACHED_S) * price["snapstart_cache_gb_s"] + cold * price["snapstart_restore_gb"]
        )
    pings = plan.warm * (1 + int(lasts_s // PING_S))
    return dollars + pings / 1e6 * price["lambda_requests_million"]


def main() -> None:
    """Print the table of every crowd and plan, and write it to results/capacity.md."""
    spin_ms, init_ms = measured_ms("spin_ms"), measured_ms("lambda_init_ms")
    lines = [
        f"A spin of {spin_ms:.0f} ms and a start of {init_ms:.0f} ms (measured), {IMAGE_MS} ms to bring the image near,",
        f"{RESTORE_MS} ms to restore a snapshot, {IDLE_S} s until an idle environment ends (assumed);",
        f"{SPINS_A_STUDENT} spins a student, {PAUSE_S} s between. Cold starts are shares of all spins.",
        "",
        "| crowd | plan | environments | cold starts | p50 ms | p95 ms | p99 ms | throttled | dollars |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for crowd in crowds():
        times = arrivals(crowd, random.Random(SEED))  # noqa: S311 - a simulation, no secret
        lines += [_row(crowd, plan, simulate(times, plan, spin_ms=spin_ms)) for plan in plans(crowd, init_ms)]
    text = "\n".join(lines) + "\n"
    (Path(__file__).parent / "results" / "capacity.md").write_text(text, encoding="utf-8")
    sys.stdout.write(text)


def _row(crowd: Crowd, plan: Plan, outcome: Outcome) -> str:
    times = " | ".join(f"{outcome.percentile_ms(percent):.0f}" for percent in (50, 95, 99))
    shares = f"{outcome.environments} | {outcome.cold_share:.2%} | {times} | {outcome.throttled}"
    return f"| {crowd.name} | {plan.name} | {shares} | {outcome.dollars:.4f} |"


if __name__ == "__main__":
    main()
