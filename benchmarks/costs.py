"""What 1,000 spins cost on Lambda: `python -m benchmarks.costs`. Times are those of `make bench`, prices those of prices.json."""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

FOLDER = Path(__file__).parent
RESULTS = FOLDER / "results" / "gpt2-random.json"
PRICES = FOLDER / "prices.json"
ENGINE = "ours gpt2"
SPINS = 1000
MEMORY_GB = 1769 / 1024  # one virtual CPU, as the spins were measured
READ_UNITS_A_SPIN = 1  # the head, read consistently: up to 4 KB are one unit
WRITES_A_SPIN = 2  # the turn and the head; a write in a transaction is two units
UNITS_A_WRITE = 2
LOG_BYTES_A_SPIN = 1_600  # request line, metrics line, and Lambda's three


def prices() -> Mapping[str, float]:
    """Dollars, by what is paid for."""
    found: Mapping[str, float] = json.loads(PRICES.read_text(encoding="utf-8"))["prices"]
    return found


def measured_ms(quantity: str) -> float:
    """A time of the benchmark's last whole run. Raises StopIteration when it is not among its figures."""
    records = json.loads(RESULTS.read_text(encoding="utf-8"))["records"]
    return float(next(one["value"] for one in records if (one["quantity"], one["engine"]) == (quantity, ENGINE)))


def spin_costs(spin_ms: float, price: Mapping[str, float]) -> dict[str, float]:
    """Dollars for SPINS spins of warm environments, by part. `spin_ms` is billed time, in milliseconds."""
    million = SPINS / 1e6
    return {
        "Lambda, time": SPINS * spin_ms / 1000 * MEMORY_GB * price["lambda_x86_gb_s"],
        "Lambda, requests": million * price["lambda_requests_million"],
        "HTTP API": million * price["http_api_million"],
        "DynamoDB, reads": million * READ_UNITS_A_SPIN * price["dynamodb_reads_million"],
        "DynamoDB, writes": million * WRITES_A_SPIN * UNITS_A_WRITE * price["dynamodb_writes_million"],
        "logs": SPINS * LOG_BYTES_A_SPIN / 1e9 * price["logs_gb"],
    }


def table(costs: Mapping[str, float], spin_ms: float) -> Sequence[str]:
    """The lines of a Markdown table."""
    head = [f"| {SPINS:,} spins of {spin_ms:.0f} ms, 1,769 MB | dollars |", "|---|---|"]
    rows = [f"| {part} | {dollars:.5f} |" for part, dollars in costs.items()]
    return [*head, *rows, f"| **sum** | **{sum(costs.values()):.5f}** |"]


def main() -> None:
    """Print the table."""
    spin_ms = measured_ms("spin_ms")
    sys.stdout.write("\n".join(table(spin_costs(spin_ms, prices()), spin_ms)) + "\n")


if __name__ == "__main__":
    main()
