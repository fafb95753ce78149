"""Every route of the desk, as an address that leads nowhere in particular."""

from typing import Any
from uuid import UUID

from flask import Flask
from werkzeug.routing import AnyConverter, IntegerConverter, Rule, UUIDConverter

NOWHERE = UUID("00000000-0000-4000-8000-000000000000")
# Blueprints and routes that need no sign-in: they show nothing of a patient.
PUBLIC = frozenset({"static", "signin", "oidc", "health", "vendor", "public", "trial", "desk.worklist_page"})


def anywhere(app: Flask, rule: Rule, **known: Any) -> str:
    """The rule's address with a made-up value for each of its parts that is not known."""
    values = {name: known.get(name, _value(converter)) for name, converter in rule._converters.items()}
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, values, method=_method(rule)))


def _method(rule: Rule) -> str:
    methods = rule.methods or set()
    return "POST" if "POST" in methods else "GET"


def _value(converter: Any) -> Any:
    if isinstance(converter, UUIDConverter):
        return NOWHERE
    if isinstance(converter, IntegerConverter):
        return 1
    if isinstance(converter, AnyConverter):
        return min(converter.items)
    return "x"
