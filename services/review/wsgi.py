"""The entry for a WSGI server: ``gunicorn services.review.wsgi:app``."""

from services.logs import configure_logging
from services.review.app import create_app
from services.review.sandbox_reader import read_beside
from services.review.warm import warm_up_beside
from services.settings import load_settings

configure_logging()
app = create_app(load_settings())
warm_up_beside(app)
read_beside(app)
