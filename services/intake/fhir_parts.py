"""The resources of an order that came: where each stands, what refers to what, and what is in them that may be checked by anybody's rules.

A Bundle's entries know each other by ``fullUrl`` or ``Type/id``, contained resources by ``#id``.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from pydantic import ValidationError

from services.exchange.fhir_base import Json, Release
from services.intake.fhir_wire import refused
from services.intake.problems import Fault, Problem

MAX_FAULTS = 50
# An order has some hundred elements; checking costs about a millisecond for each hundred.
MAX_NODES, MAX_DEPTH = 10_000, 30
PICTURES = ("Media", "DocumentReference")
# JSON can write them; neither FHIR nor a database can hold them.
UNSTORABLE = re.compile("[\\x00\ud800-\udfff]")
# What is set in place of a picture while everything else is checked: four bytes of base64.
PLACEHOLDER = "AAAA"
ADMITTED = {"ServiceRequest", "Patient", *PICTURES, "Binary", "BodyStructure", "Task"}


@dataclass(frozen=True, slots=True)
class Part:
    """One resource and its place as a FHIRPath; ``names``: what a reference to it may say."""

    resource: Json
    path: str
    names: frozenset[str]

    @property
    def kind(self) -> str:
        """The resource's type."""
        return str(self.resource["resourceType"])


@dataclass(frozen=True, slots=True)
class Parts:
    """All resources of a request in their order. ``data``: the base64 texts, by the place that they were taken from."""

    release: Release
    parts: tuple[Part, ...]
    data: dict[str, str] = field(repr=False)

    def of(self, *kinds: str) -> tuple[Part, ...]:
        """Those of these types."""
        return tuple(part for part in self.parts if part.kind in kinds)

    def only(self, kind: str) -> Part | None:
        """The one of this type; None where there is none. Raises Problem where there are several."""
        found = self.of(kind)
        if len(found) > 1:
            raise refused("invariant", found[1].path, f"Send one {kind}: an order is about one patient, one lesion and one visit.")
        return found[0] if found else None

    def named(self, reference: str) -> Part | None:
        """The resource that a reference names, if it came along."""
        return next((part for part in self.parts if reference in part.names), None)


def read_parts(body: Any, *, release: Release, kind: str) -> Parts:
    """Check the JSON of a Bundle or a ServiceRequest by the standard's own rules, and take it apart.

    Raises:
        Problem: it is none; every fault is named by its place.
    """
    if not isinstance(body, dict) or body.get("resourceType") != kind:
        raise refused("structure", kind, f"Send a {kind}.", status=400)
    data: dict[str, str] = {}
    _take_data(body, kind, data, count(1), depth=0)
    _validate(body, release, kind)
    parts = tuple(_entries(body) if kind == "Bundle" else _contained(body))
    for part in parts:
        if part.kind not in ADMITTED:
            raise refused("not-supported", part.path, f"{part.kind} is no part of an order here. Send {', '.join(sorted(ADMITTED))}.")
    return Parts(release, parts, data)


def _take_data(node: Any, path: str, data: dict[str, str], seen: Iterator[int], *, depth: int) -> None:
    """Pictures are taken out before anything is checked: the models of the standard would copy and match each several times."""
    if depth > MAX_DEPTH:
        raise refused("structure", path, "The resource is nested too deeply.", status=400)
    if next(seen) > MAX_NODES:
        raise refused("too-long", path, f"An order holds at most {MAX_NODES} elements.", status=413)
    if isinstance(node, list):
        for index, item in enumerate(node):
            _take_data(item, f"{path}[{index}]", data, seen, depth=depth + 1)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "data" and isinstance(value, str):
                data[f"{path}.data"], node[name] = value, PLACEHOLDER
            else:
                _take_data(value, f"{path}.{name}", data, seen, depth=depth + 1)
    elif isinstance(node, str) and UNSTORABLE.search(node):
        raise refused("value", path, "A text holds a letter that no text may: NUL, or half of a pair of surrogates.")


def _validate(body: Json, release: Release, kind: str) -> None:
    # The models cost this process 4 to 9 MB, and few portals speak FHIR.
    from fhir.resources import get_fhir_model_class as r5_model
    from fhir.resources.R4B import get_fhir_model_class as r4_model

    model = (r4_model if release is Release.R4 else r5_model)(kind)
    try:
        model.model_validate(body)
    except ValidationError as error:
        faults = [_fault(one, kind) for one in error.errors(include_url=False, include_input=False)[:MAX_FAULTS]]
        detail = f"The {kind} is not as FHIR {release.number} has it."
        raise Problem(422, "structure", detail, errors=faults) from error
    except (TypeError, ValueError, KeyError, AttributeError, LookupError, RecursionError) as error:
        raise refused("structure", kind, f"The {kind} is not as FHIR {release.number} has it ({type(error).__name__}).") from error


def _fault(error: Any, kind: str) -> Fault:
    """The rejected value is not repeated: it may be about a patient."""
    place = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"] if not str(step).startswith("function-"))
    missing = "missing" in error["type"] or "required" in error["type"]
    return Fault(location=f"{kind}{place}", reason="required" if missing else "structure", detail=str(error["msg"])[:500])


def _entries(bundle: Json) -> Iterator[Part]:
    if bundle.get("type") != "transaction":
        raise refused("value", "Bundle.type", "Send a transaction: either all of the order is accepted or nothing.")
    for index, entry in enumerate(bundle.get("entry") or []):
        path = f"Bundle.entry[{index}]"
        resource, wanted = entry.get("resource"), entry.get("request") or {}
        if not isinstance(resource, dict):
            raise refused("required", f"{path}.resource", "Each entry of an order brings a resource.")
        kind = str(resource.get("resourceType"))
        if wanted.get("method") != "POST" or str(wanted.get("url", "")).split("?")[0] != kind:
            raise refused("not-supported", f"{path}.request", f"Here an entry is created: POST {kind}.")
        names = {entry.get("fullUrl"), f"{kind}/{resource['id']}" if resource.get("id") else None}
        yield Part(resource, f"{path}.resource", frozenset(name for name in names if name))
        yield from _within(resource, f"{path}.resource")


def _contained(request: Json) -> Iterator[Part]:
    yield Part(request, "ServiceRequest", frozenset())
    yield from _within(request, "ServiceRequest")


def _within(resource: Json, path: str) -> Iterator[Part]:
    inner: Sequence[Json] = resource.get("contained") or []
    for index, each in enumerate(inner):
        yield Part(each, f"{path}.contained[{index}]", frozenset([f"#{each.get('id')}"]))
