"""What the case page says about each kind of answer, and who may see it."""

import re
from uuid import UUID

import pytest
from sqlalchemy import Engine, text

from services.records.states import Role
from tests.review.conftest import Browser, words_of
from tests.review.seeds import MELANOMA, PIPELINE, Clinic, Failed, Pending, Seen, abstention, finding, jpeg, mask_png, set_of

NOWHERE = "00000000-0000-4000-8000-000000000000"


def pictures(page: str, kind: str) -> list[str]:
    """The addresses of the page's views, masks or thumbnails."""
    return list(dict.fromkeys(address.replace("&amp;", "&") for address in re.findall(rf'"(/pictures/[^"]+/{kind}[^"]*)"', page)))


def test_it_ranks_the_probabilities_under_their_names(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}")
    words = words_of(page)
    order = [words.index(name) for name in ("Melanoma", "Melanocytic naevus", "Benign keratosis", "Basal cell carcinoma")]
    assert order == sorted(order)
    assert 'width="71.0%"' in page.text
    assert "malignant or precursor, together 0.75" in words
    assert "Decision support only" in words


def test_it_names_pipeline_licence_notes_and_limits(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA), clinical_notes='Itches since <May>.')}"))
    for part in (PIPELINE, "CC-BY-NC-4.0", "Itches since <May>.", "In distribution", "max-softmax 0.71 (limit 0.46)", "entropy 0.40"):
        assert part in words


def test_measures_say_relative_or_where_their_scale_comes_from(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    relative = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}"))
    assert "12.7 % of picture relative" in relative
    assert " mm" not in relative
    scaled = {**MELANOMA["measures"], "area_mm2": 31.24, "major_diameter_mm": 8.2, "scale_source": "dicom_pixel_spacing"}
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(finding({'MEL': 1.0}, measures=scaled)))}"))
    assert "31.2 mm² scale: DICOM pixel spacing" in words
    assert "8.2 mm scale: DICOM pixel spacing" in words
    stated = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA, spacing=0.05))}"))
    assert "mm scale: stated by the portal" in stated


def test_millimetres_without_a_source_of_scale_are_not_shown(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    unfounded = {**MELANOMA["measures"], "area_mm2": 31.24}
    assert "mm²" not in words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(finding({'MEL': 1.0}, measures=unfounded)))}"))


def test_a_set_is_said_with_its_coverage_and_its_classes_are_offered_first(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    answer = set_of({"MEL": 0.48, "NV": 0.41, "BKL": 0.11}, "MEL", "NV")
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(answer))}")
    words = words_of(page)
    assert "One of: MEL, NV – 90 % coverage" in words
    assert "Of 100 such answers, about 90 hold the true class." in words
    assert 'value="confirm"' not in page.text
    assert page.text.count('class="is-leading"') == 2
    assert re.findall(r"<legend>([^<]+)", page.text)[:2] == ["The model&#39;s set", "Malignant or precursor"]
    assert "{MEL, NV}" in words_of(reader.get("/"))


@pytest.mark.parametrize(("suspicious", "text"), [(True, "Suspicious: malignant probability 0.75 reaches"), (False, "0.75 is under the")])
def test_the_operating_point_is_said_with_what_it_costs(
    clinic: Clinic, tenant: UUID, reader: Browser, *, suspicious: bool, text: str
) -> None:
    point = {"malignant_probability": 0.2, "sensitivity": 0.91, "specificity": 0.74}
    answer = {**MELANOMA, "suspicious": suspicious, "operating_point": point}
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(answer))}"))
    assert text in words
    assert "operating point 0.20" in words
    assert "sensitivity 0.91, specificity 0.74" in words


def test_the_heat_map_is_offered_where_there_is_one_and_streamed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA, heatmap=jpeg(64, 48)))}").text
    (address,) = pictures(page, "heatmap")
    assert reader.get(address).data == jpeg(64, 48)
    assert "evidence for MEL" in page
    assert "data-heat" not in reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}").text


def test_an_abstention_is_a_sentence_with_a_next_step_and_cannot_be_confirmed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    answer = abstention("no_lesion_found", "retake", measures=None, quality={"acceptable": False, "issues": ["blurred", "dark"]})
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(answer))}")
    words = words_of(page)
    for part in ("No lesion was found in the picture.", "ask the portal for a new picture", "blurred and too dark", "Choose the diagnosis"):
        assert part in words
    assert 'value="confirm"' not in page.text


def test_out_of_distribution_is_said_in_words(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    answer = abstention("out_of_distribution", "dermatologist", ood={"in_distribution": False, "max_softmax": 0.24, "entropy": 0.9})
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen(answer))}"))
    assert "Out of distribution: unlike the training pictures" in words
    assert "do not rely on the probabilities" in words


