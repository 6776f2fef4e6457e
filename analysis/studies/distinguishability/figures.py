"""Draw how well the network tells seeds apart, and where in the images it looks."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.studies.distinguishability.trials import Maps


def top1_figure(
    epochs: Sequence[Mapping[str, Any]], tests: Sequence[Mapping[str, Any]]
) -> DrawnFigure:
    """Draw the validation accuracy over the steps of each training, and that of each test.

    Args:
        epochs: The rows of the table "epochs".
        tests: The rows of the table "tests".
    """

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        learning, accuracy = plots.panels(figure, 1, 2)
        _draw_epochs(learning, epochs)
        ends = (plots.column(tests, name) for name in ("top1", "low", "high"))
        plots.intervals(accuracy, [row["test"] for row in tests], *ends)
        accuracy.set(xlabel="share of images whose seed is named", xlim=(-0.02, 1.02))
        accuracy.set_title("on prompts that it never saw")
        learning.axhline(tests[0]["chance"], color=plots.BAD, linestyle=":", label="chance")
        accuracy.axvline(tests[0]["chance"], color=plots.BAD, linestyle=":", label="chance")

    return plots.figure(
        draw,
        title="How often a network names the seed of an image",
        caption="Left: share of validation images whose seed is named, while each network learns. "
        "Right: the same on test images, changed images and other runs, with 95 % intervals.",
        width=9,
        height=4.4,
    )


def _draw_epochs(axes: "Axes", epochs: Sequence[Mapping[str, Any]]) -> None:
    trainings = dict.fromkeys((row["trained_on"], row["prompts"]) for row in epochs)
    for training, colour in zip(reversed(trainings), plots.SERIES, strict=False):
        rows = [row for row in epochs if (row["trained_on"], row["prompts"]) == training]
        x = plots.column(rows, "epoch") / rows[-1]["epoch"]
        y = plots.column(rows, "validation_top1")
        name = f"trained on {training[0]}, {training[1]:,} prompts"
        axes.plot(x, y, color=colour, marker="o", markersize=3, label=name)
    axes.set(xlabel="share of the training steps", ylabel="share named", ylim=(-0.02, 1.02))
    axes.set_title("on validation prompts, while it learns")


def maps_figure(maps: "Maps | None") -> dict[str, DrawnFigure]:
    """Draw images, one row per seed, overlaid with where the network looks.

    Returns:
        The name of the figure -> figure; empty if the network has no map.
    """
    if maps is None:
        return {}
    seeds = maps.seeds.tolist()
    order = sorted(range(len(seeds)), key=lambda i: (seeds[i], maps.prompts[i].id))
    rows = len(set(seeds))
    columns = -(-len(order) // rows)

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        for axes, i in zip(plots.panels(figure, rows, columns), order, strict=False):
            axes.imshow(maps.images[i])
            axes.imshow(maps.maps[i], cmap="inferno", alpha=0.45, vmin=0, vmax=1)
            axes.set_axis_off()
            axes.set_title(f"seed {seeds[i]}: {maps.prompts[i].text[:24]}", size=7)

    drawn = plots.figure(
        draw,
        title="Where the network looks to name the seed",
        caption="One row per seed: test images, overlaid with the share of each place in the "
        "answer (HiResCAM; bright: large).",
        width=2 * columns,
        height=2.2 * rows + 0.4,
    )
    return {"grad_cam": drawn}
