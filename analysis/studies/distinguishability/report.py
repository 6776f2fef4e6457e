"""Report the tests of a seed classifier: numbers, sentence and tables."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import polars as pl

from analysis.statistics.bounds import Interval
from analysis.statistics.monte_carlo import p_words
from analysis.studies.base import StudyTable

if TYPE_CHECKING:  # torch is needed where a network is trained, not where a study is named
    from analysis.studies.distinguishability.answers import Answers
    from analysis.studies.distinguishability.split import Split
    from analysis.studies.distinguishability.trials import Training, Trial

NULL_DRAWS = 2000
"""Number of permutations of the test images' owners for the p-value."""
EPOCH_COLUMNS = {
    "trained_on": "the training: on the seeds, on permuted owners (the null), or on fewer prompts",
    "prompts": "number of training prompts, which is the number of training images per seed",
    "epoch": "passes over the training images",
    "training_top1": "share of training images classified correctly, during the epoch",
    "validation_top1": "share of validation images classified correctly, after the epoch",
}
TEST_COLUMNS = {
    "test": "what was tested: the test part; the null; the test part after a change; another run",
    "top1": "share of the images whose seed was named correctly",
    "low": "lower bound of its 95 % interval, clustered by prompt group",
    "high": "upper bound",
    "change": "top1 minus that of the same cells of the test part; null if cells differ",
    "change_low": "lower bound of its 95 % interval",
    "change_high": "upper bound",
    "n": "number of images",
    "prompts": "number of prompts",
    "groups": "number of prompt groups, none of which the network was trained on",
    "chance": "1 / number of seeds",
}
PROMPT_COLUMNS = {
    "prompts": "number of training prompts, which is the number of training images per seed; the "
    "number of steps is the same",
    "top1": "share of the test images classified correctly",
    "low": "lower bound of its 95 % interval",
    "high": "upper bound",
}
SEED_COLUMNS = {
    "seed": "the seed",
    "top1": "share of the seed's test images that were classified correctly",
    "n": "number of the seed's test images",
    "most_often_taken_for": "the other seed that was named most often; null if there is none",
}


def summarise(
    tests: "Sequence[Trial]", split: "Split", curve: "Sequence[Training]", p: float
) -> dict[str, Any]:
    """The result as numbers, for the summary."""
    parts = ("train", "validation", "test")
    return {
        "tests": {test.name: test.top1 for test in tests},
        "chance": tests[0].chance,
        "p": p,
        "by_training_prompts": {training.prompts: training.top1 for training in curve},
        "split": {
            part: {"prompts": len(getattr(split, part)), "groups": split.groups(part)}
            for part in parts
        },
    }


def sentence(tests: "Sequence[Trial]", split: "Split", p: float) -> str:
    """The result in one line."""
    test, *others = tests
    shares = "; ".join(f"{other.name} {_percent(other.top1)}" for other in others)
    return (
        f"top-1 {_percent(test.top1)} on {test.top1.n:,} images of {test.prompts:,} prompts in "
        f"{test.groups} groups not trained on, {round(1 / test.chance):,} seeds (chance "
        f"{test.chance:.3%}; {p_words(p, NULL_DRAWS)} against permuted owners), "
        f"{len(split.train):,} training images per seed; {shares}"
    )


def _percent(share: Interval) -> str:
    return f"{share.value:.2%} [{share.low:.2%}, {share.high:.2%}]"


def tests_table(tests: "Sequence[Trial]") -> StudyTable:
    """One row per test."""
    return StudyTable(pl.DataFrame([_row(test) for test in tests]), TEST_COLUMNS)


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


def epochs_table(trainings: "Sequence[Training]") -> StudyTable:
    """One row per training and epoch."""
    rows = [
        {"trained_on": training.name, "prompts": training.prompts, **line}
        for training in trainings
        for line in training.history
    ]
    return StudyTable(pl.DataFrame(rows), EPOCH_COLUMNS)


def prompts_table(curve: "Sequence[Training]") -> StudyTable:
    """One row per training: its number of prompts, and its accuracy on the test part."""
    rows = [
        {"prompts": training.prompts, "top1": share.value, "low": share.low, "high": share.high}
        for training in curve
        for share in [training.top1]
    ]
    return StudyTable(pl.DataFrame(rows), PROMPT_COLUMNS)


def seeds_table(answers: "Answers") -> StudyTable:
    """One row per seed."""
    from analysis.studies.distinguishability.trials import most_confused_seed

    seeds, rows = answers.stream.seeds, []
    for index, seed in enumerate(seeds):
        predicted = answers.predicted[:, index]
        predicted = predicted[predicted >= 0]
        other = most_confused_seed(answers, index)
        rows.append(
            {
                "seed": seed,
                "top1": float((predicted == index).mean()),
                "n": len(predicted),
                "most_often_taken_for": None if other is None else seeds[other],
            }
        )
    schema = {"seed": pl.Int64, "top1": pl.Float64, "n": pl.Int64, "most_often_taken_for": pl.Int64}
    return StudyTable(pl.DataFrame(rows, schema=schema), SEED_COLUMNS)
