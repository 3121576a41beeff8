"""`python -m benchmarks.timed_server`: handler.serve, and in TIMES_FILE when each call of its model began and ended.

Times are those of CLOCK_MONOTONIC, which all processes of a machine share, so that the caller can lay them beside its own.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from handler import serve
from model_layer.language_model import LanguageModel

SPANS: list[tuple[float, float]] = []
next_logits = LanguageModel.next_logits


def timed_next_logits(model: LanguageModel, token_ids: Sequence[int]) -> NDArray[np.float32]:
    """What `next_logits` answers, its time noted."""
    began = time.monotonic()
    try:
        return next_logits(model, token_ids)
    finally:
        SPANS.append((began, time.monotonic()))


def main() -> None:
    """Serve with the settings of the environment; `TIMES_FILE` names the file."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())  # uvicorn stops, and then sends itself the signal again
    LanguageModel.next_logits = timed_next_logits  # type: ignore[method-assign,assignment] # it is timed from outside
    try:
        serve.main()
    finally:
        Path(os.environ["TIMES_FILE"]).write_text(json.dumps(SPANS), encoding="utf-8")


if __name__ == "__main__":
    main()
