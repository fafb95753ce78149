"""The entry for a WSGI server: `gunicorn services.review.wsgi:app`."""

from services.review.app import create_app
from services.settings import load_settings

app = create_app(load_settings())
