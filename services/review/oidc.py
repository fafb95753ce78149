"""Sign-in by an OpenID Connect provider: authorization code with PKCE, state and nonce. Users are never made here."""

import logging
from typing import Any

from flask import Blueprint, abort, current_app, redirect, url_for
from flask.typing import ResponseReturnValue

from services.records.access import record_sign_in
from services.records.accounts import sign_in_by_subject
from services.records.errors import AccessDenied
from services.review import reader, signin
from services.review.door import ProviderSettings, door
from services.review.problems import Link, Message, message_page

log = logging.getLogger(__name__)
blueprint = Blueprint("oidc", __name__, url_prefix="/sign-in/oidc")

EXTENSION = "dermatrail_oidc"
TIMEOUT_SECONDS = 10
# Asymmetric signatures only: a token that the client's own secret could sign proves nothing about the provider.
ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"})


class ProviderFault(Exception):
    """The provider cannot be reached, or says what no provider of ours would say."""


@blueprint.get("")
def start() -> ResponseReturnValue:
    """Sends the browser to the provider."""
    if reader.current() is not None:
        return redirect(url_for("desk.worklist_page"), 303)
    reader.renew()
    scheme = "https" if current_app.config["SESSION_COOKIE_SECURE"] else "http"
    callback_address = url_for("oidc.callback", _external=True, _scheme=scheme)
    return _client().authorize_redirect(callback_address)  # type: ignore[no-any-return]


@blueprint.get("/callback")
def callback() -> ResponseReturnValue:
    """Takes the provider's answer and lets the person in whom it names."""
    claims = _claims()
    if claims is None:
        return _refused()
    subject, email = f"{claims['iss']} {claims['sub']}", str(claims.get("email") or "")
    verified = claims.get("email_verified") is True
    try:
        with reader.desk().database.transaction() as records:
            user = sign_in_by_subject(session=records, subject=subject, email=email, email_verified=verified)
            record_sign_in(session=records, user_id=user.user_id, how="single sign-on")
    except AccessDenied:
        return _refused()
    return signin.enter(user, by_provider=True)


# What fails on the way to the provider is an OSError for its client library.
@blueprint.errorhandler(OSError)
@blueprint.errorhandler(ProviderFault)
def unavailable(error: Exception) -> ResponseReturnValue:
    """The page for a provider that does not answer as it should."""
    log.warning("identity provider unavailable", extra={"error": type(error).__name__})
    message = Message(
        "Single sign-on is not available",
        "The identity provider does not answer as it should. You are not signed in.",
        "Try again in a minute, or sign in with your password. If it stays, tell your administrator.",
        (Link("Back to sign-in", url_for("signin.form")),),
    )
    return message_page(message, 503)


def _claims() -> dict[str, Any] | None:
    """What the provider vouches for; None where its answer is not one to the question of this browser."""
    from authlib.common.errors import AuthlibBaseError
    from joserfc.errors import JoseError
    from requests import RequestException

    client = _client()
    try:
        return dict(client.authorize_access_token()["userinfo"])
    except RequestException:
        raise
    except (AuthlibBaseError, JoseError, KeyError, ValueError) as error:
        # A refusal by the provider, a foreign or repeated state, a wrong nonce, signature, audience or time.
        log.info("identity provider's answer refused", extra={"error": type(error).__name__})
        return None


def _refused() -> ResponseReturnValue:
    signin.record_refusal()
    message = Message(
        "You are not signed in",
        "The identity provider did not confirm you, or no account here belongs to the identity that it confirmed.",
        "Try again. An administrator makes accounts, with the same verified e-mail address that the provider knows.",
        (Link("Back to sign-in", url_for("signin.form")),),
    )
    return message_page(message, 403)


def _client() -> Any:
    """The provider's client, made when it is first needed: without single sign-on its libraries are never loaded."""
    provider = door().provider
    if provider is None:
        abort(404)
    if EXTENSION not in current_app.extensions:
        current_app.extensions[EXTENSION] = _register(provider)
    client = current_app.extensions[EXTENSION]
    metadata = client.load_server_metadata()
    if metadata.get("issuer") != provider.issuer:
        raise ProviderFault("The discovery document names another issuer than DERMATRAIL_OIDC_ISSUER.")
    offered = metadata.get("id_token_signing_alg_values_supported") or ["RS256"]
    metadata["id_token_signing_alg_values_supported"] = [name for name in offered if name in ALGORITHMS]
    return client


def _register(provider: ProviderSettings) -> Any:
    from authlib.integrations.flask_client import OAuth

    return OAuth(current_app).register(
        "provider",
        client_id=provider.client_id,
        client_secret=provider.client_secret.get_secret_value(),
        server_metadata_url=f"{provider.issuer.rstrip('/')}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256", "default_timeout": TIMEOUT_SECONDS},
    )
