"""Addresses to which a portal puts files; that the store takes them, and nothing else, is shown with the uploads."""

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest

from services.presign import presigned_put, public_origin
from services.settings import Settings

NOW = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("public", "origin"),
    [
        (None, "http://seaweedfs:8333"),
        ("", "http://seaweedfs:8333"),
        ("store.example", "http://store.example"),
        ("https://store.example/", "https://store.example"),
    ],
)
def test_the_address_is_the_one_that_portals_reach(intake_settings: Settings, public: str | None, origin: str) -> None:
    settings = intake_settings.model_copy(update={"s3_endpoint": "seaweedfs:8333", "s3_public_endpoint": public, "s3_secure": False})
    assert public_origin(settings) == origin
    put = presigned_put(settings=settings, key="t/incoming/a b", byte_size=7, now=NOW, lifetime=timedelta(minutes=15))
    assert put.url.startswith(f"{origin}/{settings.s3_bucket}/t/incoming/a%20b?")


def test_length_encryption_time_and_region_are_signed(intake_settings: Settings) -> None:
    settings = intake_settings.model_copy(update={"s3_encrypt": True, "s3_region": "eu-central-1"})

    def signature(*, byte_size: int = 7, now: datetime = NOW, **changes: object) -> str:
        given = settings.model_copy(update=changes)
        put = presigned_put(settings=given, key="k", byte_size=byte_size, now=now, lifetime=timedelta(minutes=15))
        return parse_qs(urlsplit(put.url).query)["X-Amz-Signature"][0]

    put = presigned_put(settings=settings, key="k", byte_size=7, now=NOW, lifetime=timedelta(minutes=15))
    query = parse_qs(urlsplit(put.url).query)
    assert put.headers == {"content-length": "7", "x-amz-server-side-encryption": "AES256"}
    assert query["X-Amz-SignedHeaders"] == ["content-length;host;x-amz-server-side-encryption"]
    assert (query["X-Amz-Date"], query["X-Amz-Expires"]) == (["20260501T123000Z"], ["900"])
    assert query["X-Amz-Credential"][0].endswith("/20260501/eu-central-1/s3/aws4_request")
    assert settings.s3_secret_key.get_secret_value() not in put.url
    later = NOW + timedelta(seconds=1)
    made = {signature(), signature(byte_size=8), signature(now=later), signature(s3_encrypt=False), signature(s3_region="us-east-1")}
    assert len(made) == 5
