"""Write the report of a run: a folder that opens in a browser, without a server or a network."""

from analysis.publish.report.write import write_report

__all__ = ["write_report"]
