"""Nothing that could name a patient goes into the details of an audit event: its chain stays when the patient is erased."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tests.conftest import ROOT

FOLDERS = ("services", "workers")
# Columns, fields and variables that hold words about a patient, or what a file of theirs is found by.
TELLING = {
    "birth_year",
    "body",
    "clinical_notes",
    "filename",
    "fitzpatrick",
    "identifier_value",
    "lesion_reference",
    "note",
    "notes",
    "patient_reference",
    "payload",
    "rationale",
    "reason",
    "reference",
    "resource",
    "sex",
    "sha256",
    "sop_instance_uid",
    "study_uid",
    "tracking_uid",
}


def calls(path: Path) -> Iterator[tuple[ast.FunctionDef, ast.Call]]:
    """Every recording of an event, with the function that it stands in."""
    for function in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(function, ast.FunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "record_event":
                    yield function, node


def told(function: ast.FunctionDef, call: ast.Call) -> Iterator[ast.expr]:
    """The details of a call, with everything in its function that they are put together from."""
    wanted = [keyword.value for keyword in call.keywords if keyword.arg == "details"]
    seen: set[str] = set()
    while wanted:
        value = wanted.pop()
        yield value
        for name in whole(value) - seen:
            seen.add(name)
            wanted += [assigned for assigned in assignments(function, name) if assigned is not value]


def whole(value: ast.expr) -> set[str]:
    """The variables that go into an expression as they are, not a part or a count of them."""
    if isinstance(value, ast.Name):
        return {value.id}
    parts: list[ast.expr] = []
    if isinstance(value, ast.Dict):
        parts = value.values
    elif isinstance(value, ast.BinOp):
        parts = [value.left, value.right]
    elif isinstance(value, ast.IfExp):
        parts = [value.body, value.orelse]
    elif isinstance(value, ast.BoolOp):
        parts = value.values
    return set().union(*map(whole, parts))


def assignments(function: ast.FunctionDef, name: str) -> Iterator[ast.expr]:
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name) and target.id == name:
                    yield node.value
                elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = zip(target.elts, node.value.elts, strict=False)
                    yield from (value for place, value in pairs if isinstance(place, ast.Name) and place.id == name)


def words(value: ast.expr) -> set[str]:
    """Attributes, variables and keys in an expression."""
    nodes = loud(value)
    names = {node.attr for node in nodes if isinstance(node, ast.Attribute)} | {node.id for node in nodes if isinstance(node, ast.Name)}
    return names | {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def loud(value: ast.expr) -> list[ast.AST]:
    """The parts of an expression that may tell something: what is only counted, or compared with nothing, does not."""
    counted = {id(inner) for node in ast.walk(value) if silent(node) for inner in ast.walk(node)}
    return [node for node in ast.walk(value) if id(node) not in counted]


def silent(node: ast.AST) -> bool:
    if isinstance(node, ast.Compare):
        return all(isinstance(operator, ast.Is | ast.IsNot) for operator in node.ops)
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("len", "sum", "bool")


def telling(path: Path) -> tuple[int, list[str]]:
    """How many events a file records, and where their details tell something."""
    found = list(calls(path))
    said = [(call.lineno, set().union(*(words(value) for value in told(function, call)))) for function, call in found]
    return len(found), [f"{path.name} {name}" for _, names in said for name in sorted(names & TELLING)]


def test_no_event_carries_words_about_a_patient() -> None:
    looked = [telling(path) for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*.py"))]
    assert sum(count for count, _ in looked) > 60
    # Why a case was left out of an export is one of five words of ours.
    assert {name for _, names in looked for name in names} == {"export.py reason"}


def test_an_event_that_did_would_be_found(tmp_path: Path) -> None:
    path = tmp_path / "bad.py"
    path.write_text("def f(case):\n    said = {'n': 1} | {'case': case.reference}\n    record_event(details=said)\n")
    assert telling(path) == (1, ["bad.py reference"])
