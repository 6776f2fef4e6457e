"""`goldenseed check`: verify a release that anybody made."""

from pathlib import Path
from typing import Annotated

import typer

from goldenseed.commands import exit_codes
from goldenseed.commands.options import AsJson
from pipeline.storage.address import local_path

Release = Annotated[Path, typer.Argument(
    metavar="RELEASE", parser=local_path,
    help="Folder of a release, for example RUN/releases/seedling-v1, or a .zip of it.",
)]  # fmt: skip


def check(release: Release, *, as_json: AsJson = False) -> None:
    """Verify a release that anybody made: checksums, schema, tables and values of its seeds.

    The noise of some seeds is drawn on this machine and compared with the published values. Ends
    with exit code 4 if anything is wrong. Nothing outside the release is read, and no link is
    followed. A checksum is no signature: it does not say who made the release.
    """
    from analysis.publish.release.check import check_release
    from goldenseed.output.verification import print_findings

    findings = check_release(release)
    print_findings(findings, as_json=as_json)
    if findings.problems:
        raise typer.Exit(exit_codes.DAMAGED)
