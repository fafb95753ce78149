"""A report for a reader: one self-contained HTML page and, beside it, every figure as JSON."""

from models.evaluation.report.sections import ReportError, Section, SectionKind, SplitUnit
from models.evaluation.report.writer import HTML, JSON, write_report

__all__ = ["HTML", "JSON", "ReportError", "Section", "SectionKind", "SplitUnit", "write_report"]
