"""Draw how well the network tells seeds apart, and where in the images it looks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from analysis.pictures import plots
from analysis.pictures.plots import DrawnFigure

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from analysis.studies.distinguishability.trials import Maps, Training, Trial


def top1_figure(trainings: "Sequence[Training]", tests: "Sequence[Trial]") -> DrawnFigure:
    """Draw the validation accuracy over the steps of each training, and that of each test."""

    def draw(figure: Any) -> None:  # noqa: ANN401 - matplotlib's
        epochs, accuracy = plots.panels(figure, 1, 2)
        _epochs(epochs, trainings, tests[0].chance)
        shares = [test.top1 for test in tests]
        ends = ([s.value for s in shares], [s.low for s in shares], [s.high for s in shares])
        plots.intervals(accuracy, [test.name for test in tests], *ends)
        accuracy.axvline(tests[0].chance, color=plots.BAD, linestyle=":", label="chance")
        accuracy.set(xlabel="share of images whose seed is named", xlim=(-0.02, 1.02))
        accuracy.set_title("on prompts that it never saw")
        accuracy.legend()

    return plots.figure(
        draw,
        title="Can a network name the seed of an image?",
        caption="Left: share of validation images whose seed is named, while each network learns. "
        "Right: the same on test images, changed images and other runs, with 95 % intervals.",
        width=9,
        height=4.4,
    )


def _epochs(axes: "Axes", trainings: "Sequence[Training]", chance: float) -> None:
    for training, colour in zip(reversed(trainings), plots.SERIES, strict=False):
        history = training.history
        x = [line["epoch"] / history[-1]["epoch"] for line in history]
        y = [line["validation_top1"] for line in history]
        name = f"{training.name} ({training.prompts:,} prompts)"
        axes.plot(x, y, color=colour, marker="o", markersize=3, label=name)
    axes.axhline(chance, color=plots.BAD, linestyle=":", label="chance")
    axes.set(xlabel="share of the training steps", ylabel="share named", ylim=(-0.02, 1.02))
    axes.set_title("on validation prompts, while it learns")
    axes.legend(fontsize=7)


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
