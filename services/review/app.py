"""The desk's WSGI application."""

from datetime import timedelta

from flask import Flask, current_app, request
from flask_wtf.csrf import CSRFProtect

from services.objects import ObjectStore
from services.records.database import Database
from services.review import desk_pages, health, model_pages, pictures, reader, signin, vendor
from services.review.problems import install_problems
from services.review.security import install_headers
from services.review.throttle import SignInThrottle
from services.settings import Settings, SettingsError

FORM_LIMIT = 64 * 1024
SECRET_LENGTH = 32


def create_app(settings: Settings) -> Flask:
    """The desk on the database and the object store of `settings`; neither needs to be up yet.

    Raises:
        SettingsError: the session secret is missing or too short to sign cookies with.
    """
    app = Flask(__name__)
    app.config.from_mapping(_configuration(settings))
    app.extensions["dermatrail"] = reader.Desk(Database.connect(settings), ObjectStore.connect(settings), SignInThrottle())
    CSRFProtect(app)
    for pages in (health, signin, desk_pages, model_pages, pictures, vendor):
        app.register_blueprint(pages.blueprint)
    install_problems(app)
    install_headers(app, secure=settings.secure_cookies)
    app.context_processor(_for_every_page)
    return app


def _configuration(settings: Settings) -> dict[str, object]:
    return {
        "SECRET_KEY": _secret(settings),
        # The prefix makes browsers refuse the cookie from anywhere but this host over TLS.
        "SESSION_COOKIE_NAME": "__Host-dermatrail" if settings.secure_cookies else "dermatrail",
        "SESSION_COOKIE_SECURE": settings.secure_cookies,
        "SESSION_COOKIE_HTTPONLY": True,
        "SESSION_COOKIE_SAMESITE": "Lax",
        "MAX_CONTENT_LENGTH": FORM_LIMIT,
        "SEND_FILE_MAX_AGE_DEFAULT": timedelta(hours=1),
        # A reader may think for longer than an hour: the token lives as long as the session that it is bound to.
        "WTF_CSRF_TIME_LIMIT": None,
        # The library's extra check wants a Referer, which our own Referrer-Policy withholds; token and SameSite stand.
        "WTF_CSRF_SSL_STRICT": False,
        "VENDOR_FOLDER": vendor.FOLDER,
    }


def _secret(settings: Settings) -> str:
    secret = settings.session_secret.get_secret_value() if settings.session_secret else ""
    if len(secret) < SECRET_LENGTH:
        raise SettingsError(
            f"DERMATRAIL_SESSION_SECRET must be set for the desk, with at least {SECRET_LENGTH} characters: "
            "it signs the session cookies. Make one with: python -c 'import secrets; print(secrets.token_urlsafe(48))'"
        )
    return secret


def _for_every_page() -> dict[str, object]:
    theme = request.cookies.get("theme")
    return {
        "theme": theme if theme in ("light", "dark") else "",
        "reader": reader.shown_in_bar(),
        "vendor_cure": vendor.CURE if vendor.missing(current_app.config["VENDOR_FOLDER"]) else None,
    }
