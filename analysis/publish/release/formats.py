"""Define the JSON documents of a release: what they hold, and the schema that is published.

The JSON Schema files beside this module are made from these classes by
`python docs/tools/schemas.py`, so other programs can check a list without this project.
"""

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue

LIST_FORMAT = "goldenseed seed list 2"
NOISE_FORMAT = "goldenseed noise spec 1"
OLD_LIST_FORMAT = "goldenseed seed list 1"
"""Releases of this format have no schema and no tables but CSV."""
ATOL_LIMIT = 1e-4
"""A published tolerance above this would let any noise pass."""
AXIS_LIMIT = 4096
"""Longest axis of latents that a document may name."""

Seed = Annotated[int, Field(ge=0, lt=2**32)]
Probability = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Axis = Annotated[int, Field(ge=1, le=AXIS_LIMIT)]
Hash16 = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
Hash64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Text = Annotated[str, Field(max_length=200_000)]


class Part(BaseModel):
    """A part of a document: no further fields, no number that is NaN or infinite."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class Estimate(Part):
    """A number with its interval."""

    value: float | None
    low: float | None
    high: float | None
    n: Count
    method: Text


class Model(Part):
    """The model whose seeds these are."""

    card: Text
    repo: Text
    revision: Text
    card_sha256: Hash64 = Field(description="Hash of all files of the checkpoint.")
    licence: Text = Field(description="Licence of the weights.")


class NoiseCheck(Part):
    """Numbers by which another machine recognises the noise of a seed."""

    seed: Seed
    first16: list[float] = Field(min_length=1, max_length=16)
    mean: float
    std: float
    atol: float = Field(gt=0, le=ATOL_LIMIT, description="Largest allowed difference.")


class Noise(Part):
    """The rule that turns a seed into noise."""

    noise_spec: Text
    seed_bits: Literal[32]
    draw_dtype: Literal["float32"]
    draw_device: Literal["cpu"]
    draw_per: Literal["image"]
    generator_reuse: Text
    latents_shape: tuple[Axis, Axis, Axis] = Field(description="Channels, height, width.")
    check: list[NoiseCheck] = Field(min_length=1, max_length=64)


class Metric(Part):
    """What the seeds were ranked by."""

    name: Text
    metric_id: Text
    unit: Text
    higher_is_better: bool
    method: Text


class Rule(Part):
    """How seeds were chosen."""

    name: Text
    share: Probability
    seeds_ranked: Count
    prompts_set1: Count
    prompts_set2: Count
    prompts_dropped: Count
    permutations: Count


class Tested(Part):
    """Which seeds and prompts the run drew."""

    seeds: Count
    seed_ranges: list[tuple[Seed, Seed]] = Field(description="First and last seed of each range.")
    prompts: Count
    prompt_groups: Count
    prompts_sha256: Hash64 = Field(description="Hash of the sorted prompt ids, one a line.")


class Strict(Part):
    """The golden seeds by the stricter rule."""

    rule: Text
    seeds: list[Seed]


class BestWorstGap(Part):
    """Best minus worst seed, and what chance gives."""

    value: float
    null_mean: float
    null_high: float
    p: Probability


class Bounds(Part):
    """A range."""

    low: float
    high: float


class JudgeWins(Part):
    """How often images of chosen seeds are better, by one judge."""

    metric: Text
    chose: bool
    win_rate: Estimate


class Evidence(Part):
    """What the lists rest on."""

    rank_correlation_of_the_sets: Estimate
    reliability: Estimate
    reliability_at_half_as_many_images: Estimate | None
    prompts_needed: Count | None
    prompts_needed_note: Text
    strict_golden: Strict
    mean_of_all_seeds_set2: float
    best_worst_gap: BestWorstGap
    null_of_one_seed: Bounds
    which_to_believe: Text
    warnings: list[Text]
    win_rates: list[JudgeWins]
    win_rates_note: Text


class ListedSeed(Part):
    """One seed of a list."""

    rank: int = Field(ge=1, description="Place in this list; 1 is the best, or the worst.")
    seed: Seed
    value: float = Field(description="The metric on prompt set 2.")
    ci_low: float = Field(description="Lower end of the 95 % interval.")
    ci_high: float = Field(description="Upper end of the 95 % interval.")
    n: int = Field(ge=1, description="Images of the seed in set 2.")
    p: Probability = Field(description="Share of the null's values at least as extreme.")
    p_adj: Probability = Field(description="p, adjusted by Holm for all seeds that were tested.")
    expected: float | None = Field(description="Value to expect on other prompts.")
    rank_set1: float = Field(ge=1, description="Rank of the seed on set 1.")
    rank_set2: float = Field(ge=1, description="Rank of the seed on set 2.")
    null_low: float = Field(description="2.5th percentile of a seed's value without seed effect.")
    null_high: float = Field(description="97.5th percentile of the same.")


class SeedListFile(Part):
    """golden_seeds.json or bad_seeds.json."""

    format: Literal["goldenseed seed list 2"]
    list_name: Literal["golden", "bad"] = Field(alias="list")
    demonstration: bool
    demonstration_note: Text
    run_id: Hash16
    grid_hash: Hash16
    model: Model
    sampling: dict[str, JsonValue]
    noise: Noise
    metric: Metric
    rule: Rule
    tested: Tested
    evidence: Evidence
    caution: Text
    confirmed: bool
    chosen: Count
    top_set2: Count
    again: Count
    null_mean: float
    null_sd: float
    null_p: Probability
    unrelated_mean: float
    unrelated_sd: float
    unrelated_p: Probability
    chosen_mean_set2: float
    verdict: Text
    withheld: Text
    seeds: list[ListedSeed]


class NoiseSpecFile(Noise):
    """noise_spec.json: all that makes a seed mean the same image elsewhere."""

    format: Literal["goldenseed noise spec 1"]
    cast_to: Text
    code: Text = Field(description="A line of Python that makes the generator of `seed`.")
    model: Model
    sampling: dict[str, JsonValue]


FORMATS: Mapping[str, type[Part]] = MappingProxyType(
    {LIST_FORMAT: SeedListFile, NOISE_FORMAT: NoiseSpecFile}
)
"""Format -> the class of its documents."""

SCHEMA_FILES: Mapping[str, str] = MappingProxyType(
    {LIST_FORMAT: "seed_list.schema.json", NOISE_FORMAT: "noise_spec.schema.json"}
)
"""Format -> the file of its published JSON Schema, in this package and in each release."""


def read_schemas() -> dict[str, bytes]:
    """Read the published JSON Schemas: file name -> content.

    Example:
        >>> sorted(read_schemas())
        ['noise_spec.schema.json', 'seed_list.schema.json']
    """
    folder = files(__package__) / "schemas"
    return {name: (folder / name).read_bytes() for name in SCHEMA_FILES.values()}
