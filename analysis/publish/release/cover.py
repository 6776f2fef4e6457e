"""Make the documents that describe the other files of a release."""

from collections.abc import Mapping
from typing import Any

import yaml

from analysis.publish.base import Content, sha256_of
from analysis.publish.pages.visible import visible
from analysis.publish.release.card import dataset_card
from analysis.publish.release.columns import to_json
from analysis.publish.release.croissant import croissant
from analysis.publish.release.formats import NOISE_FORMAT, read_schemas
from analysis.publish.release.lists import model_of, sampling_of
from analysis.ranking.result import Ranking
from pipeline.noise import noise_description, noise_spec
from pipeline.runs.run import Run

NOISE_FILE = "noise_spec.json"
NO_AUTHOR = "publisher of this list"


def cover(
    run: Run,
    ranking: Ranking,
    files: Mapping[str, Content],
    *,
    authors: tuple[str, ...],
    images: int,
) -> dict[str, bytes]:
    """Make README.md, noise_spec.json, the schemas, CITATION.cff and croissant.json.

    Args:
        run: The run.
        ranking: Its ranking.
        files: All other files of the release.
        authors: Who publishes the release.
        images: Number of images in the release.
    """
    documents = {
        NOISE_FILE: to_json(noise_document(run)),
        **read_schemas(),
        "CITATION.cff": citation(run, authors),
    }
    described = {name: sha256_of(data) for name, data in {**files, **documents}.items()}
    documents["README.md"] = dataset_card(run, ranking, files, images=images)
    documents["croissant.json"] = croissant(run, ranking, described)
    return documents


def noise_document(run: Run) -> dict[str, Any]:
    """State all that makes a seed give the same image elsewhere, with values to compare with."""
    return {
        "format": NOISE_FORMAT,
        **noise_description(run.config.noise, run.latents_shape),
        "cast_to": run.config.dtype,
        "code": noise_spec(run.config.noise).user_code,
        "model": model_of(run),
        "sampling": sampling_of(run),
    }


def citation(run: Run, authors: tuple[str, ...]) -> bytes:
    """Write CITATION.cff, version 1.2.0.

    Args:
        run: The run.
        authors: Names, as they are to be cited.

    Source:
        https://github.com/citation-file-format/citation-file-format/blob/1.2.0/schema.json
    """
    fields = {
        "cff-version": "1.2.0",
        "message": "If you use these seeds, please cite this list and the model.",
        "type": "dataset",
        "title": f"Golden and bad seeds of {visible(run.card.name)}",
        "abstract": f"Run {run.run_id}, grid {run.grid_hash}, ranked by goldenseed.",
        "authors": [{"name": visible(name)} for name in authors or (NO_AUTHOR,)],
        "keywords": ["seeds", "text-to-image", "diffusion"],
    }
    return yaml.safe_dump(fields, sort_keys=False, allow_unicode=True).encode()
