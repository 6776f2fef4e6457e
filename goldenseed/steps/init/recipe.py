"""Write the recipe of `goldenseed init`, and check that it is one."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from analysis.features.cards import load_card as load_feature_card
from analysis.features.cards import local_weights
from analysis.metrics import load_metric
from analysis.ranking.before_drawing import refuse_unrankable, refuse_without_better_end
from goldenseed.steps import begin
from goldenseed.steps.init.arms import arm_lines
from goldenseed.steps.init.card_fields import card_fields
from goldenseed.steps.init.model import model_facts
from goldenseed.steps.init.recipe_text import commented, flow, section
from goldenseed.steps.init.request import Request
from pipeline.cards.card import Card
from pipeline.cards.facts.fact import Fact
from pipeline.cards.facts.parameters import load_of
from pipeline.cards.memory import GIB, fitting, need, usable
from pipeline.errors import ConfigError, PromptError
from pipeline.prompts.prompt_sets import read_prompts
from pipeline.settings.choices import SeedChoice
from pipeline.settings.recipe import parse_recipe
from pipeline.storage.plain_yaml import load_plain

HPS_CARD = "hps-v2.1-gpu"
HPS = f"hps_v2_1@{HPS_CARD}"
PIXELS_TOGETHER = 2**22
"""Pixels that are drawn together: 4 images of 1024 x 1024."""

LARGEST_BATCH = 32
APPEARANCE = ("brightness", "contrast", "colourfulness", "saturation")


def recipe_text(request: Request, others: Sequence[str] = ()) -> str:
    """Write a recipe with its card.

    Args:
        request: The model, prompts and seeds.
        others: More models, each of which becomes an arm beside that of the first.

    Returns:
        YAML that `goldenseed run` takes as it is.

    Raises:
        GoldenseedError: If the model, the prompts, the seeds or the metric cannot be used, or the
            files do not say all that a card needs.
    """
    facts = model_facts(request)
    fields = {"name": Fact(request.name, "as the model is called"), **card_fields(facts, request)}
    batch, why = _save_memory(fields, request)
    predicts = facts.known.get("prediction_type")
    lines = [
        *commented(_head(request)),
        "",
        *section("card", fields),
        *([f"  # predicts {predicts.value} ({predicts.source})"] if predicts else []),
        "",
        *_grid(request),
        f"batch_size: {batch}  # {why}",
        "",
        *arm_lines(request, others, fields),
        *_measures(request, demonstration="demonstration" in fields),
    ]
    text = "\n".join(lines) + "\n"
    recipe = parse_recipe(load_plain(text), Path("study.yaml"))
    card = recipe.own_card()
    card.latents_shape(card.height, card.width)
    try:
        refuse_unrankable(recipe, recipe.seeds.values(), begin.load_prompts(recipe).prompts)
    except ConfigError as error:
        return text.replace("\nranking:", f"\n# Nothing is ranked: {error}.\n# ranking:")
    return text


def _head(request: Request) -> list[str]:
    return [
        f"A seed study of {request.name}, written by `goldenseed init`. What it will cost:",
        "",
        "  goldenseed plan study.yaml",
        "  goldenseed run study.yaml",
        "",
        "The comment beside a value says where it comes from. Change what you like: docs/cards.md",
        "and docs/recipes.md describe every field.",
    ]


def _grid(request: Request) -> list[str]:
    """Write the prompts and seeds, after both were read."""
    seeds = SeedChoice.parse(request.seeds)
    values = seeds.chosen or None
    chosen = {"chosen": list(values)} if values else {"start": seeds.start, "count": seeds.count}
    source, count = _prompts(request.prompts)
    return [
        f"prompts: {flow({'source': source})}  # {count:,} prompts",
        f"seeds: {flow(chosen)}",
    ]


def _prompts(name: str) -> tuple[str, int]:
    """Read a prompt file; give its name or absolute path, and the number of its prompts."""
    shipped = begin.PROMPTS / f"{name}.jsonl"
    path = shipped if shipped.is_file() else Path(name)
    if not path.is_file():
        known = sorted(file.stem for file in begin.PROMPTS.glob("*.jsonl"))
        raise PromptError(
            f"no prompt file {name}; wanted a file with one prompt a line (.txt), a .csv, .tsv or "
            f".jsonl, or a shipped one: {', '.join(known)}"
        )
    count = len(read_prompts(path).prompts)
    return (name if shipped.is_file() else str(path.resolve())), count


def _save_memory(fields: dict[str, Fact], request: Request) -> tuple[int, str]:
    """Choose the batch size, and add what saves memory to the card; say why."""
    pixels = int(fields["height"].value) * int(fields["width"].value)
    largest = max(1, min(LARGEST_BATCH, PIXELS_TOGETHER // pixels))
    batch = int(1 << (largest.bit_length() - 1))
    why = "images drawn together; fewer need less memory"
    if not request.vram:
        return batch, why
    values = {name: fact.value for name, fact in fields.items()}
    card = Card(**values)
    load = load_of(
        card, height=card.height, width=card.width, batch=batch, guided=card.guidance_scale > 1
    )
    if load is None:
        raise ConfigError("--vram needs the weights on this machine; give a local --model")
    memory, batch = fitting(load, usable(request.vram))
    source = f"--vram {request.vram:g}"
    fields["memory"] = Fact(memory.model_dump(exclude_defaults=True), source)
    expected = need(replace(load, batch=batch), memory)
    if expected.total > usable(request.vram):
        raise ConfigError(
            f"{request.model} does not fit into {request.vram:g} GiB even with layers on the CPU; "
            f"{expected.words}"
        )
    return batch, f"{source}: about {expected.total / GIB:.1f} GiB are expected"


def _measures(request: Request, *, demonstration: bool) -> list[str]:
    metric, why = _ranking(request, demonstration=demonstration)
    ranked = load_metric(metric)
    refuse_without_better_end(ranked)
    features = list(dict.fromkeys(["appearance", *ranked.features]))
    metrics = list(dict.fromkeys([metric, *APPEARANCE]))
    return [
        f"features: {flow(features)}",
        f"metrics: {flow(metrics)}",
        f"ranking: {flow({'metric': metric})}  # {why}",
    ]


def _ranking(request: Request, *, demonstration: bool) -> tuple[str, str]:
    """Choose the metric that ranks, with the reason."""
    if request.rank:
        return request.rank, "--rank"
    if demonstration:
        return "kid_perceptual", "distance from scenes of the small world, which this model draws"
    if request.gpu and local_weights(load_feature_card(HPS_CARD, "hps")) is not None:
        return HPS, "preferred images; its weights are on this machine"
    return (
        "text_artifact_rate",
        f"unwanted writing; needs no download. By preference: --rank {HPS}",
    )
