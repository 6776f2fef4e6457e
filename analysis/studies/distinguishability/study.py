"""`distinguishability`: can a network tell from an image which seed drew it?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, ClassVar

from analysis.studies.base import Findings, Study
from analysis.studies.distinguishability import report
from analysis.study_tools.measured import require
from analysis.study_tools.recipes import recipe_like
from pipeline.runs.run import Run
from pipeline.stage import Resources

if TYPE_CHECKING:  # torch is needed where a network is trained, not where a study is named
    from analysis.studies.distinguishability.course import Course
    from analysis.studies.distinguishability.split import Split

LEAST_SEEDS = 4
REDRAWN_PROMPTS = 64
"""Largest number of test prompts that the recipe `redrawn` draws again."""
SHOWN = 4
"""Number of seeds and of prompts in the Grad-CAM figure."""
PIXELS_PER_SECOND = 80 * 64 * 64
"""Rate of the small network on two cores: the recipe `seedling` takes about 31 minutes for 4
trainings on 6 x 32 x 196 images of 64 x 64 pixels. A GPU or a larger network is not considered."""
TRAINING_SHARE = 9 / 11


@dataclass(frozen=True)
class Distinguishability(Study):
    """Test whether images show which seed they came from.

    Question: Can a network name the seed of an image of a prompt that it was not trained on?
    Method: A network is trained to name the seed. Prompts are split by whole groups into training,
        validation and test parts (9 : 1 : 1 by default), so that training on "a red horse" does
        not help with "a horse" in the test. All prompt sets are used, since no seed is chosen
        here. Labels are smoothed (0.2). Top-1 accuracy is measured on the test part; on the test
        part after JPEG, resizing and cropping; and on the runs named in `others`, such as the test
        part redrawn one image at a time in another order, another kind of prompt, or
        `seed_scramble`. Trainings with the same number of steps on fewer prompts show the effect
        of the number of prompts. Grad-CAM maps use the gradient of each position of the last
        features (HiResCAM), computed by captum.
    Null: The same training on images whose owners are permuted within each prompt. The p-value
        compares the same predictions with owners of the test images that are permuted within each
        prompt group. Chance is 1 / seeds.
    n: One image per seed and prompt; the table states n per test. Intervals are Wilson intervals
        with the effective sample size of grouped images.
    Source: Xu, Zhang and Shi 2024, "Good Seed Makes a Good Crop", arXiv:2405.14828: 1,024 seeds,
        9,000 / 1,000 / 1,000 images per seed, six epochs, 99.994 % (SD 2.0) and 99.956 % (SDXL
        Turbo). The paper does not state its network, its optimiser, or whether its parts share
        prompts; these are our choice.

    Attributes:
        backbone: "small" for this project's own network, or the name of a timm model.
        epochs: Passes over the training images.
        batch_size: Images per step.
        learning_rate: Peak learning rate.
        pictures: Training, validation and test prompts, which are images per seed; 0 for the
            proportions of the paper, whose own numbers are 9000, 1000, 1000.
        seeds: Number of seeds to use, the lowest first; all if 0.
        fewer: Shares of the training prompts for additional trainings.
        null: Whether to train on permuted owners too, which takes as long as the training itself.
        others: Name -> folder of a run to test on, relative to this run's folder or to the working
            directory.
        device: "cpu", or a CUDA device.
    """

    name: ClassVar[str] = "distinguishability"
    version: ClassVar[int] = 3
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
        """Train on the seeds, and test on unseen prompts, changed images and other runs."""
        from analysis.studies.distinguishability.figures import maps_figure, top1_figure
        from analysis.studies.distinguishability.split import split_by_group
        from analysis.studies.distinguishability.trials import Training, Trial, Trials, owners_p

        seeds = tuple(sorted(run.seeds))[: self.seeds or None]
        require(len(seeds), LEAST_SEEDS, "seeds")
        kept = run.kept_prompts()
        split = split_by_group([p for p in run.prompts.values() if p.id in kept], self.pictures)
        trials = Trials(run, seeds, split, self._course(), tuple(self.rng_seed(run)))
        trained = trials.train(split.train)
        answers = trials.test(trained)
        test = Trial.of("test", answers)
        nulls = [trials.train_null(self.rng(run, "null"))] if self.null else []
        tests = [
            test,
            *(trial for _, trial in nulls),
            *trials.test_changes(trained, answers),
            *trials.test_other_runs(trained, answers, self.others),
        ]
        full = Training("seeds", len(split.train), trained.progress.history, test.top1)
        curve = [*map(trials.train_on_share, sorted(self.fewer)), full]
        p = owners_p(answers, self.rng(run, "owners"))
        epochs = report.epochs_table([*curve, *(training for training, _ in nulls)])
        tested = report.tests_table(tests)
        return Findings(
            outcome=report.sentence(tests, split, p),
            numbers=report.summarise(tests, split, curve, p),
            tables={
                "tests": tested,
                "epochs": epochs,
                "prompts": report.prompts_table(curve),
                "seeds": report.seeds_table(answers),
            },
            figures={
                "top1": top1_figure(epochs.frame.to_dicts(), tested.frame.to_dicts()),
                **maps_figure(trials.maps(trained, seeds=SHOWN, prompts=SHOWN)),
            },
            recipes=self._recipes(run, split, seeds),
            identities={"classifier": trained.key},
        )

    def expected_seconds(self, run: Run) -> float:
        """Estimate the time of all trainings from the number of their pixels."""
        seeds = min(len(run.seeds), self.seeds or len(run.seeds))
        prompts = self.pictures[0] or len(run.kept_prompts()) * TRAINING_SHARE
        trainings = 1 + self.null + len(self.fewer)
        images = seeds * prompts * self.epochs * trainings
        return images * run.config.height * run.config.width / PIXELS_PER_SECOND

    def _course(self) -> "Course":
        from analysis.studies.distinguishability.course import Course

        return Course(
            self.backbone,
            self.epochs,
            self.batch_size,
            self.learning_rate,
            device=self.device,
        )

    def _recipes(self, run: Run, split: "Split", seeds: Sequence[int]) -> dict[str, str]:
        redrawn = [prompt.id for prompt in split.test[:REDRAWN_PROMPTS]]
        source = run.recipe.prompts.source
        other = "seedling" if source == "synthetic" else "synthetic"
        return {
            "redrawn": recipe_like(
                run,
                {
                    "prompts": {"source": source, "chosen": redrawn},
                    "seeds": {"chosen": list(seeds)[::-1]},
                    "order": "prompts",
                    "batch_size": 1,
                    "tile": {"seeds": 5, "prompts": 3},
                },
                note="The test part drawn again: one image at a time, other tiles, other order.\n"
                "The network must name the seeds here too, or it named them by their neighbours.",
            ),
            "scrambled": recipe_like(
                run,
                {"sampling": {"intervention": {"name": "seed_scramble"}}},
                note="The same grid without seed effects: a network must be at chance on it.",
            ),
            "other_prompts": recipe_like(
                run,
                {"prompts": {"source": other}, "seeds": {"chosen": list(seeds)}},
                note="Another kind of prompt.",
            ),
        }
