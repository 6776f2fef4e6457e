"""Write README.md of a release, which the Hugging Face hub shows as a dataset card."""

import html
import re
from collections.abc import Iterable
from typing import Any

import yaml

from analysis.publish.base import SUMS
from analysis.publish.pages.visible import visible
from analysis.publish.release.contents import Config, configs_of, with_rows
from analysis.publish.release.lists import CAUTION, DEMONSTRATION, tested
from analysis.ranking.result import Ranking, SeedList
from analysis.statistics.monte_carlo import p_words
from pipeline.noise import noise_spec
from pipeline.runs.run import Run
from pipeline.storage.schema import Column, huggingface_feature

HUB_LICENCES = ("apache-2.0", "mit", "openrail", "openrail++", "creativeml-openrail-m")
"""Licences that the hub knows by these names."""
SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (10**6, "100K<n<1M"))

NOT_SAID = (
    "Seeds were tested on the prompts of `prompts.parquet` alone. On prompts of another kind, "
    "language or length, other seeds may be better.",
    "A seed belongs to its model, size, scheduler and noise rule. The lists say nothing about "
    "another of these.",
    "A metric has biases of its own: of its training data, and of the reference it compares with. "
    "A list inherits them. A seed that such a metric likes may, for example, favour light "
    "backgrounds, centred objects or faces of one kind.",
    "Captions of real images describe what their writers saw. Captions that a model wrote may name "
    "things that are not in the image; a metric that compares with them then rewards inventions.",
    "Nothing was filtered by hand, and no person looked at each image.",
)
"""What a reader must not conclude, and why."""


def dataset_card(run: Run, ranking: Ranking, names: Iterable[str], *, images: int = 0) -> bytes:
    """Write the card.

    Args:
        run: The run.
        ranking: Its ranking.
        names: The other files of the release.
        images: Number of images in the release.
    """
    configs = configs_of(with_rows(names, ranking))
    head = yaml.safe_dump(
        front_matter(run, configs, images or ranking.n_seeds), sort_keys=False, allow_unicode=True
    )
    sections = (
        _title(run),
        _result(ranking),
        _how_found(run, ranking),
        _tested(run, ranking, images),
        f"## What the lists do not say\n\n{_bullets(NOT_SAID)}",
        _use(run),
        _tables(configs),
        _licences(run, images),
    )
    return f"---\n{head}---\n\n{chr(10).join(sections)}".encode()


def plain(text: str) -> str:
    r"""Write text of other people so that Markdown and HTML show it as text.

    Example:
        >>> plain("</script> *bold* [x](y)")
        '&lt;/script&gt; \\*bold\\* \\[x\\](y)'
    """
    return re.sub(r"([\\`*_\[\]|#~])", r"\\\1", html.escape(visible(text), quote=False))


def front_matter(run: Run, configs: Iterable[Config], rows: int) -> dict[str, Any]:
    """Make what the hub and `datasets` read: licence, size, and each table with its features.

    Args:
        run: The run.
        configs: The tables.
        rows: Rows of the largest table.
    """
    licence = run.card.licence.casefold()
    known = {"license": licence} if licence in HUB_LICENCES else {
        "license": "other",
        "license_name": re.sub(r"[^a-z0-9.+-]+", "-", licence).strip("-") or "unknown",
    }  # fmt: skip
    tables = list(configs)
    return {
        **known,
        "pretty_name": f"Golden and bad seeds of {visible(run.card.name)}",
        "language": ["en"],
        "task_categories": ["text-to-image"],
        "annotations_creators": ["machine-generated"],
        "source_datasets": ["original"],
        "size_categories": [next((size for limit, size in SIZES if rows < limit), "n>1M")],
        "tags": ["seeds", "diffusion", "golden-seeds", "goldenseed"],
        "configs": [
            {
                "config_name": config.name,
                "data_files": [{"split": s, "path": p} for s, p in config.files.items()],
                **({"default": True} if index == 0 else {}),
            }
            for index, config in enumerate(tables)
        ],
        "dataset_info": [
            {"config_name": c.name, "features": [_feature(column) for column in c.table.columns]}
            for c in tables
        ],
    }


def _feature(column: Column) -> dict[str, Any]:
    kind = huggingface_feature(column.type)
    return {"name": column.name, "dtype": kind.get("dtype", "image")}


def _title(run: Run) -> str:
    note = f"\n**Demonstration.** {DEMONSTRATION}\n" if run.card.demonstration else ""
    return f"# Golden and bad seeds of {plain(run.card.name)}\n{note}"


