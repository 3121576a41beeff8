"""Who waits how long, and what it costs: `python -m benchmarks.capacity` simulates classes of students on Lambda.

Measured: a spin, and the start of an environment (`make bench`). Assumed, and printed with the table: how long Lambda takes to
bring an image near, to restore a snapshot, and to end an idle environment. Everything is drawn from one seed.
"""

import heapq
import json
import random
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.costs import MEMORY_GB, measured_ms, prices
from benchmarks.environments import REPOSITORY, interpreter

IMAGE_MS = 2_000  # assumed: an image's blocks that are not cached near the worker yet
RESTORE_MS = 600  # assumed: a snapshot of 1.7 GB
IDLE_S = 600  # assumed: Lambda keeps an idle environment about so long
QUOTA = 1_000  # concurrent executions of an account, unless raised
NEW_QUOTA = 10  # of many accounts when they are new
PING_S = 300
HELD_S = 1.5  # how long a ping keeps an environment busy where several are warmed
CACHED_S = 3 * 3600  # the least that a snapshot's cache is paid for
SPINS_A_STUDENT = 30
PAUSE_S = 6  # between a student's spins, on average
SEED = 2026
RESULT = Path(__file__).parent / "results" / "capacity.json"

Arrival = tuple[float, int]  # the second at which a spin comes, and whose it is


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
    waiting: int  # students who met a cold start
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


def arrivals(crowd: Crowd, rng: random.Random) -> list[Arrival]:
    """Spins, in order: each student comes at some time and pauses between spins."""
    return sorted((second, student) for student in range(crowd.students) for second in _student(crowd, rng))


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


def simulate(spins: Sequence[Arrival], plan: Plan, *, spin_ms: float, quota: int = QUOTA) -> Outcome:
    """Answer spins as they come, by the last-used environment first; each takes one at a time."""
    alive = Environments(plan.warm, [0.0] * min(plan.warm, quota), [])
    latencies: list[float] = []
    cold: list[int] = []
    most = len(alive)
    for now, student in spins:
        alive.advance(now)
        warm = bool(alive.idle)
        if not warm and len(alive.busy) >= quota:
            continue
        if warm:
            alive.idle.pop()
        else:
            cold.append(student)
        latency_ms = spin_ms + (0 if warm else plan.start_ms)
        latencies.append(latency_ms)
        heapq.heappush(alive.busy, now + latency_ms / 1000)
        most = max(most, len(alive))
    busy_s = sum(latencies) / 1000
    dollars = _dollars(plan, requests=len(latencies), cold=len(cold), busy_s=busy_s, lasts_s=spins[-1][0])
    throttled = len(spins) - len(latencies)
    return Outcome(len(spins), throttled, len(cold), len(set(cold)), most, latencies, busy_s, dollars)


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
    pinged_s = plan.warm * plan.start_ms / 1000 + pings * (HELD_S if plan.warm > 1 else 0)
    return dollars + pings / 1e6 * price["lambda_requests_million"] + pinged_s * MEMORY_GB * second


def table(spin_ms: float, init_ms: float) -> list[dict[str, str | float]]:
    """A row for every crowd and plan."""
    rows: list[dict[str, str | float]] = []
    for crowd in crowds():
        spins = arrivals(crowd, random.Random(SEED))  # noqa: S311 - a simulation, no secret
        for plan in plans(crowd, init_ms):
            outcome, in_new_account = (simulate(spins, plan, spin_ms=spin_ms, quota=quota) for quota in (QUOTA, NEW_QUOTA))
            rows.append(_row(crowd, plan, outcome) | {f"throttled at {NEW_QUOTA}": in_new_account.throttled})
    return rows


def _row(crowd: Crowd, plan: Plan, outcome: Outcome) -> dict[str, str | float]:
    return {
        "crowd": crowd.name,
        "plan": plan.name,
        "environments": outcome.environments,
        "cold starts": f"{outcome.cold_share:.2%}",
        "students who meet one": outcome.waiting,
        **{f"p{percent} ms": round(outcome.percentile_ms(percent)) for percent in (50, 95, 99)},
        "longest ms": round(max(outcome.latencies_ms)),
        "dollars": round(outcome.dollars, 4),
        f"throttled at {QUOTA:,}": outcome.throttled,
    }


def main() -> None:
    """Print the table, and write it to results/capacity.md and .json and as a picture beside them."""
    spin_ms, init_ms = measured_ms("spin_ms"), measured_ms("lambda_init_ms")
    rows = table(spin_ms, init_ms)
    lines = [
        f"A spin of {spin_ms:.0f} ms and a start of {init_ms:.0f} ms (measured), {IMAGE_MS} ms to bring the image near,",
        f"{RESTORE_MS} ms to restore a snapshot, {IDLE_S} s until an idle environment ends (assumed);",
        f"{SPINS_A_STUDENT} spins a student, {PAUSE_S} s between. Cold starts are shares of all spins.",
        f"Throttled: by an account's quota of {QUOTA:,} concurrent executions, and of {NEW_QUOTA}, which many new accounts have.",
        "",
        f"| {' | '.join(rows[0])} |",
        f"|{'---|' * len(rows[0])}",
        *(f"| {' | '.join(map(str, row.values()))} |" for row in rows),
    ]
    text = "\n".join(lines) + "\n"
    RESULT.with_suffix(".md").write_text(text, encoding="utf-8")
    RESULT.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(text)
    command = [str(interpreter("plot")), "-m", "benchmarks.capacity_plot", str(RESULT), str(RESULT.with_suffix(".png"))]
    subprocess.run(command, check=True, cwd=REPOSITORY)


if __name__ == "__main__":
    main()