def test_a_failed_picture_states_its_reason_and_can_be_read_by_hand(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Failed('the worker stopped three times'))}")
    words = words_of(page)
    for part in ("Not analysed: read by hand", "Reason: the worker stopped three times", "Choose the diagnosis", "Squamous cell carcinoma"):
        assert part in words
    assert 'value="confirm"' not in page.text
    assert len(pictures(page.text, "view")) == 1


def test_several_pictures_open_with_the_leading_one(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(finding({"NV": 0.9, "MEL": 0.1})), Seen(MELANOMA), Failed("broken"))
    page = reader.get(f"/cases/{case_id}").text
    assert re.findall(r'<section class="picture" data-picture="(\d)"[^>]*?(hidden)?>', page) == [
        ("1", "hidden"),
        ("2", ""),
        ("3", "hidden"),
    ]
    assert "Confirm MEL" in page
    assert 'aria-label="Picture 2 of 3" hidden' in reader.get(f"/cases/{case_id}?picture=1").text


def test_a_case_being_analysed_offers_no_decision(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Pending())}")
    assert "The decision opens when every picture has its finding" in words_of(page)
    assert 'name="decision"' not in page.text


def test_an_administrator_reads_and_does_not_decide(clinic: Clinic, tenant: UUID, browser: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA))
    clinic.user(tenant, role=Role.ADMIN)
    browser.sign_in()
    assert 'name="decision"' not in browser.get(f"/cases/{case_id}").text
    refused = browser.decide(case_id, "confirm")
    assert refused.status_code == 403
    assert "Only a dermatologist or a lead decides a case." in words_of(refused)


def test_another_portals_case_and_pictures_are_not_found(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    other = clinic.tenant("Portal B", "portal-b")
    clinic.user(other, email="b@clinic.example")
    case_id = clinic.case(other, Seen(MELANOMA), patient_reference="P-secret")
    stranger = Browser(reader.client.application.test_client())
    stranger.sign_in(email="b@clinic.example")
    page = stranger.get(f"/cases/{case_id}").text
    for path in (f"/cases/{case_id}", *(pictures(page, "view") + pictures(page, "mask"))):
        assert stranger.get(path).status_code == 200
        refused = reader.get(path)
        assert refused.status_code == 404
        assert "P-secret" not in refused.text
    assert "P-secret" not in words_of(reader.get("/"))
    assert reader.post(f"/cases/{case_id}/decision", page="/", decision="confirm").status_code == 404


def test_an_image_is_not_served_under_another_case(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    first, second = clinic.case(tenant, Seen(MELANOMA)), clinic.case(tenant, Seen(MELANOMA))
    (view,) = pictures(reader.get(f"/cases/{first}").text, "view")
    assert reader.get(view.replace(str(first), str(second))).status_code == 404
    assert reader.get(view.replace(str(first), NOWHERE)).status_code == 404


def test_pictures_are_streamed_privately_with_their_own_type(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    page = reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA), Failed('x'))}").text
    view, mask, thumbnail = pictures(page, "view")[0], pictures(page, "mask")[0], pictures(page, "thumbnail")[0]
    for path, media_type, data in ((view, "image/jpeg", jpeg()), (mask, "image/png", mask_png()), (thumbnail, "image/jpeg", jpeg(128, 96))):
        answer = reader.get(path)
        assert (answer.status_code, answer.mimetype, answer.data) == (200, media_type, data)
        assert answer.headers["Cache-Control"] == "private, max-age=600"
        assert "Set-Cookie" not in answer.headers
        again = reader.get(path, headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status_code == 304


def test_something_that_is_no_picture_is_never_streamed(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA, picture=b"<svg onload=alert(1)>"))
    (view,) = pictures(reader.get(f"/cases/{case_id}").text, "view")
    assert reader.get(view).status_code == 404


def test_opening_a_case_and_its_picture_is_recorded(clinic: Clinic, tenant: UUID, reader: Browser, superuser_engine: Engine) -> None:
    (view,) = pictures(reader.get(f"/cases/{clinic.case(tenant, Seen(MELANOMA))}").text, "view")
    reader.get(view)
    with superuser_engine.connect() as connection:
        events = "SELECT action FROM audit_events WHERE actor_kind = 'user' AND tenant_id = :tenant ORDER BY sequence"
        assert connection.execute(text(events), {"tenant": tenant}).scalars().all() == ["case.read", "case.claimed", "image.read"]


def test_no_address_carries_a_patient_reference(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    case_id = clinic.case(tenant, Seen(MELANOMA), Failed("x"), patient_reference="P-7731")
    for path in ("/", f"/cases/{case_id}"):
        assert not [link for link in re.findall(r'(?:href|src|action)="([^"]*)"', reader.get(path).text) if "P-7731" in link]


def test_a_bundle_without_a_detector_says_that_nothing_was_checked(clinic: Clinic, tenant: UUID, reader: Browser) -> None:
    words = words_of(reader.get(f"/cases/{clinic.case(tenant, Seen({**MELANOMA, 'ood': None}))}"))
    assert "Not checked: is the picture like the training pictures?" in words
    assert "In distribution" not in words
