"""The portal's side of the API: a typed client that needs nothing else of ours.

>>> from services.client import Client, NewCase, Patient
>>> with Client("https://derma.example", "dmt_…") as portal:
...     accepted = portal.submit(NewCase(Patient("P-1042")), ["mole.jpg"])

Every submission carries an idempotency key that follows from its content: sending it again, after an error or in another run, never makes
a second case.
"""

from services.client.client import Client
from services.client.errors import (
    ApiError,
    Conflict,
    DermatrailError,
    Fault,
    NotAuthenticated,
    NotFound,
    Refused,
    ServerError,
    TooLarge,
    Unreachable,
    WebhookRefused,
)
from services.client.model import (
    Accepted,
    Batch,
    BatchItem,
    BatchLine,
    Case,
    CaseImage,
    CaseLine,
    Decision,
    Event,
    EventPage,
    Lesion,
    NewCase,
    Patient,
    Picture,
    PortalInfo,
    Upload,
)
from services.client.webhooks import Webhook, verify_webhook

__all__ = [
    "Accepted",
    "ApiError",
    "Batch",
    "BatchItem",
    "BatchLine",
    "Case",
    "CaseImage",
    "CaseLine",
    "Client",
    "Conflict",
    "Decision",
    "DermatrailError",
    "Event",
    "EventPage",
    "Fault",
    "Lesion",
    "NewCase",
    "NotAuthenticated",
    "NotFound",
    "Patient",
    "Picture",
    "PortalInfo",
    "Refused",
    "ServerError",
    "TooLarge",
    "Unreachable",
    "Upload",
    "Webhook",
    "WebhookRefused",
    "verify_webhook",
]
