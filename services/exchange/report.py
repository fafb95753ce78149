"""The report about a decided case, as PDF or HTML, in a language: what both doors answer with."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum
from threading import Lock

from services.exchange.report_pictures import Shelf
from services.exchange.report_words import words_in
from services.exchange.result import CaseResult


class Form(StrEnum):
    """A report's media type."""

    PDF = "application/pdf"
    HTML = "text/html"


_ONE_AT_A_TIME = Lock()


@dataclass(frozen=True, slots=True)
class Document:
    """A report's bytes. ``etag``: of these bytes; ``filename``: says nothing about the patient; ``policy``: under which HTML is shown."""

    data: bytes
    form: Form
    language: str
    etag: str
    filename: str
    policy: str

    @property
    def content_type(self) -> str:
        """The media type; HTML says its letters."""
        return "text/html; charset=utf-8" if self.form is Form.HTML else self.form.value


def headers_of(document: Document) -> dict[str, str]:
    """The headers of an answer with this document. It is about a patient: no shared cache keeps it."""
    return {
        "Content-Disposition": f'inline; filename="{document.filename}"',
        "Content-Language": document.language,
        "Content-Security-Policy": document.policy,
        "Cache-Control": "private, no-cache",
    }


def make_report(*, result: CaseResult, store: Shelf, language: str, form: Form) -> Document:
    """Return the report of a decided case; equal results give equal bytes.

    Args:
        language: one of `report_words.languages`.

    Raises:
        StoreUnavailable: the object store, where the pictures lie, does not answer.
    """
    # Each holds its pictures while it is made. Two at once would not be faster: Python makes one at a time.
    with _ONE_AT_A_TIME:
        data, policy = _made(result, store, language, form)
    name = f"report-{result.case.id}-v{result.version}-{language}.{'pdf' if form is Form.PDF else 'html'}"
    return Document(data, form, language, hashlib.sha256(data).hexdigest()[:32], name, policy)


def _made(result: CaseResult, store: Shelf, language: str, form: Form) -> tuple[bytes, str]:
    """The bytes, and the policy under which they are shown."""
    # Late: a process that never prints needs none of it.
    from services.exchange.report_content import report_content

    report = report_content(result, store, words_in(language))
    if form is Form.PDF:
        from services.exchange.report_pdf import print_report

        return print_report(report), "default-src 'none'"
    from services.exchange.report_html import policy, write_report

    return write_report(report).encode(), policy()
