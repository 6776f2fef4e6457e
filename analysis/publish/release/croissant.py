"""Describe the tables of a release in Croissant 1.0, the JSON-LD format of MLCommons.

The hub makes such a file by itself, but without what the card says about biases (RAI).
"""

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from analysis.publish.release.card import NOT_SAID
from analysis.publish.release.columns import to_json
from analysis.publish.release.contents import Config, configs_of, with_rows
from analysis.ranking.result import Ranking
from pipeline.runs.run import Run
from pipeline.storage.schema import Column, huggingface_feature

CONTEXT: Final = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "dct": "http://purl.org/dc/terms/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "sc": "https://schema.org/",
    "conformsTo": "dct:conformsTo",
    **{
        name: {"@id": f"cr:{name}", "@type": "@json"} for name in ("data", "examples")
    },
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    **{
        name: f"cr:{name}"
        for name in (
            *("citeAs", "column", "equivalentProperty", "extract", "field", "fileProperty"),
            *("fileObject", "fileSet", "format", "includes", "isLiveDataset", "jsonPath", "key"),
            *("md5", "parentField", "path", "recordSet", "references", "regex", "repeated"),
            *("replace", "samplingRate", "separator", "source", "subField", "transform"),
        )
    },
}  # fmt: skip
"""The context of the Croissant standard."""

TYPES: Final = {
    "string": "sc:Text",
    "bool": "sc:Boolean",
    "int8": "sc:Integer",
    "int32": "sc:Integer",
    "int64": "sc:Integer",
    "float64": "sc:Float",
}
ENCODINGS: Final = {
    ".csv": "text/csv",
    ".json": "application/json",
    ".parquet": "application/x-parquet",
    ".png": "image/png",
}


def croissant(run: Run, ranking: Ranking, hashes: Mapping[str, str]) -> bytes:
    """Write croissant.json.

    Args:
        run: The run.
        ranking: Its ranking.
        hashes: File of the release -> sha256.
    """
    configs = configs_of(with_rows(hashes, ranking))
    patterns = {p for c in configs for p in c.files.values() if "*" in p}
    name = f"Golden and bad seeds of {run.card.name}"
    document = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": name,
        "description": f"Seeds of {run.card.name}, ranked by what they do to its images.",
        "version": "2.0.0",  # of the format
        "license": run.card.licence,
        "citeAs": f"{name}, run {run.run_id}, grid {run.grid_hash}, by goldenseed.",
        "rai:dataCollection": (
            "Images were drawn by the model for each prompt and each seed, and measured by "
            "programs; no person took part."
        ),
        "rai:dataBiases": " ".join(NOT_SAID),
        "rai:dataUseCases": "Choosing seeds for this model, and studying what seeds do.",
        "distribution": [
            *(_file(name, hashes[name]) for name in sorted(hashes) if "/" not in name),
            *(_file_set(pattern) for pattern in sorted(patterns)),
        ],
        "recordSet": [_record_set(c, split) for c in configs for split in c.files],
    }
    return to_json(document)


def _file(name: str, sha256: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "encodingFormat": ENCODINGS.get(PurePosixPath(name).suffix, "text/plain"),
        "sha256": sha256,
    }


def _file_set(pattern: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": pattern,
        "name": pattern,
        "encodingFormat": ENCODINGS[".parquet"],
        "includes": pattern,
    }


def _record_set(config: Config, split: str) -> dict[str, Any]:
    name, file = f"{config.name}-{split}", config.files[split]
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"One row is {config.meaning}.",
        "field": [_field(f"{name}/{column.name}", column, file) for column in config.table.columns],
    }


def _field(key: str, column: Column, file: str) -> dict[str, Any]:
    kind = huggingface_feature(column.type).get("dtype")
    image = {} if kind else {"transform": {"jsonPath": "bytes"}}
    origin = {"fileSet" if "*" in file else "fileObject": {"@id": file}}
    return {
        "@type": "cr:Field",
        "@id": key,
        "name": column.name,
        "description": column.meaning,
        "dataType": TYPES.get(str(kind), "sc:ImageObject"),
        "source": {**origin, "extract": {"column": column.name}, **image},
    }
