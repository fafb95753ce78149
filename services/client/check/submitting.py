"""The door, and what goes in."""

import httpx

from services.client.check.bench import Bench, expect, expect_problem
from services.client.model import Case

BMP = b"BM" + bytes(60)


def the_service_answers(bench: Bench) -> None:
    """Health and readiness."""
    for path in ("/healthz", "/readyz"):
        answer = bench.bare.get(path)
        expect(answer.status_code == 200, f"{path} answers {answer.status_code}")


def the_key_opens_a_sandbox(bench: Bench) -> None:
    """No check may ever reach a portal with patients."""
    expect(bench.client.portal().sandbox, "this key is of a portal with patients: ask for a sandbox and its key")


def a_wrong_key_is_refused(bench: Bench) -> None:
    """401, as a problem, for a key that there is not and for none."""
    for headers in ({"Authorization": "Bearer dmt_000000000000_wrong"}, {"Authorization": ""}):
        expect_problem(bench.bare.get("/v1/cases", headers=headers), 401)


def a_case_is_accepted(bench: Bench) -> None:
    """202, with an address where it can be followed."""
    bench.cursor = _end_of_events(bench)
    case_id = bench.submit("naevus")
    expect(bench.client.case(case_id).id == case_id, "the address of the case tells another case")


def the_same_request_again_is_the_same_case(bench: Bench) -> None:
    """The idempotency key makes it so."""
    again = bench.client.submit(bench.said("naevus"), [bench.picture("naevus")])
    expect(again.case_id == bench.cases["naevus"], "a repetition has made a second case")
    expect(again.replayed, "a repetition does not say that it is one (header Idempotent-Replayed)")


def one_key_for_two_requests_is_refused(bench: Bench) -> None:
    """Rather than answered wrongly."""
    key = f"check-{bench.run}"
    first = bench.post_case({"a.jpg": bench.picture("first").read_bytes()}, key=key, scenario="undecided")
    expect(first.status_code == 202, f"202 was expected, {first.status_code} came")
    other = bench.post_case({"b.jpg": bench.picture("second").read_bytes()}, key=key, scenario="undecided")
    expect_problem(other, 422, "idempotency_key_reused")


def a_file_that_was_cut_off_is_refused(bench: Bench) -> None:
    """And nothing of the case is kept."""
    whole = bench.picture("naevus").read_bytes()
    _refused(bench, {"cut.jpg": whole[: len(whole) // 2]}, "cut")


def a_file_that_is_no_picture_is_refused(bench: Bench) -> None:
    """Whatever its name says; one bad file of two refuses both."""
    _refused(bench, {"good.jpg": bench.picture("good").read_bytes(), "text.jpg": b"This is a text."}, "text")


def a_large_file_can_be_put_into_the_store(bench: Bench) -> None:
    """Announced, put, checked, named by a case."""
    upload = bench.client.upload(bench.picture("uploaded"))
    expect(upload.state == "ready", f"the upload is {upload.state}")
    accepted = bench.client.submit_uploaded(bench.said("undecided"), [upload.id], idempotency_key=f"upload-{bench.run}")
    images = bench.client.case(accepted.case_id).images
    expect([image.filename for image in images] == ["uploaded.jpg"], f"the case has {len(images)} pictures")


def the_case_is_analysed(bench: Bench) -> None:
    """Finding, probabilities, and a mask as large as the picture."""

    def look() -> Case | None:
        case = bench.client.case(bench.submit("melanoma"))
        return case if all(image.state in ("done", "failed") for image in case.images) else None

    (image,) = bench.wait(look, "the case is not analysed").images
    expect(image.analysis is not None, f"there is no analysis: {image.reason}")
    said = (image.analysis or {}).get("prediction")
    expect(said == "MEL", f"the sandbox's melanoma is {said}")
    mask = bench.client.download(image.mask_url or "")
    expect(mask.startswith(b"\x89PNG"), "the mask is no PNG")


def lists_have_every_case_once(bench: Bench) -> None:
    """The list of cases, followed by its cursor."""
    mine = set(bench.cases.values())
    listed = [line.id for line in bench.client.cases() if line.id in mine]
    expect(sorted(listed) == sorted(mine), f"{len(mine)} cases were sent, {len(listed)} are listed")


def what_is_not_ours_is_not_found(bench: Bench) -> None:
    """404 for a case of nobody, and of somebody else alike."""
    expect_problem(bench.bare.get("/v1/cases/00000000-0000-4000-8000-000000000000"), 404)


def _refused(bench: Bench, files: dict[str, bytes], name: str) -> None:
    before = {line.id for line in bench.client.cases()}
    answer: httpx.Response = bench.post_case(files, key=f"{name}-{bench.run}")
    expect(400 <= answer.status_code < 500, f"a 4xx was expected, {answer.status_code} came")
    body = expect_problem(answer, answer.status_code)
    expect(body.get("reason"), "the problem has no machine-readable reason")
    expect({line.id for line in bench.client.cases()} == before, "a refused submission has left a case behind")


def _end_of_events(bench: Bench) -> str | None:
    cursor: str | None = None
    while True:
        page = bench.client.events(cursor=cursor)
        cursor = page.cursor
        if not page.more:
            return cursor
