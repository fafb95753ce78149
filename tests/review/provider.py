"""A small OpenID Connect provider on the loopback address: discovery, authorization, token, keys. One person is signed in with it."""

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749 import ClientMixin, grants
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oidc.core import OpenIDCode, UserInfo
from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue
from joserfc.jwk import KeySet, RSAKey
from werkzeug.serving import make_server

CLIENT_ID, CLIENT_SECRET = "desk", "the desk's password at the provider"


@dataclass
class Person:
    """Who is signed in with the provider, and what it vouches for."""

    sub: str = "subject-1"
    email: str = "reader@clinic.example"
    email_verified: bool = True

    def get_user_id(self) -> str:
        return self.sub


@dataclass
class Grant:
    """A code that was given out; it works once."""

    code: str
    redirect_uri: str
    scope: str
    nonce: str | None
    code_challenge: str | None
    code_challenge_method: str | None
    auth_time: int = field(default_factory=lambda: int(time.time()))

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str | None:
        return self.nonce

    def get_auth_time(self) -> int:
        return self.auth_time

    def get_acr(self) -> None:
        return None

    def get_amr(self) -> None:
        return None


class Client(ClientMixin):  # type: ignore[misc]
    """The desk."""

    redirect_uri = ""

    def get_client_id(self) -> str:
        return CLIENT_ID

    def get_default_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_allowed_scope(self, scope: str) -> str:
        return scope

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri.endswith("/sign-in/oidc/callback")

    def check_client_secret(self, client_secret: str) -> bool:
        return secrets.compare_digest(client_secret, CLIENT_SECRET)

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return method == "client_secret_basic"

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"

    def check_grant_type(self, grant_type: str) -> bool:
        return grant_type == "authorization_code"


@dataclass
class Provider:
    """The provider's state; a test changes it between steps. `lie` changes the claims of the next id tokens."""

    issuer: str = ""
    person: Person = field(default_factory=Person)
    lie: dict[str, Any] = field(default_factory=dict)
    key: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}))
    stranger: RSAKey = field(default_factory=lambda: RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"}))
    signs_with_stranger: bool = False
    grants: dict[str, Grant] = field(default_factory=dict)

    @property
    def signing_key(self) -> RSAKey:
        return self.stranger if self.signs_with_stranger else self.key


def _grant_types(provider: Provider) -> tuple[type, type]:
    class CodeGrant(grants.AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic"]  # noqa: RUF012 - the library's own way

        def save_authorization_code(self, code: str, request: Any) -> None:
            said = request.payload.data
            provider.grants[code] = Grant(
                code=code,
                redirect_uri=request.payload.redirect_uri,
                scope=request.payload.scope,
                nonce=said.get("nonce"),
                code_challenge=said.get("code_challenge"),
                code_challenge_method=said.get("code_challenge_method"),
            )

        def query_authorization_code(self, code: str, client: Any) -> Grant | None:
            return provider.grants.get(code)

        def delete_authorization_code(self, authorization_code: Grant) -> None:
            provider.grants.pop(authorization_code.code)

        def authenticate_user(self, authorization_code: Grant) -> Person:
            return provider.person

    class IdToken(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, request: Any) -> bool:
            return any(grant.nonce == nonce for grant in provider.grants.values())

        def resolve_client_private_key(self, client: Any) -> RSAKey:
            return provider.signing_key

        def get_client_algorithm(self, client: Any) -> str:
            return "RS256"

        def get_client_claims(self, client: Any) -> dict[str, Any]:
            return {"iss": provider.issuer}

        def generate_user_info(self, user: Person, scope: str) -> UserInfo:
            return UserInfo(sub=user.sub, email=user.email, email_verified=user.email_verified, **provider.lie)

    return CodeGrant, IdToken


def create_provider(provider: Provider) -> Flask:
    """The provider's application."""
    app = Flask("provider")
    server = AuthorizationServer(app, query_client=lambda name: Client() if name == CLIENT_ID else None, save_token=lambda *_: None)
    code_grant, id_token = _grant_types(provider)
    server.register_grant(code_grant, [id_token(require_nonce=True), CodeChallenge(required=True)])

    @app.get("/.well-known/openid-configuration")
    def discovery() -> ResponseReturnValue:
        return jsonify(
            issuer=provider.issuer,
            authorization_endpoint=f"{provider.issuer}/authorize",
            token_endpoint=f"{provider.issuer}/token",
            jwks_uri=f"{provider.issuer}/keys",
            response_types_supported=["code"],
            subject_types_supported=["public"],
            id_token_signing_alg_values_supported=["RS256", "HS256", "none"],
            code_challenge_methods_supported=["S256"],
        )

    @app.get("/authorize")
    def authorize() -> ResponseReturnValue:
        if request.args.get("code_challenge_method") != "S256":
            return "PKCE with S256 only", 400
        grant = server.get_consent_grant(end_user=provider.person)
        answer: ResponseReturnValue = server.create_authorization_response(grant_user=provider.person, grant=grant)
        return answer

    @app.post("/token")
    def token() -> ResponseReturnValue:
        answer: ResponseReturnValue = server.create_token_response()
        return answer

    @app.get("/keys")
    def keys() -> ResponseReturnValue:
        return jsonify(KeySet([provider.key]).as_dict(private=False))

    return app


@contextmanager
def serving() -> Iterator[Provider]:
    """Serves a provider until the block ends."""
    provider = Provider()
    server = make_server("127.0.0.1", 0, create_provider(provider), threaded=True)
    provider.issuer = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield provider
    server.shutdown()
    thread.join()
    server.server_close()
