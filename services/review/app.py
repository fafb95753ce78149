"""The desk's WSGI application."""

from datetime import timedelta

from flask import Flask, current_app, request
from flask_wtf.csrf import CSRFProtect
from werkzeug.middleware.proxy_fix import ProxyFix

from services.addresses import AddressPolicy
from services.broker import OUTLINE_BELL
from services.doorbell import Doorbell
from services.objects import ObjectStore
from services.records.database import Database
from services.review import (
    account_pages,
    admin_pages,
    admin_people,
    admin_trail,
    calibration_pages,
    decision_pages,
    desk_pages,
    erasure_pages,
    follow_up_pages,
    health,
    identity_check_pages,
    lead_pages,
    lease_pages,
    lesion_identity_pages,
    lesion_pages,
    model_pages,
    oidc,
    outline_pages,
    patient_pages,
    pictures,
    public_pages,
    reader,
    report_pages,
    signin,
    template_pages,
    try_pages,
    vendor,
    webhook_pages,
)
from services.review.door import install_door
from services.review.problems import install_problems
from services.review.security import install_headers
from services.review.throttle import SignInThrottle
from services.review.tiles import TILES, Tiles
from services.review.visitors import EXTENSION, Visitors
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
    app.extensions["dermatrail"] = reader.Desk(
        database=Database.connect(settings),
        objects=ObjectStore.connect(settings),
        throttle=SignInThrottle(),
        outline_bell=Doorbell.connect(settings, OUTLINE_BELL),
    )
    app.extensions[TILES] = Tiles.on(app.extensions["dermatrail"].objects)
    install_door(app, settings)
    app.extensions[EXTENSION] = Visitors.on(settings)
    app.extensions[webhook_pages.EXTENSION] = AddressPolicy.of(settings)
    # Only the address, and only what the nearest proxies wrote: everything before them is the sender's own word.
    app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies, x_proto=0, x_host=0)  # type: ignore[method-assign]
    CSRFProtect(app)
    for pages in (
        health,
        identity_check_pages,
        signin,
        calibration_pages,
        decision_pages,
        desk_pages,
        follow_up_pages,
        lead_pages,
        lease_pages,
        lesion_identity_pages,
        lesion_pages,
        model_pages,
        outline_pages,
        patient_pages,
        pictures,
        vendor,
        public_pages,
        report_pages,
        template_pages,
        try_pages,
        account_pages,
        admin_pages,
        admin_people,
        admin_trail,
        erasure_pages,
        webhook_pages,
        oidc,
    ):
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
        "CLAIM_LEASE": timedelta(minutes=settings.claim_minutes),
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
