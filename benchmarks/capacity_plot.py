"""`python -m benchmarks.capacity_plot CAPACITY.json PICTURE.png`, by the interpreter of `.peers/plot`."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

PANELS = (("students who meet one", "Students who meet a cold start"), ("longest ms", "Longest wait, ms"), ("dollars", "Dollars"))
COLOURS = ("#7f8c8d", "#2980b9", "#c0392b", "#27ae60", "#8e44ad")

Row = dict[str, str | float]


def draw(rows: Sequence[Row], picture: Path) -> None:
    """A line of panels for each crowd, a bar for each plan."""
    crowds = list(dict.fromkeys(str(row["crowd"]) for row in rows))
    sheet, axes = plt.subplots(len(crowds), len(PANELS), figsize=(13, 2.1 * len(crowds)), squeeze=False)
    for line, crowd in zip(axes, crowds, strict=True):
        for place, (quantity, title) in zip(line, PANELS, strict=True):
            bars(place, [row for row in rows if row["crowd"] == crowd], quantity)
            place.set_title(f"{title}, {crowd}", fontsize=9)
    sheet.tight_layout()
    sheet.savefig(picture, dpi=110)


def bars(place: Axes, rows: Sequence[Row], quantity: str) -> None:
    """The plans of one crowd, the first above."""
    values = [float(row[quantity]) for row in rows]
    drawn = place.barh([str(row["plan"]) for row in rows], values, color=COLOURS)
    place.bar_label(drawn, [f"{value:g}" for value in values], fontsize=8, padding=3)
    place.invert_yaxis()
    place.set_xlim(0, max(*values, 1e-9) * 1.2)
    place.tick_params(labelsize=8)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), Path(sys.argv[2]))
