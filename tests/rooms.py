"""Draw the rooms of every package and what they import: `make map`.

A room is a folder directly below a package, or a loose file there. An arrow from room A to room B
says that a file of A imports a file of B. A room stands on the floor above all that it imports, so
an arrow runs back when it does not lead down; that happens in circles only.
"""

import ast
import sys
from collections.abc import Iterator
from dataclasses import astuple, dataclass
from pathlib import Path

import grimp
import matplotlib.pyplot as plt
import networkx as nx
from matplotlib.axes import Axes

PACKAGES = ("goldenseed", "seedling", "analysis", "pipeline")
COLUMNS = (
    "package",
    "rooms",
    "floors",
    "arrows",
    "arrows that run back",
    "circles of files",
    "loose files",
    "files over 300 lines",
    "longest function",
)


@dataclass(frozen=True)
class Figures:
    """One row of the table; the attributes are those of `COLUMNS`."""

    package: str
    rooms: int
    floors: int
    arrows: int
    back: int
    circles: int
    loose: int
    long_files: int
    longest_function: int


def room_of(module: str) -> str:
    """The room of a module, or "" for the package itself."""
    return module.split(".")[1] if "." in module else ""


def graphs(files: nx.DiGraph, package: str) -> tuple[nx.DiGraph, nx.DiGraph]:
    """The imports within a package: between its files, and between its rooms."""
    inside = files.subgraph([name for name in files if name.startswith(f"{package}.")])
    rooms = nx.DiGraph()
    rooms.add_nodes_from(sorted(set(map(room_of, inside))))
    arrows = {(room_of(importer), room_of(imported)) for importer, imported in inside.edges}
    rooms.add_edges_from(sorted(arrow for arrow in arrows if arrow[0] != arrow[1]))
    return inside, rooms


def floors(rooms: nx.DiGraph) -> dict[str, int]:
    """The floor of every room, from 1; the rooms of a circle share one."""
    circles = nx.condensation(rooms)
    floor: dict[int, int] = {}
    for circle in reversed(list(nx.topological_sort(circles))):
        floor[circle] = 1 + max((floor[below] for below in circles.successors(circle)), default=0)
    return {room: floor[circle] for room, circle in circles.graph["mapping"].items()}


def function_lengths(path: Path) -> Iterator[int]:
    """Lines of every function of a file."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield (node.end_lineno or node.lineno) - node.lineno + 1


def figures(files: nx.DiGraph, package: str) -> Figures:
    """Count what stands in the table."""
    inside, rooms = graphs(files, package)
    floor = floors(rooms)
    paths = list(Path(package).rglob("*.py"))
    return Figures(
        package,
        rooms=len(rooms),
        floors=max(floor.values()),
        arrows=rooms.number_of_edges(),
        back=sum(floor[below] >= floor[room] for room, below in rooms.edges),
        circles=sum(len(circle) > 1 for circle in nx.strongly_connected_components(inside)),
        loose=len(list(Path(package).glob("*.py"))),
        long_files=sum(len(path.read_text("utf-8").splitlines()) > 300 for path in paths),
        longest_function=max(length for path in paths for length in function_lengths(path)),
    )


def draw(rooms: nx.DiGraph, package: str, axes: Axes) -> None:
    """Draw the rooms of a package, floor by floor."""
    floor = floors(rooms)
    nx.set_node_attributes(rooms, floor, "floor")
    positions = nx.multipartite_layout(rooms, subset_key="floor", align="horizontal")
    nx.draw_networkx_edges(
        rooms, positions, ax=axes, edge_color="#9a9a9a", node_size=900, arrowsize=8, width=0.8
    )
    nx.draw_networkx_labels(
        rooms,
        positions,
        ax=axes,
        font_size=10,
        bbox={"boxstyle": "round", "facecolor": "#cfe3f5", "edgecolor": "#33658a"},
    )
    axes.set_title(f"{package}: {len(rooms)} rooms on {max(floor.values())} floors")
    axes.margins(0.12)
    axes.axis("off")


def import_graph() -> nx.DiGraph:
    """Every import between two files of the packages, also those for annotations alone."""
    imports = grimp.build_graph(*PACKAGES, cache_dir=None)
    packages = {name for name in imports.modules if imports.find_children(name)}
    graph = nx.DiGraph()
    for importer in imports.modules - packages:
        graph.add_node(importer)
        for imported in imports.find_modules_directly_imported_by(importer) - packages:
            graph.add_edge(importer, imported)
    return graph


def main() -> None:
    """Print the table and write the figure."""
    files = import_graph()
    print(f"| {' | '.join(COLUMNS)} |\n|{'---|' * len(COLUMNS)}")
    for package in PACKAGES:
        print(f"| {' | '.join(map(str, astuple(figures(files, package))))} |")
    figure, all_axes = plt.subplots(4, figsize=(9, 19), layout="constrained")
    for package, axes in zip(PACKAGES, all_axes, strict=True):
        draw(graphs(files, package)[1], package, axes)
    figure.savefig(sys.argv[1], metadata={"Date": None})


if __name__ == "__main__":
    main()
