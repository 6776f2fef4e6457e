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
        draw: Fills the figure.
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
    with style.context("default"), rc_context({**STYLE, "axes.prop_cycle": cycler(color=SERIES)}):
        drawn = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(drawn)
        draw(drawn)
        lines = textwrap.wrap(title, max(12, int(width * LETTERS_PER_INCH)))
        drawn.suptitle("\n".join(lines), x=0.01, ha="left")
        png, svg = io.BytesIO(), io.BytesIO()
        letter_figure(drawn)
        drawn.savefig(png, format="png", metadata={"Software": None})
        drawn.savefig(svg, format="svg", metadata={"Date": None, "Creator": None})
    return DrawnFigure(png.getvalue(), caption, svg.getvalue())


LETTERS_PER_INCH = 10.5
"""Letters of the title on an inch."""


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


def scatter(
    axes: "Axes",
    x: ArrayLike,
    y: ArrayLike,
    *,
    colours: Sequence[str] | str = INK,
    size: float = 12,
) -> None:
    """Draw dots."""
    dots = axes.scatter(np.asarray(x), np.asarray(y), s=size, c=colours, linewidths=0, alpha=0.8)
    dots.set_rasterized(len(np.asarray(x)) > DENSE)


def against_null(
    axes: "Axes", null: ArrayLike, observed: float, *, name: str, null_name: str = "the null"
) -> None:
    """Draw a histogram of the draws of a null, and a line at the value of the run.

    Args:
        axes: The panel.
        null: The draws.
        observed: The value of the run.
        name: What is measured; labels the x axis.
        null_name: What the null is, for the legend.
    """
    draws: NDArray[np.float64] = np.asarray(null, dtype=np.float64)
    bins = _bins(draws)
    axes.hist(draws, bins=bins, color=QUIET, label=f"{null_name} ({len(draws):,} draws)")
    axes.axvline(observed, color=GOOD, linewidth=2, label="this run")
    axes.set_xlabel(name)
    axes.set_ylabel("draws")
    axes.legend()


def _bins(draws: NDArray[np.float64]) -> int | list[float]:
    """Bins of a histogram; counts of few values have a bin each."""
    low, high = draws.min(), draws.max()
    if high - low <= MOST_BINS and np.array_equal(draws, np.rint(draws)):
        return [float(edge) for edge in np.arange(low - 0.5, high + 1.0)]
    return MOST_BINS


MOST_BINS = 30


def intervals(
    axes: "Axes",
    labels: Sequence[str],
    values: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    colours: Sequence[str] | str = INK,
) -> None:
    """Draw values with their intervals, one line each, the first at the top."""
    x, ends = np.asarray(values, np.float64), (np.asarray(low), np.asarray(high))
    rows = np.arange(len(x))
    axes.hlines(rows, *ends, colors=colours, linewidth=1.5)
    axes.scatter(x, rows, c=colours, s=18, zorder=3)
    axes.set_yticks(rows, list(labels))
    axes.grid(visible=False, axis="y")
    axes.set_ylim(len(x) - 0.5, -0.5)


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
