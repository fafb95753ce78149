"""What a report says in every state of a case, in each language, as PDF and as HTML."""

import io
import re
from dataclasses import replace
from datetime import date, timedelta
from html import unescape
from typing import Any

import pytest
from pypdf import PdfReader

from services.exchange.report import Form, headers_of, make_report
from services.exchange.report_html import policy, write_report
from services.exchange.report_pdf import print_report
from services.exchange.report_words import languages
from services.exchange.result import CaseResult
from services.records.states import Decision, Management, Modality, ReviewKind, VisitSource
from tests.exchange.report_world import (
    CASE,
    MM,
    analysis,
    case,
    content,
    image,
    outline,
    raised,
    result,
    review,
    shelf,
    trail,
    uid,
)
from tests.review.seeds import MELANOMA, abstention, finding, set_of

AMENDED = (
    review(1, standing=False, diagnosis="NV", decision=Decision.CORRECT, management=Management.DISCHARGE),
    review(2, kind=ReviewKind.AMENDMENT, rationale="Histology has arrived.", supersedes=uid(901)),
)
ADJUDICATED = (
    review(1, diagnosis="NV", decision=Decision.CORRECT, reviewer="Dr A"),
    review(2, kind=ReviewKind.SECOND, reviewer="Dr B"),
    review(3, kind=ReviewKind.ADJUDICATION, reviewer="Dr C", rationale="Streaks at one side."),
)
FOLLOWED = review(
    diagnosis="NV", decision=Decision.CORRECT, management=Management.FOLLOW_UP, follow_up_months=6, follow_up_on=date(2027, 5, 21)
)
RETAKE = review(
    decision=Decision.NOT_ASSESSABLE, diagnosis=None, reason="out_of_focus", management=Management.RETAKE, note="Too blurred for me."
)
SUSPICIOUS = finding({"MEL": 0.71, "NV": 0.19}, suspicious=True, operating_point={"malignant_probability": 0.32})


def of(said: dict[str, Any] | None, *reviews: Any, **changed: Any) -> CaseResult:
    """The result of a case of one picture with this finding."""
    return result(case(image(said=analysis(said) if said else None, **changed), reviews=reviews))


