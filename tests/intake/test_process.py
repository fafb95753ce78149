"""The process: light, and silent about patients."""

import json
import logging
import os
import subprocess
import sys

import pytest

from services.logs import JsonFormatter
from tests.conftest import ROOT
from tests.intake.conftest import Sender

HEAVY = ("torch", "cv2", "pydicom", "pillow_heif", "celery", "alembic", "reportlab", "fhir.resources")
PROGRAM = f"""
import json, psutil, sys
import services.intake.wsgi
answer = services.intake.wsgi.app.test_client().get("/healthz").get_json()
loaded = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps({{"answer": answer, "loaded": loaded, "bytes": psutil.Process().memory_info().rss}}))
"""


def test_the_process_starts_without_what_few_requests_need() -> None:
    """Also without its servers: it connects when the first request comes."""
    names = ("DATABASE_URL", "BROKER_URL", "S3_ENDPOINT", "S3_ACCESS_KEY", "S3_SECRET_KEY")
    nowhere = {
        "DATABASE_URL": "postgresql+psycopg2://a:b@127.0.0.1:1/c",
        "BROKER_URL": "redis://127.0.0.1:1/0",
        "S3_ENDPOINT": "127.0.0.1:1",
    }
    variables = {f"DERMATRAIL_{name}": nowhere.get(name, "secret") for name in names}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, **variables}, cwd=ROOT, capture_output=True, check=True, text=True
    )
    found = json.loads(done.stdout)
    assert found["answer"] == {"status": "ok"}
    assert found["loaded"] == []
    assert found["bytes"] < 150_000_000


def test_logs_name_neither_patients_nor_files_nor_cases(sender: Sender, picture: bytes, caplog: pytest.LogCaptureFixture) -> None:
    case = {"patient": {"reference": "SECRETPATIENT"}, "clinical_notes": "SECRETNOTES"}
    with caplog.at_level(logging.INFO):
        url = sender.post(("SECRETFILE.jpg", picture), case=case).get_json()["status_url"]
        sender.post(("SECRETFILE.jpg", b"words"), case=case)
        sender.get(url)
    lines = [JsonFormatter().format(record) for record in caplog.records]
    assert any("POST /v1/cases 202" in line for line in lines)
    assert not [line for line in lines if "SECRET" in line or url in line]
