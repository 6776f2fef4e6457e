"""Find code that nothing uses: `python -m tests.unused_code`, a part of `make lint`.

vulture reads no strings, so the classes that the registries name, and the fields of published
documents, are added to what it sees used.
Tests are left out on purpose: what a test alone calls is unused.
"""

import sys
from pathlib import Path

import vulture

from analysis.features import FEATURES
from analysis.metrics import METRICS
from analysis.publish import PUBLISH
from analysis.publish.release.formats import NoiseSpecFile, Part
from analysis.studies import STUDIES
from pipeline.executors import EXECUTORS
from pipeline.interventions import INTERVENTIONS
from pipeline.models import MODELS

FOLDERS = ("goldenseed", "pipeline", "analysis", "seedling", "benchmarks", "notebooks")
REGISTRIES = (FEATURES, METRICS, PUBLISH, STUDIES, EXECUTORS, INTERVENTIONS, MODELS)

# Name -> who uses it, unseen by vulture.
ALLOWED = {
    "Axes": "a type of matplotlib's, imported for annotations alone",
    "DataclassInstance": "a type of typeshed's, imported for annotations alone",
    "TSNEEmbedding": "a type of openTSNE's, imported for annotations alone",
    "__getattr__": "Python, for the public names of goldenseed",
    "_repr_html_": "Jupyter",
    "_repr_mimebundle_": "Jupyter",
    "_repr_png_": "Jupyter",
    "exclude": "Jupyter, which asks for some forms of an output only",
    "include": "Jupyter, which asks for some forms of an output only",
    "pd": "pandas, imported for annotations alone",
    "to_atlas": "readers of a run in Python, and a notebook",
    "zoom": "readers of a run in Python",
    "_runtime_env_has_working_dir": "Ray",
    "ignore_prefix": "Ray",
    "job_id": "Ray's client of jobs",
    "runtime_env": "Ray's client of jobs",
    "challenge": "prompt files, and image shards",
    "condition": "diffusers, which passes the second argument of a time embedding",
    "format_commands": "typer, for the help",
    "format_epilog": "typer, for the help",
    "forward": "torch",
    "maxlevel": "reprlib",
    "maxother": "reprlib",
    "maxstring": "reprlib",
    "model_config": "pydantic",
    "num_features": "torch-fidelity",
    "out_features": "torch, for the shape of a linear layer",
    "prepare_ip_adapter_image_embeds": "diffusers, in which it is replaced",
    "time_emb_proj": "torch, for the names in a checkpoint",
    "time_embedding": "torch, for the names in a checkpoint",
    "time_embedding_norm": "torch, for the names in a checkpoint",
    "yaml_implicit_resolvers": "PyYAML",
    "upsampler_text_encoder": "diffusers, which saves what a pipeline's constructor names",
    "neutral": "the contract suite of interventions",
    "neutral_tolerance": "the contract suite of interventions",
    "restore": "the contract suite of interventions, and whoever reuses a pipe",
    # Fields that `dataclasses.asdict` writes into a file.
    "excess": "a table of the study inpainting",
    "false_positives": "seedling/figures",
    "ratio_with_reference": "the line that the benchmark prints",
    "recall": "seedling/figures",
    "removed": "the JSON of `goldenseed gc`",
    "same_text": "the report of `goldenseed prompts coco`",
    "unusable_captions": "the report of `goldenseed prompts coco`",
    # A setting that is looked up by its name.
}


def unused(folders: list[str]) -> tuple[list[str], set[str]]:
    """Give what is unused and not allowed, and the allowed names that are used after all."""
    finder = vulture.Vulture(
        ignore_decorators=["@app.command", "@app.callback", "@field_validator"]
    )
    finder.scavenge(folders)
    for registry in REGISTRIES:
        for path in registry.values():
            finder.scan(path.split(":")[1])
    for part in (NoiseSpecFile, *Part.__subclasses__()):
        finder.scan("; ".join(part.model_fields))
    items = finder.get_unused_code()
    reports = [
        f"{item.filename}:{item.first_lineno}: unused {item.typ} {item.name}"
        for item in items
        if item.name not in ALLOWED
    ]
    return reports, set(ALLOWED) - {item.name for item in items}


def main() -> None:
    """Print what is unused; exit 1 if there is anything."""
    reports, needless = unused([folder for folder in FOLDERS if Path(folder).is_dir()])
    for name in sorted(needless):
        reports.append(f"tests/unused_code.py: {name} is used: take it off the list")
    print("\n".join(reports))
    sys.exit(bool(reports))


if __name__ == "__main__":
    main()