# What each state must say: a word of English, a word of German.
STATES: dict[str, tuple[CaseResult, tuple[str, ...], tuple[str, ...]]] = {
    "prediction": (
        of(SUSPICIOUS),
        ("Melanoma (MEL)", "Leading class: Melanoma (MEL), probability 0.71", "reaches the operating point 0.32", "Urgent referral"),
        ("Melanom (MEL)", "Wahrscheinlichkeit 0,71", "erreicht den Schwellenwert 0,32", "Dringende Überweisung"),
    ),
    "set": (
        of(set_of({"MEL": 0.5, "NV": 0.45}, "MEL", "NV")),
        ("does not decide between Melanoma (MEL) and Melanocytic naevus (NV)", "about 90 hold the true class"),
        ("entscheidet nicht zwischen Melanom (MEL) und Melanozytärer Nävus (NV)", "etwa 90 die richtige Klasse"),
    ),
    "abstain": (
        of(abstention("out_of_distribution", "dermatologist", ood={"in_distribution": False})),
        ("The model abstained", "unlike those that the model was trained on", "must not be used alone", "not reliable"),
        ("Das Modell hat sich enthalten", "dürfen nicht allein verwendet werden", "nicht verlässlich"),
    ),
    "unchecked_and_poor": (
        of(finding({"NV": 0.9}, ood=None, quality={"acceptable": False, "issues": ["blurred", "dark"]})),
        ("was not checked", "not acceptable: blurred and too dark"),
        ("Nicht geprüft wurde", "nicht ausreichend: unscharf und zu dunkel"),
    ),
    "not_analysed": (
        of(None),
        ("Not analysed by a model", "The picture cannot be decoded.", "No model answered"),
        ("Nicht von einem Modell ausgewertet", "The picture cannot be decoded.", "kein Modell geantwortet"),
    ),
    "not_assessable": (
        of(MELANOMA, RETAKE),
        ("Not assessable", "New picture asked for", "Out of focus", "Too blurred for me."),
        ("Nicht beurteilbar", "Neues Bild angefordert", "Unscharf", "Too blurred for me."),
    ),
    "follow_up": (
        of(MELANOMA, FOLLOWED),
        ("Melanocytic naevus (NV)", "Follow-up in 6 months", "Follow-up due: 21 May 2027"),
        ("Kontrolle in 6 Monaten", "Kontrolle fällig am: 21. Mai 2027"),
    ),
    "amended": (
        result(case(reviews=AMENDED), versions=AMENDED),
        ("this is version 2 and replaces every earlier one", "Histology has arrived.", "Version 1", "Version 2, in force", "Chosen"),
        ("Dies ist Version 2", "Histology has arrived.", "Version 2, gültig", "Festgelegt: Melanozytärer"),
    ),
    "adjudicated": (
        result(case(reviews=ADJUDICATED)),
        ("Two reads differed", "First read", "Second read", "Resolved by a lead", "Dr A", "Dr B", "Streaks at one side."),
        ("Zwei Befundungen wichen", "Erstbefundung", "Zweitbefundung", "Entscheidung der Leitung", "Dr C"),
    ),
    "second_read": (
        result(case(reviews=(review(1, reviewer="Dr A"), review(2, kind=ReviewKind.SECOND, reviewer="Dr B")))),
        ("Both reads agree.", "Dr A", "Signed: Dr B, 22 November 2026, 14:02 UTC"),
        ("Beide Befundungen stimmen überein.", "Signiert: Dr B, 22. November 2026, 14:02 UTC"),
    ),
    "second_opinion": (
        result(
            case(
                reviews=(
                    review(1, decision=Decision.SECOND_OPINION, diagnosis=None, management=None, reviewer="Dr A"),
                    review(
                        2,
                        kind=ReviewKind.SECOND,
                        reviewer="Dr B",
                        management=Management.FOLLOW_UP,
                        follow_up_months=1,
                        follow_up_on=date(2026, 12, 22),
                    ),
                )
            )
        ),
        ("Second opinion asked for", "Follow-up in 1 month", "Follow-up due: 22 December 2026"),
        ("Zweitmeinung erbeten", "Kontrolle in 1 Monat", "Kontrolle fällig am: 22. Dezember 2026"),
    ),
    "corrected_outline": (
        of(MELANOMA, outline=outline(), pixel_spacing_mm=0.02),
        ("drawn by Dr. Žofia", "51.0 mm²", "millimetres: DICOM pixel spacing"),
        ("gezeichnet von Dr. Žofia", "51,0 mm²", "Millimeter: DICOM-Pixelabstand"),
    ),
    "unmeasured_outline": (
        of(MELANOMA, outline=outline(measures=None, measured_at=None)),
        ("had not been measured",),
        ("noch nicht vermessen",),
    ),
    "ruler": (
        of(MELANOMA, ruler_mm_per_px=0.05),
        ("Scale bar: ruler in the picture", "24.5 mm²"),
        ("Maßstab: Lineal im Bild", "24,5 mm²"),
    ),
    "no_scale": (
        of(MELANOMA),
        ("The scale of this picture is not known", "12.7 %", "131 px"),
        ("Der Maßstab dieses Bildes ist nicht bekannt", "12,7 %", "131 px"),
    ),
    "lesion_leaves_the_picture": (
        of(finding({"NV": 0.9}, measures={**MELANOMA["measures"], **MM, "touches_border": True})),
        ("≥ 43.0 mm²", "lower bounds"),
        ("≥ 43,0 mm²", "Mindestwerte"),
    ),
    "trail": (
        result(trail=trail()),
        ("3 visits", "this lesion has changed", "The area grew by 19 % ± 6 %.", "36.0 mm²", "+19 % ± 6", "beyond the error", "0.81"),
        ("3 Aufnahmetermine", "hat sich verändert", "um 19 % ± 6 % gewachsen", "36,0 mm²", "jenseits des Fehlers", "0,81"),
    ),
    "trail_without_scale": (
        result(trail=trail(scale=None)),
        ("Area, % of the first visit",),
        ("Fläche, % des ersten Termins",),
    ),
    "no_valid_comparison": (
        result(trail=trail(why="magnification", alert=False)),
        ("No valid comparison of 2 July 2026 and 31 October 2026: the pictures have different magnifications.",),
        ("Kein gültiger Vergleich von 2. Juli 2026 und 31. Oktober 2026: die Bilder haben verschiedene Vergrößerungen.",),
    ),
    "quiet_trail": (result(trail=trail(alert=False)), ("No alert about change",), ("Kein Hinweis auf Veränderung",)),
    "withdrawn_alert": (
        result(trail=replace(trail(), alerts=(raised(withdrawn_at=raised().created_at, withdrawn_reason="Wrong lesion."),))),
        ("An earlier alert was withdrawn: Wrong lesion.",),
        ("Ein früherer Hinweis wurde zurückgezogen: Wrong lesion.",),
    ),
}
ALWAYS = {
    "en": ("Decision support, not a diagnosis by a machine", "P-1042", "2.25.329800735698586629295641978511506172918", "isic-eight"),
    "de": ("Entscheidungshilfe, keine maschinelle Diagnose", "P-1042", "2.25.329800735698586629295641978511506172918", "isic-eight"),
}


