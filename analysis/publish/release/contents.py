"""Say what the tables of a release are called, for the card and for Croissant."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatch

from analysis.publish.release.columns import IMAGES, LISTS, PROMPTS, SEEDS
from analysis.ranking.result import Ranking
from pipeline.storage.schema import PER_SEED, Table


@dataclass(frozen=True)
class Config:
    """A table that `datasets` loads by name.

    Attributes:
        table: Its columns.
        files: Split -> file, or pattern of files.
        meaning: What a row is.
    """

    table: Table
    files: Mapping[str, str]
    meaning: str

    @property
    def name(self) -> str:
        """The name to load it by."""
        return "metrics" if self.table is PER_SEED else self.table.name


CONFIGS = (
    Config(
        LISTS,
        {"golden": "golden_seeds.parquet", "bad": "bad_seeds.parquet"},
        "a golden or a bad seed",
    ),
    Config(SEEDS, {"train": "tested_seeds.parquet"}, "a seed that was tested"),
    Config(PER_SEED, {"train": "metrics.parquet"}, "a seed, a metric and a prompt set"),
    Config(PROMPTS, {"train": "prompts.parquet"}, "a prompt"),
    Config(IMAGES, {"train": "images/train-*.parquet"}, "an image"),
)


def configs_of(names: Iterable[str]) -> list[Config]:
    """Give the tables that `datasets` can load from a release with these files, the lists first.

    Args:
        names: The files. Leave out those without rows: `datasets` refuses an empty split.

    Example:
        >>> [(config.name, dict(config.files)) for config in configs_of(["bad_seeds.parquet"])]
        [('lists', {'bad': 'bad_seeds.parquet'})]
    """
    there = list(names)
    found = []
    for config in CONFIGS:
        files = {split: f for split, f in config.files.items() if any(fnmatch(n, f) for n in there)}
        found += [replace(config, files=files)] if files else []
    return found


def with_rows(names: Iterable[str], ranking: Ranking) -> list[str]:
    """Leave out the files of empty lists.

    Args:
        names: Files of a release.
        ranking: Its ranking.
    """
    lists = {"golden_seeds.parquet": ranking.golden, "bad_seeds.parquet": ranking.bad}
    return [name for name in names if name not in lists or lists[name].seeds]
