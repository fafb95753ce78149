"""What sign-in needs besides passwords: the seal of second factors, their throttle, the identity provider."""

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

from flask import Flask, current_app
from pydantic import SecretStr

from services.records.seal import Seal
from services.review.throttle import SignInThrottle
from services.settings import Settings, SettingsError

EXTENSION = "dermatrail_door"
MAKE_KEY = "python -c 'from cryptography.fernet import Fernet; print(Fernet.generate_key().decode())'"
# Three of a million codes are right at any time: with five tries in a quarter of an hour, who knows the password
# needs a year to come in with an even chance, and every try is in the audit trail.
CODE_WINDOW_SECONDS = 900.0


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """An OpenID Connect provider, and who we are to it."""

    issuer: str
    client_id: str
    client_secret: SecretStr
    name: str


@dataclass(frozen=True, slots=True)
class Door:
    """Made once per process. Without a `seal`, nobody can set up or use a second factor."""

    second_factor_required: bool
    seal: Seal | None
    provider: ProviderSettings | None
    codes: SignInThrottle


def install_door(app: Flask, settings: Settings) -> None:
    """Gives `app` its door.

    Raises:
        SettingsError: what is set does not suffice to let people in as it says.
    """
    app.extensions[EXTENSION] = Door(
        second_factor_required=settings.require_second_factor,
        seal=_seal(settings),
        provider=_provider(settings),
        codes=SignInThrottle(window=CODE_WINDOW_SECONDS),
    )


def door() -> Door:
    """The process's door."""
    return cast(Door, current_app.extensions[EXTENSION])


def _seal(settings: Settings) -> Seal | None:
    if settings.data_key is None:
        if settings.require_second_factor:
            raise SettingsError(
                "DERMATRAIL_DATA_KEY must be set for the desk while DERMATRAIL_REQUIRE_SECOND_FACTOR is on: it encrypts the "
                f"secrets of second factors. Make one, once, and keep it: {MAKE_KEY}"
            )
        return None
    try:
        return Seal.of(settings.data_key.get_secret_value())
    except ValueError as error:
        raise SettingsError(f"DERMATRAIL_DATA_KEY is not a Fernet key, or one of several is not. Make one with: {MAKE_KEY}") from error


def _provider(settings: Settings) -> ProviderSettings | None:
    issuer, client_id, client_secret = settings.oidc_issuer, settings.oidc_client_id, settings.oidc_client_secret
    if not (issuer or client_id or client_secret):
        return None
    if not (issuer and client_id and client_secret):
        raise SettingsError("DERMATRAIL_OIDC_ISSUER, DERMATRAIL_OIDC_CLIENT_ID and DERMATRAIL_OIDC_CLIENT_SECRET belong together: set all.")
    if settings.secure_cookies and urlsplit(issuer).scheme != "https":
        raise SettingsError("DERMATRAIL_OIDC_ISSUER must begin with https:// (http is for a provider on the local stack).")
    return ProviderSettings(issuer, client_id, client_secret, settings.oidc_name)
