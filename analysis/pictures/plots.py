"""Draw the figures of studies, all in one style: equal numbers give equal bytes, on any machine.

Each figure has a title that says what is seen, and a caption that explains its marks. It is at most
as wide as a README shows it, has at most six panels, and is written as PNG and as SVG.
"""

import io
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

from analysis.pictures.lettering import letter_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Item = TypeVar("Item")

DPI = 100
WIDEST = 9.0
"""Width of the widest figure in inches: 900 pixels, as a README shows it."""
MOST_PANELS = 6
SIDE_BY_SIDE = 3
"""Largest number of panels in a row."""
INK, QUIET, GOOD, BAD = "#0b5e8e", "#aab2b8", "#c98a00", "#7d3c98"
"""Colours: the result, its background (nulls, all seeds), golden seeds, bad seeds. They differ in
lightness, so that they can be told apart by everybody and in print."""
SERIES = (INK, "#d55e00", "#00795a", GOOD, BAD, "#56b4e9", "#5f6a72")
"""Colours of lines that have no better or worse, in the order in which they are used."""
GROUPS = (
    *("#0072b2", "#d08700", "#009e73", "#8a7a00", "#b0578d", "#d55e00"),
    *("#5661c9", "#5f6a72", "#1f8a8a", "#8e44ad", "#5e7f12", "#c0504d"),
)
"""Colours of groups; further groups use them again."""
DENSE = 2000
"""More dots than these are drawn as an image inside the SVG, which would be huge otherwise."""
STYLE: Mapping[Any, Any] = MappingProxyType(
    {
        "axes.axisbelow": True,
        "axes.edgecolor": "#8a939b",
        "axes.grid": True,
        "axes.labelsize": 9,
        "axes.spines.right": False,
        "axes.spines.top": False,
        "axes.titlelocation": "left",
        "axes.titlesize": 9.5,
        "figure.titlesize": 12,
        "figure.titleweight": "bold",
        "font.size": 9,
        "grid.color": "#ece9e1",
        "grid.linewidth": 0.8,
        "image.cmap": "cividis",
        "legend.fontsize": 8,
        "legend.frameon": False,
        "lines.linewidth": 1.8,
        "svg.fonttype": "path",
        "svg.hashsalt": "goldenseed",  # otherwise the names inside an SVG are random
        "xtick.labelsize": 8.5,
        "ytick.labelsize": 8.5,
    }
)
"""What differs from matplotlib's own defaults."""


@dataclass(frozen=True)
class DrawnFigure:
    """A figure of a study.

    Attributes:
        png: The figure as PNG, without a date or version in it.
        caption: What is seen: what each mark stands for.
        svg: The figure as SVG; empty for a sheet of images.
    """

    png: bytes
    caption: str
    svg: bytes = b""


def figure(
    draw: Callable[["Figure"], None], *, title: str, caption: str, width: float, height: float
) -> DrawnFigure:
    r"""Draw a figure.

    Args:
        draw: Fills the figure. What it labels is explained below the panels, once; a panel may
            have a legend of its own instead.
        title: What is seen, for example "Seeds that set 1 finds good are good on set 2".
        caption: What each mark stands for.
        width: Inches, 100 pixels each; at most `WIDEST` are used.
        height: Inches.

    Example:
        >>> drawn = figure(lambda figure: None, title="A", caption="B", width=1, height=1)
        >>> drawn.png[:4], drawn.svg[:5]
        (b'\x89PNG', b'<?xml')
        >>> drawn == figure(lambda figure: None, title="A", caption="B", width=1, height=1)
        True
    """
    from matplotlib import rc_context, style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.rcsetup import cycler

    width = min(width, WIDEST)
    lines = cycler(linestyle=["-", "--"]) * cycler(color=SERIES)
    with style.context("default"), rc_context({**STYLE, "axes.prop_cycle": lines}):
        drawn = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(drawn)
        draw(drawn)
        _add_legend(drawn)
        words = textwrap.wrap(title, max(12, int(width * LETTERS_PER_INCH)))
        drawn.suptitle("\n".join(words), x=0.01, ha="left")
        png, svg = io.BytesIO(), io.BytesIO()
        letter_figure(drawn)
        drawn.savefig(png, format="png", metadata={"Software": None})
        drawn.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return DrawnFigure(png.getvalue(), caption, svg.getvalue())


LETTERS_PER_INCH = 10.5
"""Letters of the title on an inch."""
LEGEND_LETTERS_PER_INCH, MARK_LETTERS = 16, 8
"""Letters of a legend on an inch; a mark and its margins are as wide as so many letters."""


