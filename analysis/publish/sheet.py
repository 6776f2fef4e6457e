"""Publish the contact sheet of a release, if the run kept images."""

import io
from collections.abc import Mapping

from analysis.pictures.contact_sheet import contact_sheet
from analysis.publish.base import Artifact, check_same_run
from analysis.ranking.result import Ranking
from pipeline.errors import RunError
from pipeline.runs.run import Run

SHEET = "contact_sheet.png"


class Sheet(Artifact):
    """`contact_sheet.png`; no file for a run that kept no images."""

    def files(self, run: Run, ranking: Ranking) -> Mapping[str, bytes]:
        """Draw the contact sheet."""
        check_same_run(run, ranking)
        try:
            sheet = contact_sheet(run, ranking)
        except RunError:
            return {}
        buffer = io.BytesIO()
        sheet.save(buffer, "PNG")
        return {SHEET: buffer.getvalue()}
