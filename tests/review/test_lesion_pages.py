"""The lesion's page and its visits side by side, over HTTP: what is said, and to whom."""

import re
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import Engine, event, text

from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, Clinic, Failed, Pending, Seen
from tests.review.trail_seeds import (
    START,
    Growing,
    await_comparison,
    changes,
    compare,
    growing,
    measures,
    registration,
    store_measures,
    visits,
)

SECRETS = ("±", "0.53", "grew", "38 %", "p(progressing)", "mm²", "/difference", "/mask", "data-outline", "data-value", "MEL")


def lesion_page(reader: Browser, lesion: Growing) -> str:
    return words_of(reader.get(f"/lesions/{lesion.lesion_id}"))


def compare_page(reader: Browser, lesion: Growing, *cases: UUID) -> Any:
    return reader.get(f"/lesions/{lesion.lesion_id}/compare?" + "&".join(f"visit={case}" for case in cases))


def address(page: str, kind: str) -> str:
    found = re.search(rf'"(/lesions/[^"]+/comparisons/[^"]+/{kind})"', page)
    assert found, f"no {kind} picture on the page"
    return found[1]


def bare(clinic: Clinic, tenant: UUID, count: int = 2, **facts: Any) -> Growing:
    """Visits that nobody has compared."""
    return visits(clinic, tenant, [Seen(MELANOMA)] * count, **facts)


