"""Write the report of a run: a folder that opens in a browser, without a server or a network."""

from analysis.publish.report.write import refuse_other_files, write_report

__all__ = ["refuse_other_files", "write_report"]
