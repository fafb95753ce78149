"""The portal's pages and its receiver of webhooks. All that a portal needs to do is in this file.

It keeps what it has sent and heard in SQLite. It has no sign-in: it is an example for one machine, and binds to that machine alone.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from flask import Flask, Response, abort, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from services.client import ApiError, Client, Lesion, NewCase, Patient, Picture, Refused, WebhookRefused, verify_webhook

SCHEMA = """
CREATE TABLE IF NOT EXISTS cases (id TEXT PRIMARY KEY, patient TEXT, site TEXT, sent_at TEXT DEFAULT CURRENT_TIMESTAMP, status TEXT);
CREATE TABLE IF NOT EXISTS heard (id TEXT PRIMARY KEY, type TEXT, at TEXT DEFAULT CURRENT_TIMESTAMP);
"""
TOLD = {
    "case.analysed": "analysed, waits for a dermatologist",
    "case.failed": "could not be analysed, a dermatologist reads it by hand",
    "case.reviewed": "decided",
    "image.retake_requested": "a new picture is asked for",
}


@dataclass(frozen=True, slots=True)
class Store:
    """What the portal remembers."""

    path: Path

    @contextmanager
    def open(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it happens, or nothing."""
        connection = sqlite3.connect(self.path, timeout=30, isolation_level=None)
        connection.row_factory = sqlite3.Row
        connection.executescript(SCHEMA)
        try:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")
        finally:
            connection.close()  # what was not committed is gone


def create_app(*, client: Client, secrets: list[str], path: Path) -> Flask:
    """The portal. ``secrets``: of its webhook, newest first; ``path``: its database."""
    app, store = Flask(__name__), Store(path)
    app.config["MAX_CONTENT_LENGTH"] = 30 * 1024 * 1024

    @app.get("/")
    def overview() -> str:
        with store.open() as known:
            cases = known.execute("SELECT * FROM cases ORDER BY sent_at DESC").fetchall()
            heard = known.execute("SELECT * FROM heard ORDER BY at DESC LIMIT 10").fetchall()
        return render_template("portal.html", cases=cases, heard=heard, problem=request.args.get("problem"))

    @app.post("/cases")
    def submit() -> ResponseReturnValue:
        """Send one picture. Whatever goes wrong on the way, the client tries again and never makes a second case."""
        upload, form = request.files["picture"], request.form
        lesion = Lesion(reference=form["lesion"] or None, body_site=form["site"])
        case = NewCase(patient=Patient(form["patient"]), lesion=lesion, reference=form["reference"] or None)
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "picture"
            upload.save(file)
            try:
                accepted = client.submit(case, [Picture(path=file, filename=upload.filename or "picture.jpg")])
            except Refused as refused:
                return redirect(url_for("overview", problem=str(refused)), 303)
        with store.open() as known:
            row = (str(accepted.case_id), form["patient"], form["site"], "sent")
            known.execute("INSERT OR IGNORE INTO cases (id, patient, site, status) VALUES (?, ?, ?, ?)", row)
        return redirect(url_for("overview"), 303)

    @app.post("/webhooks")
    def hear() -> ResponseReturnValue:
        """Be told. First who says it, then whether it is new; both before anything is done."""
        try:
            message = verify_webhook(body=request.get_data(), headers=dict(request.headers), secrets=secrets)
        except WebhookRefused:
            abort(401)
        kind, case_id = str(message.data["type"]), str(message.data["data"].get("subject_id"))
        with store.open() as known:
            # The same id comes again whenever an answer of ours was lost: the second time changes nothing.
            if known.execute("INSERT OR IGNORE INTO heard (id, type) VALUES (?, ?)", (message.id, kind)).rowcount and kind in TOLD:
                known.execute("UPDATE cases SET status = ? WHERE id = ?", (TOLD[kind], case_id))
        return "", 204

    @app.get("/cases/<uuid:case_id>")
    def case(case_id: UUID) -> str:
        """The answer, asked for when somebody looks: a webhook carries no findings."""
        return render_template("case.html", case=client.case(case_id))

    @app.get("/cases/<uuid:case_id>/report")
    def report(case_id: UUID) -> Response:
        """The PDF, passed on: the browser never sees our key."""
        try:
            document = client.report(case_id, language=request.accept_languages.best_match(["en", "de"]))
        except ApiError as error:
            abort(error.status, str(error))
        return Response(document, mimetype="application/pdf")

    return app
