"""`python -m benchmarks.plot RESULTS.json PICTURE.png`, by the interpreter of `.peers/plot`: the run's main figures."""

import json
import sys
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter

from benchmarks.figures import Figures
from benchmarks.numbers import number

PANELS = (
    ("Decode step after 128 tokens, ms", "step_ms", 128),
    ("Prefill of 128 tokens, ms", "prefill_ms", 128),
    ("One step of 32 sequences, ms", "batch_step_ms", 32),
    ("Process start to first distribution, ms", "first_ms", 16),
    ("First wheel over HTTP, ms", "http_first_wheel_ms", 0),
    ("Init under the Lambda runtime client, ms", "lambda_init_ms", 0),
)
OURS_COLOUR, OTHER_COLOUR = "#c0392b", "#7f8c8d"


def draw(content: dict[str, Any], picture: Path) -> None:
    """One panel a quantity that was measured."""
    figures = Figures.from_json(content)
    panels = [panel for panel in PANELS if any(figures.engines(panel[1]))]
    if not panels:
        raise SystemExit("nothing was measured that is drawn")
    sheet, axes = plt.subplots(-(-len(panels) // 2), 2, figsize=(13, 3.6 * -(-len(panels) // 2)), squeeze=False)
    for place in axes.flat[len(panels) :]:
        place.set_visible(False)
    for place, (title, quantity, size) in zip(axes.flat, panels, strict=False):
        dots(place, title, {name: figures.value(quantity, name, size=size) for name in figures.engines(quantity)})
    machine = content["machine"]
    sheet.suptitle(f"{content['model']}, one thread, medians of interleaved runs on {machine['processor']}", fontsize=10)
    sheet.tight_layout()
    sheet.savefig(picture, dpi=110)


def dots(place: Axes, title: str, values: dict[str, float | None]) -> None:
    """The engines from fast to slow on a logarithmic scale, on which bars would have no honest length."""
    found = sorted(((value, name) for name, value in values.items() if value), reverse=True)
    for row, (value, name) in enumerate(found):
        place.plot(value, row, "o", color=OURS_COLOUR if name.startswith("ours") else OTHER_COLOUR)
        place.annotate(number(value), (value, row), textcoords="offset points", xytext=(8, -3), fontsize=8)
    place.set_yticks(range(len(found)), [name for _, name in found])
    place.set_xscale("log")
    place.xaxis.set_minor_formatter(NullFormatter())
    place.grid(axis="y", color="#eeeeee")
    place.margins(x=0.15)
    place.set_title(title, fontsize=10)
    place.tick_params(labelsize=8)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
