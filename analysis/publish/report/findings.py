"""The studies of a run: what each found, its figures, and the numbers of those with a page."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from analysis.publish.pages import visible
from analysis.publish.report.available import Part, attempt, study_part, without_folders
from analysis.studies import STUDIES
from analysis.studies.results import read_summary
from pipeline.runs.layout import STUDIES_FOLDER
from pipeline.runs.run import Run

PAGES: Mapping[str, Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "style": {"map": ("seed", "x", "y", "group", "null_x", "null_y")},
        "composition": {
            "seeds": ("seed", "found", "x", "y", "size", "depth", "n"),
            "objects": ("seed", "object", "n", "x", "y"),
            "shares": ("measure", "seed", "seed_low", "seed_high", "seed_null_high", "seed_p", "n"),
        },
        "distinguishability": {
            "epochs": ("trained_on", "prompts", "epoch", "training_top1", "validation_top1"),
            "tests": ("test", "top1", "low", "high", "n", "prompts", "groups", "chance"),
            "seeds": ("seed", "top1", "n", "most_often_taken_for"),
        },
        "brightness": {
            "means": (
                *("run", "intervention", "steps", "guidance", "kind", "prompts", "n"),
                *("brightness", "brightness_low", "brightness_high", "truth"),
                *("change", "change_low", "change_high"),
            ),
        },
    }
)
"""Study -> table -> columns that the report draws by itself, beside the figures of the study."""
FEATURES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "style": ("gram", "gram_seedling"),
        "composition": ("layout", "layout_seedling"),
        "text": ("ocr",),
        "brightness": ("appearance",),
    }
)
"""Page -> features any of which it needs."""
FIGURES = (".png", ".svg")


def pages(run: Run) -> dict[str, Part]:
    """Read the studies that have a page of their own."""
    parts = {study: study_part(run, study, dict(tables)) for study, tables in PAGES.items()}
    for study, part in parts.items():
        if part["missing"]:
            part["missing"] = _what_to_do(run, study, f"goldenseed study {study} {run.root.name}")
    return parts


def missing_text(run: Run) -> str:
    """Say what makes the page of text artifacts, which shows a metric and no study."""
    return _what_to_do(run, "text", f"goldenseed measure {run.root.name}")


def _what_to_do(run: Run, page: str, command: str) -> str:
    """Name the command that makes a page, and first the feature that it needs."""
    needed = FEATURES.get(page, ())
    if not needed or any(name.partition("@")[0] in needed for name in run.recipe.features):
        return f"To make this page: `{command}`, then `goldenseed report {run.root.name}`."
    return (
        f"This run does not measure the feature {' or '.join(f'`{name}`' for name in needed)}. Add "
        f"it to `features` of the recipe (for text also `text_artifact_rate` to `metrics`), repeat "
        f"`goldenseed run`, then `{command}` and `goldenseed report {run.root.name}`."
    )


def findings(run: Run) -> list[Part]:
    """List every study: what it asked and found, or the command that runs it."""
    return [_finding(run, name) for name in STUDIES]


def _finding(run: Run, name: str) -> Part:
    summary, reason = attempt(run, lambda: read_summary(run, name))
    if summary is None:
        known = run.store.path(f"{STUDIES_FOLDER}/{name}").is_dir()
        command = f"goldenseed study {name} {run.root.name}"
        return {"study": name, "missing": reason if known else f"not run: `{command}`"}
    return {
        "study": name,
        "missing": "",
        "outcome": without_folders(run, visible(summary["outcome"])),
        **{key: summary[key] for key in ("question", "method", "null", "n", "source", "version")},
        "figures": [_figure(summary, file) for file in _pictures(summary)],
    }


def _pictures(summary: Mapping[str, Any]) -> list[str]:
    """One file a figure: as SVG if the study wrote both. Sheets of images come last."""
    names = [Path(file) for file in summary["files"] if Path(file).suffix in FIGURES]
    drawn = {path.stem for path in names if path.suffix == ".svg"}
    sheets = [path for path in names if path.stem not in drawn]
    return [path.name for path in (*(path for path in names if path.suffix == ".svg"), *sheets)]


def _figure(summary: Mapping[str, Any], file: str) -> Part:
    captions = summary.get("captions", {})
    return {
        "file": f"figures/{summary['study']}/{file}",
        "caption": captions.get(Path(file).stem, ""),
        "name": Path(file).stem.replace("_", " "),
    }


def figure_files(run: Run, listed: list[Part]) -> dict[str, bytes]:
    """Read the figures that `findings` lists: name in the report -> content."""
    files = {}
    for finding in listed:
        for figure in finding.get("figures", []):  # type: ignore[attr-defined]
            name = Path(figure["file"]).name
            key = f"{STUDIES_FOLDER}/{finding['study']}/{name}"
            files[figure["file"]] = run.store.read(key)
    return files
