"""Addresses with which a portal puts one object into the store itself: AWS Signature Version 4 in the query string.

The minio client signs nothing but the host. Here the length is signed, too, so that the store takes exactly what was announced, and the
wish that the object be encrypted, which AWS refuses in a header that is not signed.
"""

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import quote, urlsplit

from services.settings import Settings

ALGORITHM = "AWS4-HMAC-SHA256"


@dataclass(frozen=True, slots=True)
class PresignedPut:
    """Where to PUT the bytes, and the headers that must come with them exactly so."""

    url: str
    headers: Mapping[str, str]


def presigned_put(*, settings: Settings, key: str, byte_size: int, now: datetime, lifetime: timedelta) -> PresignedPut:
    """Sign a PUT of ``byte_size`` bytes to ``key``; it must begin within ``lifetime`` of ``now`` (UTC). Asks nobody."""
    headers = {"content-length": str(byte_size)}
    if settings.s3_encrypt:
        headers["x-amz-server-side-encryption"] = "AES256"
    origin = public_origin(settings)
    path = quote(f"/{settings.s3_bucket}/{key}", safe="/-_.~")
    signed = {"host": urlsplit(origin).netloc, **headers}
    query = _query(settings, signed, now, lifetime)
    request = ("PUT", path, query, *(f"{name}:{value}" for name, value in sorted(signed.items())), "", _names(signed), "UNSIGNED-PAYLOAD")
    signature = _signature(settings, now, "\n".join(request))
    return PresignedPut(f"{origin}{path}?{query}&X-Amz-Signature={signature}", headers)


def public_origin(settings: Settings) -> str:
    """Scheme and host under which portals reach the store."""
    endpoint = (settings.s3_public_endpoint or settings.s3_endpoint).rstrip("/")
    return endpoint if "://" in endpoint else f"{'https' if settings.s3_secure else 'http'}://{endpoint}"


def _query(settings: Settings, signed: Mapping[str, str], now: datetime, lifetime: timedelta) -> str:
    fields = {
        "X-Amz-Algorithm": ALGORITHM,
        "X-Amz-Credential": f"{settings.s3_access_key.get_secret_value()}/{_scope(settings, now)}",
        "X-Amz-Date": _stamp(now),
        "X-Amz-Expires": str(int(lifetime.total_seconds())),
        "X-Amz-SignedHeaders": _names(signed),
    }
    return "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in sorted(fields.items()))


def _names(signed: Mapping[str, str]) -> str:
    return ";".join(sorted(signed))


def _scope(settings: Settings, now: datetime) -> str:
    return f"{now:%Y%m%d}/{settings.s3_region}/s3/aws4_request"


def _stamp(now: datetime) -> str:
    return f"{now:%Y%m%dT%H%M%SZ}"


def _signature(settings: Settings, now: datetime, request: str) -> str:
    key, scope = f"AWS4{settings.s3_secret_key.get_secret_value()}".encode(), _scope(settings, now)
    for part in scope.split("/"):
        key = hmac.digest(key, part.encode(), hashlib.sha256)
    text = "\n".join((ALGORITHM, _stamp(now), scope, hashlib.sha256(request.encode()).hexdigest()))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