def flat(text: str) -> str:
    """One line with plain spaces, as one reads it."""
    return re.sub(r"\s+", " ", text.replace("\N{NO-BREAK SPACE}", " "))


def pdf_text(data: bytes) -> str:
    return flat(" ".join(page.extract_text() for page in PdfReader(io.BytesIO(data)).pages))


def html_text(page: str) -> str:
    body = re.sub(r"<(style|title)>.*?</\1>", "", page, flags=re.DOTALL)
    return flat(unescape(re.sub(r"<[^>]+>", " ", body))).replace(" .", ".")


@pytest.mark.parametrize("language", languages())
@pytest.mark.parametrize("state", STATES)
def test_a_report_says_what_its_case_is_about(state: str, language: str) -> None:
    of_state, english, german = STATES[state]
    report = content(of_state, language)
    printed, written = pdf_text(print_report(report)), html_text(write_report(report))
    always = ALWAYS[language][: None if of_state.lead.analysis else -1]
    for words in (*(english if language == "en" else german), *always):
        assert flat(words) in written, words
        # A cell or a line of a page may break a sentence elsewhere than the screen does.
        assert flat(words).replace(" ", "") in printed.replace(" ", ""), words


def test_reads_agree_only_where_both_said_something() -> None:
    asked, second = STATES["second_opinion"][0], STATES["second_read"][0]
    assert "Both reads agree." not in html_text(write_report(content(asked)))
    assert "Both reads agree." in html_text(write_report(content(second)))


def test_every_page_names_patient_document_version_and_its_number() -> None:
    pages = PdfReader(io.BytesIO(print_report(content(result(trail=trail()))))).pages
    assert len(pages) >= 3
    for number, page in enumerate(pages, 1):
        text = flat(page.extract_text())
        assert f"Page {number} of {len(pages)}" in text
        assert f"{CASE} · Version 1" in text
        assert "P-1042" in text


def test_a_reference_as_long_as_portals_may_send_leaves_no_page() -> None:
    long = "W" * 200
    pages = PdfReader(io.BytesIO(print_report(content(result(case(patient_reference=long, portal="P" * 120), trail=trail()))))).pages
    assert "W" * 50 in pages[1].extract_text()
    assert "…" in pages[1].extract_text()
    assert long in flat(pages[0].extract_text()).replace(" ", "")


def test_a_report_tells_earlier_versions_apart_by_number_and_fingerprint() -> None:
    first, second = content(result()), content(result(case(reviews=AMENDED), versions=AMENDED))
    assert (first.version, second.version) == ("1", "2")
    assert first.fingerprint != second.fingerprint
    assert first.fingerprint == content(result()).fingerprint
    assert content(result(), "de").fingerprint != first.fingerprint


def test_another_picture_changes_the_fingerprint() -> None:
    other = shelf()
    other.things["picture"] = other.things["thumbnail"]
    assert content(result(), store=other).fingerprint != content(result()).fingerprint


def test_what_people_wrote_is_text_and_never_markup() -> None:
    report = content(result(case(clinical_notes="<b>bold</b> & <script>x</script>", patient_reference="P<1>")))
    page = write_report(report)
    assert "<script>" not in page
    assert "<b>bold</b> & <script>x</script>" in html_text(page.replace("&lt;", "<").replace("&gt;", ">")) or "&lt;b&gt;" in page
    assert "<b>bold</b> & <script>x</script>" in pdf_text(print_report(report))


def test_letters_of_many_languages_are_printed_and_what_the_type_lacks_is_numbered() -> None:
    text = "äöüß µ ± ≥ ² Żółć Παπαδοπούλου Шевченко"
    printed = pdf_text(print_report(content(result(case(clinical_notes=f"{text} 医 \x07")))))
    assert text in printed
    assert "[U+533B]" in printed


def test_a_picture_that_is_gone_is_said() -> None:
    empty = shelf()
    empty.things.clear()
    report = content(result(trail=trail()), store=empty)
    assert "cannot be shown" in html_text(write_report(report))
    assert "cannot be shown" in pdf_text(print_report(report))


def test_other_pictures_are_shown_small_and_only_so_many() -> None:
    images = [image(number, analysis(id=uid(500 + number), malignant_probability=0.9 - number / 100)) for number in range(1, 13)]
    page = write_report(content(result(case(*images))))
    assert page.count("<img ") == 9
    assert "3 more pictures are in the archive." in html_text(page)
    assert "Picture 2, dermoscopic" in html_text(page)


def test_the_picture_that_the_decision_is_about_comes_first() -> None:
    images = (image(1, analysis(malignant_probability=0.1)), image(2, analysis(id=uid(501)), modality=Modality.CLINICAL))
    text = html_text(write_report(content(result(case(*images)))))
    assert text.index("Picture 2, clinical") < text.index("Picture 1, dermoscopic")
    assert "The decision is about this picture." in text


