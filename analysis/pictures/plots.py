"""Draw the figures of studies: equal numbers give equal bytes, whatever the user's settings are."""

import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from PIL import Image

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Item = TypeVar("Item")

DPI = 100
SIDE_BY_SIDE = 4
"""Largest number of panels in a row."""
INK, QUIET, GOOD, BAD = "#1f3b4d", "#b8bfc4", "#c98a00", "#a8323e"
"""Colours: the result, its background (nulls, all seeds), golden seeds, bad seeds."""


def figure_png(draw: Callable[["Figure"], None], *, width: float, height: float) -> bytes:
    r"""Draw a figure with matplotlib's own defaults.

    Args:
        draw: Fills the figure.
        width: Inches, 100 pixels each.
        height: Inches.

    Returns:
        A PNG without a date or version in it.

    Example:
        >>> png = figure_png(lambda figure: None, width=1, height=1)
        >>> png[:4], png == figure_png(lambda figure: None, width=1, height=1)
        (b'\x89PNG', True)
    """
    from matplotlib import style
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    with style.context("default"):
        figure = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def image_png(image: Image.Image) -> bytes:
    """Encode an image as PNG."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def panels(figure: "Figure", rows: int, columns: int) -> list["Axes"]:
    """Make the panels of a figure, row by row, without top and right spines."""
    all_axes = list(np.ravel(figure.subplots(rows, columns, squeeze=False)))
    for axes in all_axes:
        axes.spines[["top", "right"]].set_visible(False)
    return all_axes


def panel_each(
    items: Sequence[Item], draw: Callable[["Axes", Item], None], *, width: float, height: float
) -> bytes:
    r"""Draw a panel for each item, at most four side by side.

    Args:
        items: What the panels show, row by row; at least one item.
        draw: Fills the panel of an item.
        width: Width of a panel in inches.
        height: Height of a panel in inches.

    Returns:
        A PNG; see `figure_png`.

    Example:
        >>> panel_each("abcde", lambda axes, name: axes.set(title=name), width=1, height=1)[:4]
        b'\x89PNG'
    """
    columns = min(len(items), SIDE_BY_SIDE)
    rows = -(-len(items) // columns)

    def fill(figure: "Figure") -> None:
        all_axes = panels(figure, rows, columns)
        for empty in all_axes[len(items) :]:
            empty.set_axis_off()
        for axes, item in zip(all_axes, items, strict=False):
            draw(axes, item)

    return figure_png(fill, width=width * columns, height=height * rows)


def scatter(
    axes: "Axes",
    x: ArrayLike,
    y: ArrayLike,
    *,
    colours: Sequence[str] | str = INK,
    size: float = 12,
) -> None:
    """Draw dots."""
    axes.scatter(np.asarray(x), np.asarray(y), s=size, c=colours, linewidths=0, alpha=0.8)


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
    bins = 30 if np.ptp(draws) > 0 else 1
    axes.hist(draws, bins=bins, color=QUIET, label=f"{null_name} ({len(draws):,} draws)")
    axes.axvline(observed, color=GOOD, linewidth=2, label="this run")
    axes.set_xlabel(name)
    axes.set_ylabel("draws")
    axes.legend(fontsize=8, frameon=False)


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
    axes.set_yticks(rows, list(labels), fontsize=8)
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
