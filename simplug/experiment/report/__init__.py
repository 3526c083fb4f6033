"""The report of a run: one HTML file with its numbers, curves and pictures, readable without a network."""

from __future__ import annotations

from simplug.experiment.report.findings import Findings as Findings
from simplug.experiment.report.page import write_report as write_report