def test_nothing_unsaid_is_made_up() -> None:
    bare = case(sex=None, birth_year=None, fitzpatrick=None, laterality=None, body_site=None, reference=None, lesion_reference=None)
    text = html_text(write_report(content(result(replace(bare, clinical_notes="", visit_source=VisitSource.RECEIPT)))))
    assert "Site not stated" in text
    assert "(date of receipt)" in text
    for label in ("Sex", "Year of birth", "Skin type", "Lesion reference", "Case reference", "Clinical notes"):
        assert label not in text


def test_what_portals_call_a_site_is_translated_where_it_is_known() -> None:
    assert "Rücken" in html_text(write_report(content(result(case(body_site="Back")), "de")))
    assert "hinter dem Ohr" in html_text(write_report(content(result(case(body_site="hinter dem Ohr")))))


def test_an_alert_of_a_newer_rule_is_told_in_its_own_words() -> None:
    told = raised(rules={"fired": [{"rule": "texture", "text": "texture is new", "value": 1, "error": 0.1, "threshold": 1}]})
    assert "texture is new." in html_text(write_report(content(result(trail=replace(trail(), alerts=(told,))), "de")))


def test_a_comparison_says_what_limits_it() -> None:
    whole = trail()
    last = whole.comparisons[-1]
    limited = {**(last.changes or {}), "basis": "registration", "lower_bound": True, "notes": ["No scale is known."]}
    limited["changes"] = {**limited["changes"], "new_structures": _share(), "embedding": _share()}
    compared = (*whole.comparisons[:-1], replace(last, changes=limited))
    text = html_text(write_report(content(result(trail=replace(whole, comparisons=compared)))))
    assert "by how the pictures lie over each other" in text
    assert "sizes are lower bounds" in text
    assert "No scale is known." in text
    assert "New structures, of the lesion – – 32 % ± 4 beyond the error" in text.replace("32 ± 4 %", "32 % ± 4")


def test_visits_that_nobody_compared_are_said_and_why() -> None:
    whole = trail(alert=False)
    failed = replace(whole.visits[-1], failed="The picture could not be read.")
    for visits, words in (
        (whole.visits, "have not been compared"),
        ((*whole.visits[:-1], failed), "could not be compared: The picture could not be read."),
    ):
        text = html_text(write_report(content(result(trail=replace(whole, visits=visits, comparisons=())))))
        assert words in text


def test_a_new_class_is_named_in_the_language() -> None:
    whole = trail()
    last = whole.comparisons[-1]
    fresh = replace(last, changes={**(last.changes or {}), "new_classes": ["MEL"]})
    rule = {"fired": [{"rule": "new_class", "text": "prediction set now holds MEL", "value": 0.2, "error": 0.1, "threshold": 0.05}]}
    grown = replace(whole, comparisons=(*whole.comparisons[:-1], fresh), alerts=(raised(rules=rule),))
    assert "enthält neu Melanom." in html_text(write_report(content(result(trail=grown), "de")))


def test_other_diagnoses_and_models_without_a_name_are_said() -> None:
    text = html_text(write_report(content(result(case(reviews=[review(diagnosis="OTHER", management=None)]), models=()))))
    assert "Another diagnosis: see the note" in text
    assert "No management stated" in text
    assert "its models are not in the registry" in text


def test_html_obeys_a_policy_without_exceptions() -> None:
    page = write_report(content(result(trail=trail())))
    assert not re.search(r"\sstyle=|\son\w+=|<script|<link|javascript:|https?://(?!www\.w3\.org/2000/svg)", page)
    assert page.count("<style>") == 1
    assert "default-src 'none'" in policy()
    assert "unsafe" not in policy()


def test_a_document_names_no_patient_in_its_name_and_keeps_out_of_caches() -> None:
    document = make_report(result=result(), store=shelf(), language="de", form=Form.PDF)
    assert document.filename == f"report-{CASE}-v1-de.pdf"
    headers = headers_of(document)
    assert headers["Content-Language"] == "de"
    assert headers["Cache-Control"] == "private, no-cache"
    html = make_report(result=result(), store=shelf(), language="en", form=Form.HTML)
    assert html.content_type == "text/html; charset=utf-8"
    assert html.etag != document.etag


def test_times_are_told_in_utc_whatever_the_zone_of_the_record() -> None:
    from datetime import timezone

    signed = review(created_at=review().created_at.astimezone(timezone(timedelta(hours=9))))
    assert "21 November 2026, 14:02 UTC" in html_text(write_report(content(result(case(reviews=[signed])))))


def _share() -> dict[str, Any]:
    return {"absolute": 0.32, "relative": None, "error": 0.04, "unit": "share", "significant": True, "earlier": None, "later": None}