def test_the_page_tells_what_changed_with_error_unit_scale_and_rate(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    words = lesion_page(reader, growing(clinic, tenant))
    for part in (
        "P-1042 lesion L-2 · back, left · 3 visits · Portal A",
        "grew 38 % ± 6 in 4 months",
        "area 31 → 43 mm², more than the error of looking twice",
        "2 Jul 2026 → 31 Oct 2026 · 4 months · scale: DICOM pixel spacing",
        "Area 36.0 mm² 43.0 mm² beyond the error: +19 % ± 6 +7.0 mm² +4.9 %",
        "p(malignant) 0.37 0.53 beyond the error: +0.17 ± 0.08",
        "p(progressing) 0.60 p(malignant) 0.50 · 3 visits read together",
        "measures m1 · comparison c1 · rules r1 · sequence model 5e5e5e5e",
        "Tracking UID 2.25.",
        "no follow-up asked for",
    ):
        assert part in words


def test_the_raised_risk_of_an_alerted_case_is_no_probability(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    lesion = bare(clinic, tenant)
    before = lesion_page(reader, lesion)
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE cases SET risk = 0.123, risk_level = 2"))
    after = lesion_page(reader, lesion)
    assert "p(mal)" in after
    assert "0.12" not in after
    assert after.count("p(mal)") == before.count("p(mal)")


def test_without_a_scale_sizes_are_relative(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/lesions/{growing(clinic, tenant, scale=None).lesion_id}")
    words = words_of(page)
    assert "sizes relative" in words
    assert "% of the first visit" in words
    assert re.search(r'data-value="116\.1', page.text)
    assert re.search(r'data-value="138\.7', page.text)


def test_one_visit_has_nothing_to_compare(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = bare(clinic, tenant, 1)
    assert "One visit only" in lesion_page(reader, lesion)
    answer = reader.get(f"/lesions/{lesion.lesion_id}/compare")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/lesions/{lesion.lesion_id}")
    assert "Visits of this lesion" not in reader.get(f"/cases/{lesion.cases[0]}").text


def test_visits_at_one_time_have_no_rate(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = bare(clinic, tenant, at=[START, START])
    measured = [measures(31), measures(40)]
    told = changes(*measured)
    for change in told["changes"].values():
        change["per_month"] = None
    with clinic.worker.transaction() as session:
        compare(session, clinic, lesion, (0, 1), told, images=store_measures(session, lesion, measured))
    # Of visits at one time, the order of receipt stands in.
    words = lesion_page(reader, lesion)
    assert "same time" in words
    assert "there is no rate of change" in words
    assert "% / month" not in words_of(compare_page(reader, lesion))


@pytest.mark.parametrize(
    ("why", "said"),
    [
        ("magnification", "No valid comparison: different magnification"),
        ("blurred", "No valid comparison: one of the pictures is blurred"),
        ("something_new", "No valid comparison: something new"),
    ],
)
def test_what_cannot_be_compared_says_why(clinic: Clinic, tenant: UUID, reader: Browser, why: str, said: str) -> None:
    lesion = bare(clinic, tenant)
    with clinic.worker.transaction() as session:
        images = store_measures(session, lesion, [measures(31, scale=None), measures(40, scale=None)])
        compare(session, clinic, lesion, (0, 1), None, images=images, why=why)
    assert said in lesion_page(reader, lesion)
    page = compare_page(reader, lesion)
    assert said in words_of(page)
    assert "not registered: linked by the size of the picture" in words_of(page)
    assert page.text.count(f'title="{said}"') == 4
    assert said in words_of(reader.get(f"/cases/{lesion.cases[1]}"))


def test_a_comparison_that_is_due_or_failed_says_so(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = bare(clinic, tenant)
    await_comparison(clinic, lesion.cases[1])
    assert "Being compared" in lesion_page(reader, lesion)
    await_comparison(clinic, lesion.cases[1], failed="The pictures could not be read.")
    for words in (lesion_page(reader, lesion), words_of(compare_page(reader, lesion))):
        assert "Not compared The pictures could not be read. Next step: look at the pictures side by side." in words


def test_a_picture_without_a_finding_is_shown_and_said(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = visits(clinic, tenant, [Failed("The file is damaged."), Pending()])
    words = lesion_page(reader, lesion)
    assert "not analysed" in words
    assert "have no finding" in words
    assert compare_page(reader, lesion).text.count("data-pane=") == 2


def blind(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE tenants SET blind_first_read = true"))


def test_a_blind_reader_sees_pictures_and_no_figures(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    lesion = growing(clinic, tenant)
    seen = reader.get(f"/lesions/{lesion.lesion_id}/compare").text
    blind(superuser_engine)
    pages = [reader.get(path).text for path in (f"/lesions/{lesion.lesion_id}", f"/lesions/{lesion.lesion_id}/compare")]
    for page in pages:
        main = words_of_main(page)
        assert "after your first opinion" in main
        assert [secret for secret in SECRETS if secret in re.sub("± is one standard deviation", "", main)] == []
    assert "trail" in (strip := words_of_strip(reader.get(f"/cases/{lesion.cases[-1]}").text))
    assert "mm²" not in strip
    assert reader.get(address(pages[1], "registered")).status_code == 200
    assert reader.get(address(seen, "difference")).status_code == 403


def words_of_main(page: str) -> str:
    main = page[page.index("<main") : page.index("</main>")]
    kept = re.sub(r'title="[^"]*"|aria-label="[^"]*"', "", main)
    return re.sub(r"<input[^>]*>|<legend[^>]*>.*?</legend>", "", kept)


def words_of_strip(page: str) -> str:
    found = re.search(r'<nav class="trail".*?</nav>', page, re.DOTALL)
    assert found
    return found[0]


def test_after_the_opinion_the_figures_are_there(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    lesion = growing(clinic, tenant, areas=(31.0, 43.0))
    blind(superuser_engine)
    for case in lesion.cases:
        answer = reader.post(f"/cases/{case}/opinion", page=f"/cases/{case}", opinion="diagnosis", diagnosis="MEL")
        assert answer.status_code in (200, 303), answer.text
    assert "grew 38 % ± 6" in lesion_page(reader, lesion)
    assert "mm²" in words_of_strip(reader.get(f"/cases/{lesion.cases[-1]}").text)


def test_the_cases_page_has_the_trail_in_one_line(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = growing(clinic, tenant)
    strip = words_of_strip(reader.get(f"/cases/{lesion.cases[-1]}").text)
    assert "area 36.0 → 43.0 mm² (+19 % ± 6)" in strip
    assert strip.count("/cases/") == 3
    assert f"earlier={lesion.cases[1]}&amp;later={lesion.cases[2]}" in strip
    first = words_of_strip(reader.get(f"/cases/{lesion.cases[0]}").text)
    assert "first visit" in first
    assert f"earlier={lesion.cases[0]}&amp;later={lesion.cases[1]}" in first


def test_decisions_stand_at_their_visits_and_the_next_visit_is_said(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = growing(clinic, tenant, alert=False)
    answer = reader.decide(lesion.cases[-1], "confirm", management="follow_up", months="3")
    assert answer.status_code in (200, 303), answer.text
    words = lesion_page(reader, lesion)
    assert "Confirmed MEL" in words
    assert re.search(r"Next visit \d+ \w+ \d{4} upcoming · in \d+ d · no reminder yet", words)


def test_another_portals_reader_finds_nothing(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = growing(clinic, tenant)
    page = compare_page(reader, lesion).text
    paths = [
        f"/lesions/{lesion.lesion_id}",
        f"/lesions/{lesion.lesion_id}/compare",
        address(page, "registered"),
        address(page, "difference"),
    ]
    clinic.user(clinic.tenant("Portal B", "portal-b"), email="b@clinic.example")
    stranger = Browser(reader.client.application.test_client())
    stranger.sign_in(email="b@clinic.example")
    assert [stranger.get(path).status_code for path in paths] == [404] * 4
    assert [reader.get(path).status_code for path in paths] == [200] * 4
    assert reader.get(f"/lesions/{uuid4()}").status_code == 404
    other = bare(clinic, tenant, reference="L-9")
    assert reader.get(paths[2].replace(str(lesion.lesion_id), str(other.lesion_id))).status_code == 404


def test_pictures_of_a_comparison_are_for_this_browser_alone_and_audited(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    lesion = growing(clinic, tenant)
    page = compare_page(reader, lesion).text
    answer = reader.get(address(page, "registered"))
    assert (answer.mimetype, answer.headers["Cache-Control"]) == ("image/jpeg", "private, max-age=600")
    assert reader.get(address(page, "registered"), headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    with superuser_engine.connect() as connection:
        events = list(connection.scalars(text("SELECT action || ' ' || subject_kind FROM audit_events WHERE actor_kind = 'user'")))
    assert "lesion.read lesion" in events
    assert "image.read comparison" in events


def test_a_merged_lesion_leads_to_the_one_that_it_is_part_of(
    clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine
) -> None:
    lesion, old = growing(clinic, tenant), bare(clinic, tenant, 1, reference="L-9")
    with superuser_engine.begin() as connection:
        merged = {"old": old.lesion_id, "new": lesion.lesion_id}
        connection.execute(text("UPDATE lesions SET merged_into = :new WHERE id = :old"), merged)
    answer = reader.get(f"/lesions/{old.lesion_id}")
    assert (answer.status_code, answer.headers["Location"]) == (308, f"/lesions/{lesion.lesion_id}")
    answer = reader.get(f"/lesions/{old.lesion_id}/compare?visit={lesion.cases[0]}&visit={lesion.cases[2]}")
    assert answer.status_code == 308
    assert answer.headers["Location"] == f"/lesions/{lesion.lesion_id}/compare?visit={lesion.cases[0]}&visit={lesion.cases[2]}"


def test_visits_that_were_not_compared_are_linked_over_the_one_between(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = bare(clinic, tenant, 3)
    measured = [measures(31), measures(36), measures(43)]
    with clinic.worker.transaction() as session:
        images = store_measures(session, lesion, measured)
        laid = [registration(scale=1.5, shift=(10, -20)), registration(turn=(0.0, 1.0), shift=(5, 0))]
        for pair, one in zip(((0, 1), (1, 2)), laid, strict=True):
            compare(session, clinic, lesion, pair, changes(measured[pair[0]], measured[pair[1]]), images=images, laid=one)
    page = compare_page(reader, lesion, lesion.cases[0], lesion.cases[2])
    # (x, y) → 1.5 (x, y) + (10, −20) → turned by a right angle and shifted by (5, 0).
    assert 'data-matrix="0,-1.5,25,1.5,0,10" data-link="registered"' in page.text
    assert "Not compared" in words_of(page)
    assert 'data-matrix="1,0,0,0,1,0"' in page.text


def test_panes_take_what_is_asked_for_and_nothing_else(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = growing(clinic, tenant, areas=(31.0, 33.0, 35.0, 38.0, 41.0, 43.0))
    cases = lesion.cases

    def shown(query: str) -> list[str]:
        page = reader.get(f"/lesions/{lesion.lesion_id}/compare?{query}").text
        return re.findall(r"/pictures/([0-9a-f-]+)/[0-9a-f-]+/view", "".join(re.findall(r'data-src="[^"]+"', page)))

    assert shown("") == [str(case) for case in cases[-2:]]
    assert shown(f"earlier={cases[0]}&later={cases[3]}") == [str(cases[0]), str(cases[3])]
    assert shown(f"earlier={cases[3]}&later={cases[0]}") == [str(cases[0]), str(cases[3])]
    assert shown(f"visit={cases[1]}&visit={cases[1]}") == [str(case) for case in cases[-2:]]
    assert shown(f"visit={cases[1]}&visit={uuid4()}&visit=junk") == [str(case) for case in cases[-2:]]
    assert shown("&".join(f"visit={case}" for case in cases)) == [str(case) for case in cases[-4:]]


def test_a_trail_costs_the_same_number_of_statements_however_long_it_is(clinic: Clinic, tenant: UUID, reader: Browser, app: Flask) -> None:
    short, long = growing(clinic, tenant, areas=(31, 36)), growing_other(clinic, tenant)
    asked: list[str] = []
    event.listen(app.extensions["dermatrail"].database.engine, "before_cursor_execute", lambda *call: asked.append(call[2]))

    def cost(path: str) -> int:
        asked.clear()
        assert reader.get(path).status_code == 200
        return len(asked)

    for part in ("", "/compare"):
        assert cost(f"/lesions/{short.lesion_id}{part}") == cost(f"/lesions/{long.lesion_id}{part}") <= 18
    assert cost(f"/cases/{short.cases[1]}") == cost(f"/cases/{long.cases[9]}")


def growing_other(clinic: Clinic, tenant: UUID) -> Growing:
    areas = [31 + 1.5 * step for step in range(10)]
    return growing(clinic, tenant, areas, reference="L-10")


def test_millimetres_link_pictures_that_could_not_be_registered(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    lesion = bare(clinic, tenant)
    with clinic.worker.transaction() as session:
        store_measures(session, lesion, [measures(31, mm_per_px=0.03), measures(40, mm_per_px=0.02)])
    page = compare_page(reader, lesion)
    assert 'data-matrix="1.5,0,-80,0,1.5,-60" data-link="scale"' in page.text
    assert "not registered: linked in millimetres" in words_of(page)
