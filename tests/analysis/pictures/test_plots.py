"""Figures of many panels: which item is where, and which panels stay empty."""

import io
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from analysis.pictures import plots
from analysis.studies.base import Findings

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (3, 3, 1), (4, 2, 2), (5, 3, 2)])
def test_every_item_has_a_panel_in_reading_order(count: int, columns: int, rows: int) -> None:
    seen: list[tuple[int, int, int, Axes]] = []

    def draw(axes: "Axes", item: int) -> None:
        spec = axes.get_subplotspec()
        assert spec is not None
        seen.append((item, spec.rowspan.start, spec.colspan.start, axes))

    drawn = plots.panel_each(range(count), draw, title="T", caption="C", width=2, height=2)
    assert drawn.png[:4] == b"\x89PNG"
    positions = [(item, row, column) for item, row, column, _ in seen]
    assert positions == [(item, item // columns, item % columns) for item in range(count)]
    figure = seen[0][3].figure
    assert len(figure.axes) == columns * rows
    assert sum(not axes.axison for axes in figure.axes) == columns * rows - count


def test_more_than_six_panels_are_cut_and_the_caption_says_so() -> None:
    seen: list[int] = []
    drawn = plots.panel_each(
        range(9), lambda _axes, item: seen.append(item), title="T", caption="C.", width=2, height=1
    )
    assert seen == [0, 1, 2, 3, 4, 5]
    assert drawn.caption == "C. Shown are 6 of 9; the tables hold all."


def test_a_figure_is_as_wide_as_a_readme_at_most_and_its_title_fits() -> None:
    title = "A title of many words that say what is seen " * 4
    drawn = plots.figure(lambda _figure: None, title=title, caption="", width=20, height=3)
    image = Image.open(io.BytesIO(drawn.png)).convert("L")
    assert image.size == (900, 300)
    edges = np.asarray(image)[:, [0, -1]]
    assert edges.min() == 255, "the title runs over the edge"
    again = plots.figure(lambda _figure: None, title=title, caption="", width=20, height=3)
    assert drawn == again


def test_the_settings_of_the_user_change_no_byte() -> None:
    import matplotlib as mpl

    plain = plots.figure(lambda figure: None, title="T", caption="", width=2, height=1)
    with mpl.rc_context({"font.size": 20, "svg.hashsalt": "other", "figure.facecolor": "red"}):
        again = plots.figure(lambda figure: None, title="T", caption="", width=2, height=1)
    assert plain == again


def test_many_dots_do_not_make_a_huge_svg() -> None:
    def draw(figure: "Figure") -> None:
        plots.scatter(figure.subplots(), np.arange(5000), np.arange(5000))

    drawn = plots.figure(draw, title="T", caption="", width=3, height=3)
    assert len(drawn.svg) < 200_000


def test_findings_refuse_the_bytes_of_a_figure() -> None:
    with pytest.raises(TypeError, match="figure map is bytes: return what"):
        Findings("outcome", {}, {}, figures={"map": b"PNG"})  # type: ignore[dict-item]
