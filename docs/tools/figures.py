"""Draw the figures of docs/findings again, from the tables and summaries that are committed there.

Run it with `python -m docs.tools.figures` after a change of how figures look. A figure that needs
images, such as a sheet, is not drawn again: its run is not in the repository.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import polars as pl

from analysis.pictures.plots import DrawnFigure
from analysis.studies.composition.figures import positions_figure, shares_figure
from analysis.studies.distinguishability.figures import top1_figure
from analysis.studies.diversity.study import methods_figure
from analysis.studies.explain.figures import explain_figure
from analysis.studies.fidelity.figures import pools_figure, random_sets_figure
from analysis.studies.golden.figures import chance_figure
from analysis.studies.quality.study import sets_figure
from analysis.studies.recovery import curve_figure as recovery_figure
from analysis.studies.search.report import curve_figure as search_figure
from analysis.studies.seed_swap.figures import eta_figure, similarity_figure
from analysis.studies.share_changes import shares_figure as changes_figure
from analysis.studies.spectrum.arm import spectrum_figure
from analysis.studies.style.figures import map_figure
from analysis.studies.transfer.figures import correlations_figure, seeds_figure

FINDINGS = Path(__file__).parents[1] / "findings"
Rows = list[dict[str, Any]]


class Results:
    """The committed results of one study.

    Attributes:
        folder: The folder.
        numbers: Those of the summary.
    """

    def __init__(self, folder: Path) -> None:
        """Read the summary."""
        self.folder = folder
        self.numbers: dict[str, Any] = json.loads((folder / "summary.json").read_bytes())["numbers"]

    def rows(self, table: str) -> Rows:
        """Rows of a table."""
        return pl.read_parquet(self.folder / f"{table}.parquet").to_dicts()


def _sets(folder: Path) -> Rows:
    """Values of the seeds on both sets, from the table of the study `golden` of the same run."""
    rows = Results(folder.parent / "golden").rows("seeds")
    metrics = [name.removesuffix(", set 1") for name in rows[0] if name.endswith(", set 1")]
    return [
        {"metric": m, **{f"set{i}": row[f"{m}, set {i}"] for i in (1, 2)}}
        for m in metrics
        if not m.startswith("rank by ")
        for row in rows
    ]


def _own_eta(found: Results) -> Rows:
    """The swaps of the run itself, which are those with the largest eta."""
    rows = found.rows("swaps")
    own = max(row["eta"] for row in rows)
    return [row for row in rows if row["eta"] == own]


DRAWN: Mapping[str, Callable[[Results], DrawnFigure]] = MappingProxyType(
    {
        "composition/places": lambda found: positions_figure(found.rows("seeds"), {}),
        "composition/shares": lambda found: shares_figure(found.rows("shares")),
        "distinguishability/top1": lambda found: top1_figure(
            found.rows("epochs"), found.rows("tests")
        ),
        "diversity/methods": lambda found: methods_figure(found.rows("methods")),
        "explain/explain": lambda found: explain_figure(
            found.rows("targets"), found.rows("unseen"), found.numbers["check"]["target"]
        ),
        "fidelity/pools": lambda found: pools_figure(found.rows("pools")),
        "fidelity/random_sets": lambda found: random_sets_figure(found.rows("table1")),
        "golden/chance": lambda found: chance_figure(found.numbers),
        "quality/sets": lambda found: sets_figure(_sets(found.folder)),
        "recovery/curve": lambda found: recovery_figure(found.rows("curve")),
        "search/curve": lambda found: search_figure(found.rows("curve"), found.numbers),
        "seed_swap/eta": lambda found: eta_figure(found.rows("etas")),
        "seed_swap/similarity": lambda found: similarity_figure(_own_eta(found)),
        "share_changes/shares": lambda found: changes_figure(found.rows("shares")),
        "spectrum/spectrum": lambda found: spectrum_figure(
            found.rows("steps"), found.numbers["bands"]
        ),
        "style/map": lambda found: map_figure(found.rows("map"), {}),
        "transfer/seeds": lambda found: seeds_figure(found.rows("values")),
        "transfer/transfer": lambda found: correlations_figure(found.rows("pairs")),
    }
)
"""Study and name of the figure -> what draws it."""
AS_DRAWN = ("showcase-turbo/composition/places.png", "showcase-turbo/style/map.png")
"""Figures whose tables are not committed: they stay as their run drew them."""


def figures() -> Iterator[tuple[Path, Callable[[], DrawnFigure]]]:
    """List the PNG files in docs/findings that can be drawn again, each with what draws it."""
    for path in sorted(FINDINGS.glob("*/*/*.png")):
        study = path.parent.name.removesuffix("-ranking")
        draw = DRAWN.get(f"{study}/{path.stem}")
        if draw and path.relative_to(FINDINGS).as_posix() not in AS_DRAWN:
            yield path, lambda draw=draw, path=path: draw(Results(path.parent))  # type: ignore[misc]


def main() -> None:
    """Draw all of them, as PNG and SVG."""
    for path, draw in figures():
        drawn = draw()
        path.write_bytes(drawn.png)
        path.with_suffix(".svg").write_bytes(drawn.svg)


if __name__ == "__main__":
    main()
