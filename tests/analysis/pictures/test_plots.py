"""Figures of many panels: which item is where, and which panels stay empty."""

from typing import TYPE_CHECKING

import pytest

from analysis.pictures import plots

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@pytest.mark.parametrize(("count", "columns", "rows"), [(1, 1, 1), (4, 4, 1), (6, 4, 2), (9, 4, 3)])
def test_every_item_has_a_panel_in_reading_order(count: int, columns: int, rows: int) -> None:
    seen: list[tuple[int, int, int, Axes]] = []

    def draw(axes: "Axes", item: int) -> None:
        spec = axes.get_subplotspec()
        assert spec is not None
        seen.append((item, spec.rowspan.start, spec.colspan.start, axes))

    assert plots.panel_each(range(count), draw, width=1, height=1)[:4] == b"\x89PNG"
    positions = [(item, row, column) for item, row, column, _ in seen]
    assert positions == [(item, item // columns, item % columns) for item in range(count)]
    figure = seen[0][3].figure
    assert len(figure.axes) == columns * rows
    assert sum(not axes.axison for axes in figure.axes) == columns * rows - count