def _result(ranking: Ranking) -> str:
    correlation, gap = ranking.rank_correlation, ranking.gap
    return f"""## Result

- Golden seeds: {_seeds(ranking.golden)}. {plain(ranking.golden.verdict)}
- Bad seeds: {_seeds(ranking.bad)}. {plain(ranking.bad.verdict)}
- {ranking.n_seeds} seeds, {ranking.n_set1} prompts in set 1 and {ranking.n_set2} in set 2, one \
image each; metric {plain(ranking.metric)} ({plain(ranking.unit)}, \
{"higher" if ranking.higher_is_better else "lower"} is better).
- Rank correlation of the two sets: {correlation.value:z.2f} [{correlation.low:z.2f}, \
{correlation.high:z.2f}].
- Best minus worst seed: {gap.value:.4g}; without a seed effect {gap.null_mean:.4g} on average \
(95 %: {gap.null_high:.4g}), {p_words(gap.p, ranking.permutations)}.
- Mean on set 2: {ranking.mean_set2:.4g} for all seeds, {ranking.golden.chosen_mean_set2:.4g} for \
the best seeds of set 1, {ranking.bad.chosen_mean_set2:.4g} for the worst.
{_remarks(ranking)}
{CAUTION}
"""


def _how_found(run: Run, ranking: Ranking) -> str:
    return f"""## How the seeds were found

{ranking.rule}. "Chance" means this: in each prompt group, images were assigned to seeds at \
random, {ranking.permutations} times and alike in both sets, and the rule was applied again. Run \
{run.run_id}, grid {run.grid_hash}, metric {plain(ranking.metric_id)}.
"""


def _tested(run: Run, ranking: Ranking, images: int) -> str:
    about = tested(run, ranking)
    seeds = ", ".join(str(a) if a == b else f"{a} to {b}" for a, b in about["seed_ranges"])
    cells = len(run.prompts) * len(run.seeds)
    missing = f"\n\n**{cells - images:,} of {cells:,} images are missing here.**"
    return f"""## Which seeds and prompts were tested

{about["seeds"]:,} seeds ({seeds}), each with the same {about["prompts"]:,} prompts in \
{about["prompt_groups"]:,} groups. `tested_seeds.csv` holds every seed, listed or not, and \
`prompts.parquet` every prompt.{missing if 0 < images < cells else ""}
"""


def _use(run: Run) -> str:
    return f"""## How to use a seed

A seed names a noise tensor. `noise_spec.json` states the rule, with numbers to compare with. In \
diffusers, load this model and revision, and draw at {run.config.width} x {run.config.height} \
pixels with the sampling settings of the run:

```python
{noise_spec(run.config.noise).user_code}
image = pipe(prompt, generator=generator).images[0]
```

Use one generator per image, on the CPU, in float32. The same number gives other noise at \
another size, with the generator of another device, or with another model.

In ComfyUI, type the seed into a sampler with batch size 1: its starting noise is drawn on the \
CPU. In AUTOMATIC1111 and Forge, set the random number generator source to CPU; in SD.Next, set \
the generator device to CPU. Samplers that add noise at each step draw that noise in another way \
in each of these programs, so only samplers without step noise agree.

`goldenseed check FOLDER` verifies this folder; `sha256sum --check {SUMS}` verifies the checksums \
alone.
"""


def _tables(configs: Iterable[Config]) -> str:
    parts = []
    for config in configs:
        rows = "".join(
            f"| `{c.name}` | {c.meaning}{f' ({c.unit})' if c.unit else ''} |\n"
            for c in config.table.columns
        )
        splits = ", ".join(f"`{split}`" for split in config.files)
        parts.append(
            f"### {config.name}\n\nOne row is {config.meaning}. Splits: {splits}.\n\n"
            f"| column | meaning |\n|---|---|\n{rows}"
        )
    code = '```python\nfrom datasets import load_dataset\n\nload_dataset("FOLDER", "lists")\n```\n'
    return "\n".join([f"## Tables\n\n{code}", *parts])


def _licences(run: Run, images: int) -> str:
    shown = "The images" if images else "The images on the contact sheet"
    return f"""## Licences

The model's weights have the licence {plain(run.card.licence)}. {shown} were drawn by that model, \
and its licence may say how they may be used. Seeds and measurements are facts. Prompts have the \
licence of their source, which goldenseed does not know; shipped prompts have Apache-2.0.
"""


def _remarks(ranking: Ranking) -> str:
    """Which number to believe, warnings and judges, one line each; empty if there are none."""
    remarks = filter(None, [ranking.belief, *ranking.warnings, ranking.judges_note])
    return _bullets(plain(remark) for remark in remarks)


def _bullets(lines: Iterable[str]) -> str:
    return "".join(f"- {line}\n" for line in lines)


def _seeds(listed: SeedList) -> str:
    return ", ".join(map(str, listed.seeds)) or "none"
