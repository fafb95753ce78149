"""WSGI entry: ``gunicorn services.intake.wsgi:app``."""

from services.intake.app import create_app
from services.settings import load_settings

app = create_app(load_settings())
