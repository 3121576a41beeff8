"""What a warm wheel costs: one decode step of the engine against one read of all its matrices by bare NumPy products.

`python -m benchmarks.step [--model FOLDER] [--context N]`, one thread. The floor multiplies one vector by every matrix
a step needs, and does nothing else.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from model_layer.catalog import ModelCatalog
from model_layer.language_model import LanguageModel
from model_layer.threads import use_threads

RESULTS = Path(__file__).parent / "results"


def median_ms(action: Callable[[], object], rounds: int) -> float:
    """Median time of `action`, after one round that is not counted."""
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        action()
        times.append((time.perf_counter() - started) * 1000)
    return statistics.median(times[1:])


def floor(model: LanguageModel) -> Callable[[], object]:
    """Products of one vector with matrices of the model's shapes: 4 a layer, and the head."""
    width, inner = model.config.width, model.config.inner_width
    shapes = [(width, 3 * width), (width, width), (width, inner), (inner, width)] * model.config.layers
    generator = np.random.default_rng(0)
    matrices = [generator.standard_normal(shape, dtype=np.float32) for shape in shapes]
    head = generator.standard_normal((model.vocab_size, width), dtype=np.float32)
    vectors = {rows: generator.standard_normal(rows, dtype=np.float32) for rows in {width, inner}}
    return lambda: [vectors[matrix.shape[0]] @ matrix for matrix in matrices] + [head @ vectors[width]]


def step(model: LanguageModel, context: int) -> Callable[[], object]:
    """One new token after `context` others; each call goes one token further."""
    token_ids = [1] * context
    model.next_logits(token_ids)

    def decode() -> object:
        token_ids.append(2)
        return model.next_logits(token_ids)

    return decode


def main() -> None:
    """Command line: print the figures and keep them as JSON."""
    parser = argparse.ArgumentParser(description="Cost of a warm wheel.")
    parser.add_argument("--model", default="storybook", help="a model's name or folder")
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=31)
    arguments = parser.parse_args()

    use_threads(1)
    catalog = ModelCatalog.discover([], wanted=arguments.model)
    model = catalog.get(catalog.default)
    figures = {
        "step_ms": median_ms(step(model, arguments.context), arguments.rounds),
        "floor_ms": median_ms(floor(model), arguments.rounds),
        "prefill_ms": median_ms(lambda: model.hidden_states([3] * arguments.context), 5),
    }
    ratio = figures["step_ms"] / figures["floor_ms"]
    print(
        f"step at {arguments.context} tokens {figures['step_ms']:.1f} ms, bare products {figures['floor_ms']:.1f}: {ratio:.2f} x"
    )
    print(f"prefill of {arguments.context} tokens {figures['prefill_ms']:.1f} ms")
    result = {"model": model.name, "context": arguments.context, **{name: round(ms, 2) for name, ms in figures.items()}}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"step-{model.name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
