"""What a recipe chooses, piece by piece: prompts, seeds, the shape of a tile, the ranking."""

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pipeline.errors import ConfigError

SEED_LIMIT = 2**32
"""Seeds lie below this: torch's CPU generator keeps 32 bits."""

LIST_SHARE = 0.25
"""Share of the seeds that a list holds before confirmation, where nothing else is asked for."""


class Frozen(BaseModel):
    """Settings that cannot be changed and take no unknown field."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class PromptChoice(Frozen):
    """Which prompts.

    Attributes:
        source: Name of a shipped file in `prompts/`, or a path to .jsonl, .tsv or .txt.
        count: Use so many, a fair sample of the file (the first in the order of their ids);
            all if None.
        chosen: Ids of the prompts to use; all if empty. `count` then counts among them.
    """

    source: str
    count: int | None = Field(default=None, ge=1)
    chosen: tuple[str, ...] = ()


class SeedChoice(Frozen):
    """Which seeds: `count` of them from `start`, or those of `chosen`.

    Attributes:
        start: First seed.
        count: How many.
        chosen: The seeds themselves, for example a golden list; then start and count are not
            used. A seed named twice counts once.
    """

    start: int = Field(default=0, ge=0)
    count: int = Field(default=0, ge=0)
    chosen: tuple[int, ...] = ()

    @model_validator(mode="after")
    def _check(self) -> "SeedChoice":
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
            ConfigError: If it is none of these, or leaves [0, 2**32).

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
            raise ConfigError(
                f"seeds {text!r}: {detail}; wanted a count (32), start:stop (100:132) or a list "
                f"(7,11,469), each seed in [0, 2**32)"
            ) from error

    def values(self) -> list[int]:
        """The seeds themselves, each once."""
        if self.chosen:
            return list(dict.fromkeys(self.chosen))
        return list(range(self.start, self.start + self.count))


class PromptShare(Frozen):
    """Which prompts a costly feature is measured on: a fair sample of any prompt file.

    Attributes:
        every: Of so many prompts, one: those whose id, a hash, this number divides. So the
            choice never changes when the grid grows.
    """

    every: int = Field(ge=1)

    def skips(self, prompt_id: str) -> str:
        """Say why a prompt is not measured; empty if it is.

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
    """Cells in a tile.

    Attributes:
        seeds: Seeds along one side.
        prompts: Prompts along the other.
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
