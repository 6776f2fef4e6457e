"""Check a release that anybody made: checksums, documents, tables, and noise on this machine.

Whatever a folder or an archive holds, nothing outside it is read, no link is followed, and no file
takes more memory than a stated limit.
"""

from pathlib import Path

from analysis.publish.release.check.documents import Documents, read_documents
from analysis.publish.release.check.files import check_files
from analysis.publish.release.check.found import Findings
from analysis.publish.release.check.noise import check_noise
from analysis.publish.release.check.opening import opened
from analysis.publish.release.check.related import check_relations
from analysis.publish.release.check.tables import check_tables

__all__ = ["Findings", "check_release"]


def check_release(path: Path) -> Findings:
    """Check a release.

    Args:
        path: Its folder, or a .zip archive of it.

    Returns:
        What was checked and what is wrong.

    Raises:
        RunError: If this is no release.
    """
    findings = Findings()
    with opened(path) as folder:
        hashes = check_files(folder, findings)
        documents = read_documents(folder, hashes, findings)
        if documents is not None:
            _check_content(folder, documents, hashes, findings)
    return findings


def _check_content(
    folder: Path, documents: Documents, hashes: dict[str, str], findings: Findings
) -> None:
    check_relations(folder, documents, hashes, findings)
    check_tables(folder, documents, hashes, findings)
    check_noise(documents.golden.noise, findings)
