"""Read the JSON documents of a release, and check them against their published form."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from analysis.publish.pages.visible import visible
from analysis.publish.release.check.files import check_names
from analysis.publish.release.check.found import Findings
from analysis.publish.release.formats import (
    OLD_LIST_FORMAT,
    NoiseSpecFile,
    Part,
    SeedListFile,
    read_schemas,
)

LIMIT = 16 * 2**20
"""Largest document that is read, in bytes. A list of 10,000 seeds has 4 MB."""
SHOWN = 5
"""Problems of one document that are shown."""

P = TypeVar("P", bound=Part)


@dataclass(frozen=True)
class Documents:
    """The documents of a release.

    Attributes:
        golden: golden_seeds.json.
        bad: bad_seeds.json.
        noise: noise_spec.json.
    """

    golden: SeedListFile
    bad: SeedListFile
    noise: NoiseSpecFile


def read_documents(folder: Path, hashes: Mapping[str, str], findings: Findings) -> Documents | None:
    """Read the three documents.

    Args:
        folder: The release.
        hashes: The files that are as SHA256SUMS says.
        findings: Gets the problems.

    Returns:
        The documents; None if one of them is damaged, or the release has format 1.
    """
    if _is_old(folder, hashes):
        check_names(set(hashes), findings, old=True)
        findings.notes.append(
            "this release has format 1, which has no schema: only checksums were compared; "
            "`goldenseed publish` writes the present format"
        )
        return None
    check_names(set(hashes), findings)
    golden = _read(folder, "golden_seeds.json", SeedListFile, hashes, findings)
    bad = _read(folder, "bad_seeds.json", SeedListFile, hashes, findings)
    noise = _read(folder, "noise_spec.json", NoiseSpecFile, hashes, findings)
    for name, schema in read_schemas().items():
        if name in hashes and (folder / name).read_bytes() != schema:
            findings.problem(name, "is not the published schema")
    if golden is None or bad is None or noise is None:
        return None
    findings.checked.append("lists and noise rule against their schemas")
    return Documents(golden, bad, noise)


def read_json(folder: Path, name: str, findings: Findings) -> Any | None:  # noqa: ANN401 - any JSON
    """Read a JSON file within limits; None, with a problem, if it is none.

    Args:
        folder: The release.
        name: The file.
        findings: Gets the problem.
    """
    path = folder / name
    if path.stat().st_size > LIMIT:
        findings.problem(name, f"has {path.stat().st_size:,} bytes; at most {LIMIT:,} are read")
        return None
    try:
        return json.loads(path.read_bytes(), object_pairs_hook=_once, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        findings.problem(name, f"is no JSON document: {visible(str(error))[:200]}")
        return None


def _is_old(folder: Path, hashes: Mapping[str, str]) -> bool:
    name = "golden_seeds.json"
    document = read_json(folder, name, Findings()) if name in hashes else None
    return isinstance(document, dict) and document.get("format") == OLD_LIST_FORMAT


def _read(
    folder: Path, name: str, kind: type[P], hashes: Mapping[str, str], findings: Findings
) -> P | None:
    if name not in hashes or read_json(folder, name, findings) is None:
        return None
    try:
        return kind.model_validate_json((folder / name).read_bytes())
    except ValidationError as error:
        for part in error.errors(include_url=False, include_input=False)[:SHOWN]:
            place = ".".join(map(str, part["loc"]))
            findings.problem(name, visible(f"{place[:200]}: {part['msg'][:200]}"))
        return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError("a key occurs twice")
    return fields


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")
