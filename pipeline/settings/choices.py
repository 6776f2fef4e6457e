"""Defines the parts of a recipe: prompts, seeds, the shape of a tile, the ranking."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigError

SEED_LIMIT = 2**32
"""Seeds are below this number: torch's CPU generator keeps 32 bits."""

SEED_COUNT_LIMIT = 2**20
"""The most seeds of one run. A larger number is more likely a seed that was taken for a count."""

LIST_SHARE = 0.25
"""Default share of the seeds that a list holds before confirmation."""


class Frozen(BaseModel):
    """Settings that cannot be changed and refuse unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptChoice(Frozen):
    """The prompts of a run.

    Attributes:
        source: Name of a shipped file in `prompts/`, or a path to .jsonl, .json, .csv, .tsv,
            .txt, .parquet, or a folder of .parquet files.
        count: Number of prompts to use, a fair sample of the file (the first in the order of their
            ids); all if None.
        chosen: Ids of the prompts to use; all if empty. `count` then applies to these.
        literal: Whether brackets and names that other programs read as instructions are meant as
            ordinary text; then nothing is said about them.
        combinations: Whether `{a|b}` and `__name__` in a prompt stand for several prompts.
        wildcards: Folder with a file `name.txt` for each `__name__`, one value a line.
    """

    source: str
    count: int | None = Field(default=None, ge=1)
    chosen: tuple[str, ...] = ()
    literal: bool = False
    combinations: bool = False
    wildcards: str = ""


class SeedChoice(Frozen):
    """The seeds of a run: `count` seeds from `start`, or the seeds of `chosen`.

    Attributes:
        start: First seed.
        count: Number of seeds, at most 2**20.
        chosen: The seeds themselves, for example a golden list; `start` and `count` are then not
            used. Repeated seeds count once.
    """

    start: int = Field(default=0, ge=0)
    count: int = Field(default=0, ge=0)
    chosen: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "SeedChoice":
        count = len(self.chosen) or self.count
        if count > SEED_COUNT_LIMIT:
            seed = min(count, SEED_LIMIT - 1)
            raise ValueError(
                f"{count:,} seeds are more than the {SEED_COUNT_LIMIT:,} that one run may have; "
                f"for one seed give `chosen: [{seed}]` in a recipe, or `{seed},` "
                f"(with a comma) on the command line"
            )
        seeds = self.chosen or (self.start, self.start + self.count - 1)
        for seed in seeds:
            if not 0 <= seed < SEED_LIMIT and (self.chosen or self.count):
                raise ValueError(f"seed {seed} is outside [0, 2**32): torch keeps only 32 bits")
        if not self.chosen and not self.count:
            raise ValueError("no seeds: give count, or chosen")
        return self

    @classmethod
    def parse(cls, text: str) -> "SeedChoice":
        """Read "count", "start:stop" (stop not included) or "7,11,469,".

        Raises:
            ConfigError: If the text is none of these, or a seed is outside [0, 2**32).

        Example:
            >>> SeedChoice.parse("8:40").values() == list(range(8, 40))
            True
            >>> SeedChoice.parse("469,7").values()
            [469, 7]
        """
        try:
            if "," in text:
                return cls(chosen=tuple(int(part) for part in text.split(",") if part.strip()))
            start, _, stop = text.rpartition(":")
            first = int(start or 0)
            return cls(start=first, count=int(stop) - first)
        except ValueError as error:
            detail = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            detail = detail.removeprefix("Value error, ")
            raise ConfigError(
                f"seeds {text!r}: {detail}; wanted a count (32), start:stop (100:132) or a list "
                f"(7,11,469), each seed in [0, 2**32)"
            ) from error

    def values(self) -> list[int]:
        """List the seeds, each once."""
        if self.chosen:
            return list(dict.fromkeys(self.chosen))
        return list(range(self.start, self.start + self.count))


class PromptShare(Frozen):
    """The share of the prompts that a costly feature is measured on.

    Attributes:
        every: One prompt in this many is measured: a prompt is if this number divides its id, which
            is a hash. So the sample is fair, and it does not change when the grid grows.
    """

    every: int = Field(ge=1)

    def skips(self, prompt_id: str) -> str:
        """Say why a prompt is not measured; the text is empty if it is measured.

        Args:
            prompt_id: 16 hex digits.

        Example:
            >>> share = PromptShare(every=10)
            >>> share.skips("000000000000000a"), share.skips("000000000000000b")
            ('', 'the recipe measures one prompt in 10')
        """
        chosen = int(prompt_id, 16) % self.every == 0
        return "" if chosen else f"the recipe measures one prompt in {self.every}"


class TileShape(Frozen):
    """The shape of a tile.

    Attributes:
        seeds: Number of seeds.
        prompts: Number of prompts.
    """

    seeds: int = Field(default=32, ge=1)
    prompts: int = Field(default=32, ge=1)


class RankingConfig(Frozen):
    """How seeds are ranked.

    Attributes:
        metric: Name of the metric that ranks them.
        share: Share of the seeds that a list holds before confirmation.
    """

    metric: str
    share: float = Field(default=LIST_SHARE, gt=0, le=0.5)
