"""Check that the documents of a release say the same, and can all be true."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from analysis.publish.release.check.documents import LIMIT, Documents, read_json
from analysis.publish.release.check.found import Findings
from analysis.publish.release.formats import SeedListFile

OWN = {
    *("list_name", "confirmed", "chosen", "top_set2", "again", "null_mean", "null_sd", "null_p"),
    *("unrelated_mean", "unrelated_sd", "unrelated_p", "chosen_mean_set2", "verdict", "withheld"),
    "seeds",
}
"""What only one of the two lists says."""
FILES = {"golden": "golden_seeds.json", "bad": "bad_seeds.json"}


def check_relations(
    folder: Path, documents: Documents, hashes: Mapping[str, str], findings: Findings
) -> None:
    """Compare lists, noise rule, README.md and croissant.json with one another.

    Args:
        folder: The release.
        documents: Its documents.
        hashes: The files that are as SHA256SUMS says.
        findings: Gets the problems.
    """
    for name, listed in (("golden", documents.golden), ("bad", documents.bad)):
        for text in _of_list(name, listed):
            findings.problem(FILES[name], text)
    for text in _of_both(documents):
        findings.problem(FILES["bad"], text)
    for text in _of_noise(documents):
        findings.problem("noise_spec.json", text)
    _check_readme(folder, documents, hashes, findings)
    _check_croissant(folder, hashes, findings)
    findings.checked.append("lists, noise rule, README.md and croissant.json against one another")


def _of_list(name: str, listed: SeedListFile) -> Iterator[str]:
    seeds = [row.seed for row in listed.seeds]
    known = listed.tested.seed_ranges
    strict = listed.evidence.strict_golden.seeds
    if listed.list_name != name:
        yield f"is the {listed.list_name} list"
    if [row.rank for row in listed.seeds] != list(range(1, len(seeds) + 1)):
        yield "its ranks are not 1, 2, 3 and so on"
    if len(set(seeds)) < len(seeds):
        yield "names a seed twice"
    if any(not any(low <= seed <= high for low, high in known) for seed in [*seeds, *strict]):
        yield "names a seed that was not tested"
    if any(row.ci_low > row.ci_high for row in listed.seeds):
        yield "holds an interval whose ends are swapped"
    if seeds and not listed.confirmed:
        yield "names seeds although set 2 did not confirm the list"
    if listed.tested.seeds != sum(high - low + 1 for low, high in known):
        yield "its ranges of tested seeds have another sum than its number of tested seeds"
    if listed.tested.seeds != listed.rule.seeds_ranked:
        yield "ranked another number of seeds than it tested"


def _of_both(documents: Documents) -> Iterator[str]:
    golden, bad = (d.model_dump(exclude=OWN) for d in (documents.golden, documents.bad))
    for key in golden:
        if golden[key] != bad[key]:
            yield f"its field `{key}` is not that of {FILES['golden']}"
    if {row.seed for row in documents.golden.seeds} & {row.seed for row in documents.bad.seeds}:
        yield "names a seed that is golden as well"


def _of_noise(documents: Documents) -> Iterator[str]:
    stated, own = documents.golden, documents.noise.model_dump()
    expected = {
        **stated.noise.model_dump(),
        "model": stated.model.model_dump(),
        "sampling": stated.sampling,
    }
    for key, value in expected.items():
        if own[key] != value:
            yield f"its field `{key}` is not that of {FILES['golden']}"


def _check_readme(
    folder: Path, documents: Documents, hashes: Mapping[str, str], findings: Findings
) -> None:
    """Compare the seeds that README.md names with the lists."""
    path = folder / "README.md"
    if "README.md" not in hashes or path.stat().st_size > LIMIT:
        return
    text = path.read_text(encoding="utf-8", errors="replace")
    for word, listed in (("Golden", documents.golden), ("Bad", documents.bad)):
        seeds = ", ".join(str(row.seed) for row in listed.seeds) or "none"
        if f"- {word} seeds: {seeds}. " not in text:
            findings.problem("README.md", f"does not name the {word.casefold()} seeds: {seeds}")


def _check_croissant(folder: Path, hashes: Mapping[str, str], findings: Findings) -> None:
    """Compare the checksums that croissant.json states."""
    name = "croissant.json"
    document = read_json(folder, name, findings) if name in hashes else None
    if document is None:
        return
    stated = dict(_stated_hashes(document))
    described = set(hashes) - {"README.md", name}
    wanted = {file: hashes[file] for file in described if "/" not in file}
    if stated != wanted:
        wrong = sorted(set(stated.items()) ^ set(wanted.items()))
        findings.problem(name, f"states another checksum for {wrong[0][0][:80]!r}")


def _stated_hashes(document: Any) -> Iterator[tuple[str, str]]:  # noqa: ANN401 - any JSON
    parts = document.get("distribution") if isinstance(document, dict) else None
    for part in parts if isinstance(parts, list) else []:
        if isinstance(part, dict) and isinstance(part.get("sha256"), str):
            yield str(part.get("contentUrl")), part["sha256"]
