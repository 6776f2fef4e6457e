"""Draw what a change does, and the same cells of several runs side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from PIL import Image

from analysis.pictures import plots
from analysis.pictures.contact_sheet import GAP, HEAD, PAPER, THUMB, Row, draw_sheet
from analysis.pictures.plots import DrawnFigure
from pipeline.prompts.prompt_sets import Prompt
from pipeline.runs.run import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

ENDS = ("", "_low", "_high")


@dataclass(frozen=True)
class _Panel:
    """One panel of the figure.

    Attributes:
        table: Table whose rows are shown, one line each.
        value: Column of the value; its interval is in the columns `_low` and `_high`.
        label: Column that names the line.
        reference: Value without any change; for images, the value of another seed.
        axis: Label of the axis.
    """

    table: str
    value: str
    label: str
    reference: float
    axis: str


PANELS = (
    _Panel("wins", "win_rate", "metric", 0.5, "share of cells that get better"),
    _Panel("pictures", "ratio", "measure", 1.0, "distance by the change / by another seed"),
    _Panel("detail", "change", "band", 0.0, "change of log amplitude, cycles per side"),
    _Panel("shares", "change", "metric", 0.0, "change of the seed's share of the variance"),
    _Panel("ranks", "cross", "metric", 0.0, "rank correlation of the seeds"),
)


def changes_figure(rows: Mapping[str, Sequence[Mapping[str, Any]]]) -> DrawnFigure:
    """Draw one panel per table with one line per row.

    Args:
        rows: Name of the table -> its rows.
    """

    def draw(axes: "Axes", panel: _Panel) -> None:
        _draw_panel(axes, _known_rows(rows, panel), panel)

    shown = [panel for panel in PANELS if _known_rows(rows, panel)]
    longest = max(len(_known_rows(rows, panel)) for panel in shown)
    return plots.panel_each(
        shown,
        draw,
        title="What the change does to images of the same prompts and seeds",
        caption="Each line is a comparison with its 95 % interval; the grey line is no change. "
        "Purple dots: 95th percentile of the null.",
        width=4.5,
        height=1.3 + 0.2 * longest,
    )


def _known_rows(
    rows: Mapping[str, Sequence[Mapping[str, Any]]], panel: _Panel
) -> list[Mapping[str, Any]]:
    return [row for row in rows[panel.table] if row[panel.value] is not None]


def _draw_panel(axes: "Axes", rows: Sequence[Mapping[str, Any]], panel: _Panel) -> None:
    axes.axvline(panel.reference, color=plots.QUIET, linewidth=1)
    labels = [f"{row['other']}, {row[panel.label]}" for row in rows]
    columns = ([row[f"{panel.value}{end}"] for row in rows] for end in ENDS)
    plots.intervals(axes, labels, *columns)
    if "null_high" in rows[0]:
        null = [row["null_high"] for row in rows]
        plots.scatter(axes, null, range(len(rows)), colours=plots.BAD, size=25)
    axes.set_xlabel(panel.axis)


def paired_sheet(
    runs: Mapping[str, Run], seeds: Sequence[int], prompts: Sequence[Prompt]
) -> Image.Image:
    """Show the same cells of several runs: for each seed, one row per run.

    Raises:
        RunError: If a run keeps none of the images.
    """
    sheets = [
        draw_sheet(run, [Row(f"seed {seed}\n{name}", seed) for seed in seeds], prompts)
        for name, run in runs.items()
    ]
    width, step = sheets[0].width, THUMB + GAP
    joined = Image.new("RGB", (width, HEAD + len(seeds) * len(sheets) * step), PAPER)
    joined.paste(sheets[0].crop((0, 0, width, HEAD)), (0, 0))
    for row in range(len(seeds)):
        for index, sheet in enumerate(sheets):
            top = HEAD + row * step
            strip = sheet.crop((0, top, width, top + step))
            joined.paste(strip, (0, HEAD + (row * len(sheets) + index) * step))
    return joined
