"""WSGI entry: ``gunicorn services.intake.wsgi:app``."""

from services.intake.app import create_app
from services.intake.batch_work import ATTENDANT
from services.logs import configure_logging
from services.memory import settle
from services.settings import load_settings

configure_logging()
app = create_app(load_settings())
settle()
# Here and not in create_app: each process that serves works on batches, and nobody else does.
app.extensions[ATTENDANT].start()
