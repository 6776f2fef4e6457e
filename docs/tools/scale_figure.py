"""Draw docs/scale.svg: how the time of each step grows with the number of images.

Run it with `python -m docs.tools.scale_figure` after adding what `python -m benchmarks.scale`
printed to docs/findings/scale/results.jsonl.
"""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from analysis.pictures import plots

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOCS = Path(__file__).parents[1]
RESULTS = DOCS / "findings" / "scale" / "results.jsonl"


def results() -> list[dict[str, Any]]:
    """Read the committed lines, the smallest grid first."""
    lines = [json.loads(line) for line in RESULTS.read_text(encoding="utf-8").splitlines()]
    return sorted(lines, key=lambda line: int(line["cells"]))


def exponent(cells: list[int], seconds: list[float]) -> float:
    """Fit the exponent with which time grows, by least squares on logarithms.

    Example:
        >>> round(exponent([1, 10, 100], [2.0, 20.0, 200.0]), 6)
        1.0
    """
    return float(np.polyfit(np.log(cells), np.log(seconds), 1)[0])


def draw(figure: "Figure") -> None:
    """Draw processor time against images, with the exponents in the legend."""
    axes = figure.add_subplot()
    lines = results()
    for step in lines[0]["steps"]:
        done = [line for line in lines if step in line["steps"]]
        cells = [line["cells"] for line in done]
        seconds = [line["steps"][step]["cpu_seconds"] for line in done]
        label = f"{step}: {exponent(cells, seconds):.2f}" if len(done) > 1 else f"{step}: one size"
        axes.plot(cells, seconds, marker="o", label=label)
    axes.set(xscale="log", yscale="log", xlabel="images", ylabel="seconds of processor time")


def main() -> None:
    """Write the figure."""
    drawn = plots.figure(
        draw,
        title="Time grows at most as the number of images",
        caption="",
        width=7,
        height=4.5,
    )
    (DOCS / "scale.svg").write_bytes(drawn.svg)


if __name__ == "__main__":
    main()
