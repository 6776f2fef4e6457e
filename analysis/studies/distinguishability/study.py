"""`distinguishability`: can a network tell from a picture which seed drew it?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import polars as pl

from analysis.statistics.bounds import Interval
from analysis.studies.base import Findings, Study, StudyTable
from analysis.study_tools.measured import require
from analysis.study_tools.recipes import recipe_like
from pipeline.runs.run import Run
from pipeline.stage import Resources

if TYPE_CHECKING:  # torch is needed where a network is trained, not where a study is named
    from analysis.studies.distinguishability.split import Split
    from analysis.studies.distinguishability.training import Answers, Course
    from analysis.studies.distinguishability.trials import Training, Trial

LEAST_SEEDS = 4
REDRAWN_PROMPTS = 64
"""Test prompts that the recipe `redrawn` draws again, at most."""
SHOWN = 4
"""Seeds and prompts of the Grad-CAM picture."""

EPOCH_COLUMNS = {
    "trained_on": "which training: the seeds, permuted owners (the null), or fewer prompts",
    "prompts": "training prompts, which are training pictures per seed",
    "epoch": "passes over the training pictures",
    "training_top1": "share told right while learning from them",
    "validation_top1": "share told right of the validation part, after the epoch",
}
TEST_COLUMNS = {
    "test": "what was tested: the test part; the null; the same after a change; another run",
    "top1": "share of the pictures whose seed was told",
    "low": "lower end of its 95 % interval, which goes by prompt groups",
    "high": "upper end",
    "change": "top1 less that of the same cells of the test part; null where cells differ",
    "change_low": "lower end of its 95 % interval",
    "change_high": "upper end",
    "n": "pictures",
    "prompts": "prompts",
    "groups": "prompt groups, none of which the network was trained on",
    "chance": "1 / number of seeds",
}
PROMPT_COLUMNS = {
    "prompts": "training prompts, which are training pictures per seed; steps are the same",
    "top1": "share told right of the test part",
    "low": "lower end of its 95 % interval",
    "high": "upper end",
}
SEED_COLUMNS = {
    "seed": "the seed",
    "top1": "share of its test pictures that were told",
    "n": "its test pictures",
    "most_often_taken_for": "the other seed that was said most often; null if none was",
}


@dataclass(frozen=True)
class Distinguishability(Study):
    """Whether pictures show which seed they came from.

    Question: Can a network tell the seed of a picture of a prompt that it never met?
    Method: A network is trained to name the seed. Prompts are cut by whole groups into training,
        validation and test (9 : 1 : 1 unless told otherwise), so nothing said about "a red horse"
        helps with "a horse"; all prompt sets serve, since no seed is chosen here. Labels are
        smoothed (0.2). Top-1 on the test part; after JPEG, resizing and cropping; on other runs
        named in `others`: the test part redrawn one by one in another order, another kind of
        prompt, `seed_scramble`. The same number of steps on fewer prompts shows what the number of
        prompts does. Grad-CAM maps of the last features with each place's own gradient
        (HiResCAM), by captum.
    Null: The same training on pictures whose owners are permuted within every prompt; and, for p,
        the same answers against permuted owners of the test pictures. Chance is 1 / seeds.
    n: One picture per seed and prompt; per test in the table. Intervals are Wilson's with as many
        pictures as the prompt groups are worth.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828: 1,024 seeds,
        9,000 / 1,000 / 1,000 pictures per seed, six epochs, 99.994 % (SD 2.0) and 99.956 % (SDXL
        Turbo). Its network, optimiser and whether its parts share prompts are not stated; ours
        are our choice.

    Attributes:
        backbone: "small", this project's own, or the name of a timm model.
        epochs: Passes over the training pictures.
        batch_size: Pictures in a step.
        learning_rate: Its highest.
        pictures: Training, validation and test prompts, which are pictures per seed; 0 for the
            proportions of the paper, whose own numbers are 9000, 1000, 1000.
        seeds: Only the first so many; all if 0.
        fewer: Shares of the training prompts to train on as well.
        null: Whether to train on permuted owners, too, which takes as long as the truth.
        others: Name -> folder of a run to test on, from here or from this run's folder.
        device: "cpu", or a CUDA device.
    """

    name: ClassVar[str] = "distinguishability"
    version: ClassVar[int] = 2
    resources: ClassVar[Resources] = Resources(cpus=2, threads=1)
    libraries: ClassVar[tuple[str, ...]] = ("torch", "timm", "captum", "safetensors", "pillow")

    backbone: str = "small"
    epochs: int = 6
    batch_size: int = 128
    learning_rate: float = 3e-3
    pictures: tuple[int, int, int] = (0, 0, 0)
    seeds: int = 0
    fewer: tuple[float, ...] = (0.1, 0.3)
    null: bool = True
    others: dict[str, str] = field(default_factory=dict)
    device: str = "cpu"

    def find(self, run: Run) -> Findings:
        """Train, test, change, redraw."""
        from analysis.studies.distinguishability.figures import maps_figure, top1_figure
        from analysis.studies.distinguishability.split import split_by_group
        from analysis.studies.distinguishability.trials import Training, Trial, Trials, p_value

        seeds = tuple(sorted(run.seeds))[: self.seeds or None]
        require(len(seeds), LEAST_SEEDS, "seeds")
        kept = run.kept_prompts()
        split = split_by_group([p for p in run.prompts.values() if p.id in kept], self.pictures)
        trials = Trials(run, seeds, split, self._course(), tuple(self.rng_seed(run)))
        trained = trials.train(split.train)
        answers = trials.test(trained)
        test = Trial.of("test", answers)
        nulls = [trials.null(self.rng(run, "null"))] if self.null else []
        tests = [
            test,
            *(trial for _, trial in nulls),
            *trials.changed(trained, answers),
            *trials.elsewhere(trained, answers, self.others),
        ]
        full = Training("seeds", len(split.train), trained.progress.history, test.top1)
        curve = [*map(trials.fewer, sorted(self.fewer)), full]
        p = p_value(answers, self.rng(run, "owners"))
        return Findings(
            outcome=_sentence(tests, split, p),
            numbers=_numbers(tests, split, curve, p),
            tables={
                "tests": StudyTable(pl.DataFrame([_row(t) for t in tests]), TEST_COLUMNS),
                "epochs": _epochs([*curve, *(training for training, _ in nulls)]),
                "prompts": _prompts(curve),
                "seeds": _seeds(answers),
            },
            figures={
                "top1": top1_figure([*curve, *(one for one, _ in nulls)], tests),
                **maps_figure(trials.maps(trained, seeds=SHOWN, prompts=SHOWN)),
            },
            recipes=self._recipes(run, split, seeds),
            identities={"classifier": trained.key},
        )

    def _course(self) -> "Course":
        from analysis.studies.distinguishability.training import Course

        return Course(
            self.backbone,
            self.epochs,
            self.batch_size,
            self.learning_rate,
            device=self.device,
        )

    def _recipes(self, run: Run, split: "Split", seeds: Sequence[int]) -> dict[str, str]:
        again = [prompt.id for prompt in split.test[:REDRAWN_PROMPTS]]
        source = run.recipe.prompts.source
        other = "seedling" if source == "synthetic" else "synthetic"
        return {
            "redrawn": recipe_like(
                run,
                {
                    "prompts": {"source": source, "chosen": again},
                    "seeds": {"chosen": list(seeds)[::-1]},
                    "order": "prompts",
                    "batch_size": 1,
                    "tile": {"seeds": 5, "prompts": 3},
                },
                note="The test part once more: one picture at a time, other tiles, other order.\n"
                "A seed must be told here as well, or it was told by its company.",
            ),
            "scrambled": recipe_like(
                run,
                {"sampling": {"intervention": {"name": "seed_scramble"}}},
                note="The same grid without seeds: a network trained on it must be at chance.",
            ),
            "other_prompts": recipe_like(
                run,
                {"prompts": {"source": other}, "seeds": {"chosen": list(seeds)}},
                note="Another kind of prompt.",
            ),
        }


def _numbers(
    tests: "Sequence[Trial]", split: "Split", curve: "Sequence[Training]", p: float
) -> dict[str, Any]:
    parts = ("train", "validation", "test")
    return {
        "tests": {test.name: test.top1 for test in tests},
        "chance": tests[0].chance,
        "p": p,
        "by_training_prompts": {one.prompts: one.top1 for one in curve},
        "split": {
            part: {"prompts": len(getattr(split, part)), "groups": split.groups(part)}
            for part in parts
        },
    }


def _sentence(tests: "Sequence[Trial]", split: "Split", p: float) -> str:
    test, *others = tests
    told = "; ".join(f"{one.name} {_percent(one.top1)}" for one in others)
    return (
        f"top-1 {_percent(test.top1)} on {test.top1.n:,} pictures of {test.prompts:,} prompts in "
        f"{test.groups} groups never trained on, {round(1 / test.chance):,} seeds (chance "
        f"{test.chance:.3%}; p = {p:.2g} against permuted owners), {len(split.train):,} training "
        f"pictures a seed; {told}"
    )


def _percent(share: Interval) -> str:
    return f"{share.value:.2%} [{share.low:.2%}, {share.high:.2%}]"


def _row(test: "Trial") -> dict[str, Any]:
    change = test.change
    return {
        "test": test.name,
        "top1": test.top1.value,
        "low": test.top1.low,
        "high": test.top1.high,
        "change": change and change.value,
        "change_low": change and change.low,
        "change_high": change and change.high,
        "n": test.top1.n,
        "prompts": test.prompts,
        "groups": test.groups,
        "chance": test.chance,
    }


def _epochs(trainings: "Sequence[Training]") -> StudyTable:
    rows = [
        {"trained_on": one.name, "prompts": one.prompts, **line}
        for one in trainings
        for line in one.history
    ]
    return StudyTable(pl.DataFrame(rows), EPOCH_COLUMNS)


def _prompts(curve: "Sequence[Training]") -> StudyTable:
    rows = [
        {"prompts": one.prompts, "top1": one.top1.value, "low": one.top1.low, "high": one.top1.high}
        for one in curve
    ]
    return StudyTable(pl.DataFrame(rows), PROMPT_COLUMNS)


def _seeds(answers: "Answers") -> StudyTable:
    from analysis.studies.distinguishability.trials import taken_for

    seeds, rows = answers.stream.seeds, []
    for place, seed in enumerate(seeds):
        said = answers.said[:, place]
        other = taken_for(answers, place)
        rows.append(
            {
                "seed": seed,
                "top1": float((said[said >= 0] == place).mean()),
                "n": int((said >= 0).sum()),
                "most_often_taken_for": None if other is None else seeds[other],
            }
        )
    schema = {"seed": pl.Int64, "top1": pl.Float64, "n": pl.Int64, "most_often_taken_for": pl.Int64}
    return StudyTable(pl.DataFrame(rows, schema=schema), SEED_COLUMNS)