def sheet(image: Image.Image, caption: str) -> DrawnFigure:
    """Make a figure of a sheet of images."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return DrawnFigure(buffer.getvalue(), caption)


def panels(figure: "Figure", rows: int, columns: int) -> list["Axes"]:
    """Make the panels of a figure, row by row."""
    return list(np.ravel(figure.subplots(rows, columns, squeeze=False)))


def panel_each(
    items: Sequence[Item],
    draw: Callable[["Axes", Item], None],
    *,
    title: str,
    caption: str,
    width: float,
    height: float,
) -> DrawnFigure:
    r"""Draw a panel for each item, at most three side by side and six in all.

    Args:
        items: What the panels show, row by row; at least one item. Of more than six, the first six
            are shown, and the caption says so.
        draw: Fills the panel of an item.
        title: As for `figure`.
        caption: As for `figure`.
        width: Width of a panel in inches.
        height: Height of a panel in inches.

    Example:
        >>> drawn = panel_each(
        ...     "abcdefg", lambda axes, name: axes.set(title=name),
        ...     title="Letters", caption="Empty panels.", width=1, height=1,
        ... )
        >>> drawn.caption
        'Empty panels. Shown are 6 of 7; the tables hold all.'
    """
    shown = items[:MOST_PANELS]
    columns = 2 if len(shown) == 4 else min(len(shown), SIDE_BY_SIDE)
    rows = -(-len(shown) // columns)
    if len(shown) < len(items):
        caption = f"{caption} Shown are {len(shown)} of {len(items)}; the tables hold all."

    def fill(figure: "Figure") -> None:
        all_axes = panels(figure, rows, columns)
        for empty in all_axes[len(shown) :]:
            empty.set_axis_off()
        for axes, item in zip(all_axes, shown, strict=False):
            draw(axes, item)

    size = (width * columns, height * rows + 0.4)
    return figure(fill, title=title, caption=caption, width=size[0], height=size[1])


def _add_legend(figure: "Figure") -> None:
    """Explain the marks of all panels below them, each label once; not of those with a legend."""
    marks = {
        label: mark
        for axes in figure.axes
        if axes.get_legend() is None
        for mark, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }
    if marks:
        letters = int(figure.get_figwidth() * LEGEND_LETTERS_PER_INCH)
        columns = max(1, letters // (max(map(len, marks)) + MARK_LETTERS))
        figure.legend(marks.values(), marks.keys(), loc="outside lower left", ncols=columns)


def scatter(
    axes: "Axes",
    x: ArrayLike,
    y: ArrayLike,
    *,
    colours: Sequence[str] | str = INK,
    size: float = 12,
    name: str | None = None,
) -> None:
    """Draw dots; `name` says in the legend what they are."""
    dots = axes.scatter(
        np.asarray(x), np.asarray(y), s=size, c=colours, linewidths=0, alpha=0.8, label=name
    )
    dots.set_rasterized(len(np.asarray(x)) > DENSE)


def intervals(
    axes: "Axes",
    labels: Sequence[str],
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    colours: Sequence[str] | str = INK,
    name: str | None = None,
) -> None:
    """Draw values with their intervals, one line each, the first at the top.

    Args:
        axes: The panel.
        labels: One per line.
        values: Shape (n,); not a number for a line without a value.
        low: Lower ends, shape (n,); not a number for a value without an interval.
        high: Upper ends.
        colours: One, or one per line.
        name: What the values are, for the legend.
    """
    x, rows = np.asarray(values, np.float64), np.arange(len(labels))
    ends = np.asarray(low, np.float64), np.asarray(high, np.float64)
    axes.hlines(rows, *ends, colors=colours, linewidth=1.5)
    axes.scatter(x, rows, c=colours, s=18, zorder=3, label=name)
    axes.set_yticks(rows, list(labels))
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(x) - 0.5, -0.5)


def null_ticks(axes: "Axes", values: ArrayLike, *, name: str) -> None:
    """Mark on each line of `intervals` how far the null reaches.

    Args:
        axes: The panel.
        values: One per line; not a number for a line without a null.
        name: Which point of the null it is, for the legend.
    """
    x = np.asarray(values, np.float64)
    rows = np.arange(len(x))
    axes.vlines(x, rows - 0.3, rows + 0.3, color=BAD, label=name)


def null_ranges(axes: "Axes", low: ArrayLike, high: ArrayLike, *, name: str) -> None:
    """Show on each line of `intervals` the range of a null, as a broad bar behind the values."""
    ends = np.asarray(low, np.float64), np.asarray(high, np.float64)
    rows = np.arange(len(ends[0]))
    axes.hlines(rows, *ends, color=QUIET, alpha=0.6, linewidth=11, label=name, zorder=1)


def column(rows: Sequence[Mapping[str, Any]], name: str) -> NDArray[np.float64]:
    """A column of a table as numbers; what is missing is not a number.

    Example:
        >>> column([{"a": 1}, {"a": None}, {}], "a")
        array([ 1., nan, nan])
    """
    return np.array([row.get(name) for row in rows], dtype=np.float64)


def thumbnail(axes: "Axes", pixels: NDArray[np.uint8], point: ArrayLike, *, side: int = 36) -> None:
    """Draw a small image at a point of a map.

    Args:
        axes: The map.
        pixels: Shape (H, W, 3).
        point: x and y, in the coordinates of the map.
        side: Longer side in pixels.
    """
    from matplotlib.offsetbox import AnnotationBbox, OffsetImage

    small = Image.fromarray(pixels)
    small.thumbnail((side, side))
    box = OffsetImage(np.asarray(small), zoom=72 / DPI)
    x, y = np.asarray(point, dtype=np.float64)
    axes.add_artist(AnnotationBbox(box, (float(x), float(y)), frameon=False, pad=0))
