"""Try an image through the Flask client: what is stored, what is shown, and what is refused."""

import io
import struct
import zlib
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import numpy as np
import pytest
from PIL import Image, ImageCms
from sqlalchemy import Engine, text
from werkzeug.datastructures import FileStorage
from werkzeug.test import TestResponse, encode_multipart

from services.records import trials
from services.records.trials import TrialAnswer
from services.review import sent_picture
from services.review.app import create_app
from services.review.sent_picture import PictureRefused, cleaned
from services.review.visitors import household
from tests.conftest import SettingsFor
from tests.review.conftest import Browser, token, words_of
from tests.review.seeds import MELANOMA, Clinic, abstention, finding, jpeg, mask_png, set_of

GPS = 0x8825


def send(browser: Browser, data: bytes, *, agreed: bool = True, name: str = "spot.jpg", **options: Any) -> TestResponse:
    """Fills in the form."""
    fields = {
        "csrf_token": token(browser.get("/try").text),
        "picture": FileStorage(io.BytesIO(data), filename=name, content_type="image/jpeg"),
    }
    # Encoded here: the client would leave the temporary file of a large form open.
    boundary, body = encode_multipart(fields | ({"agreed": "yes"} if agreed else {}))
    return browser.client.post("/try", data=body, content_type=f"multipart/form-data; boundary={boundary}", **options)


def sent(browser: Browser, data: bytes | None = None) -> UUID:
    """A picture that waits; its id."""
    answer = send(browser, data or jpeg())
    assert answer.status_code == 303, words_of(answer)
    return UUID(answer.headers["Location"].rpartition("/")[2])


def answered(clinic: Clinic, trial_id: UUID, said: dict[str, Any] | None, *, reason: str | None = None) -> None:
    """What the worker does."""
    _, mask_key, heatmap_key = trials.object_keys(trial_id)
    clinic.store.put(mask_key, mask_png(), "image/png")
    clinic.store.put(heatmap_key, jpeg(64, 48), "image/jpeg")
    answer = TrialAnswer(finding=said, mask_key=mask_key, heatmap_key=heatmap_key) if said else TrialAnswer(reason=reason)
    with clinic.worker.transaction() as session:
        trials.answer_trial(session=session, trial_id=trial_id, answer=answer)


def encoded(picture: Image.Image, form: str = "JPEG", **options: Any) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    picture.save(out, form, **options)
    return out.getvalue()


def halves(width: int = 400, height: int = 200) -> Image.Image:
    """Red on the left, blue on the right."""
    picture = Image.new("RGB", (width, height), "red")
    picture.paste("blue", (width // 2, 0, width, height))
    return picture


def test_only_the_pixels_are_stored(clinic: Clinic, browser: Browser) -> None:
    exif = Image.Exif()
    exif[0x010F] = "Telephone of Ms P."
    exif.get_ifd(GPS)[1] = "N"
    trial_id = sent(browser, encoded(halves(), exif=exif, comment=b"secret words"))
    stored = clinic.store.get(f"trials/{trial_id}/picture.jpg")
    assert b"Telephone" not in stored
    assert b"secret words" not in stored
    opened = Image.open(io.BytesIO(stored))
    assert (opened.format, opened.size, len(opened.getexif())) == ("JPEG", (400, 200), 0)


def test_a_turned_picture_is_stored_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the telephone was held upright: turn by a quarter
    stored = Image.open(io.BytesIO(cleaned(encoded(halves(), exif=exif))))
    assert stored.size == (200, 400)
    red, _, blue = stored.getpixel((100, 50))  # type: ignore[misc]
    assert red > 200 > blue


def test_a_large_picture_is_reduced_and_a_small_one_kept() -> None:
    assert Image.open(io.BytesIO(cleaned(encoded(halves(6000, 3000))))).size == (2048, 1024)
    assert Image.open(io.BytesIO(cleaned(encoded(halves(300, 200))))).size == (300, 200)


@pytest.mark.parametrize(
    ("mode", "form"), [("RGBA", "PNG"), ("P", "PNG"), ("L", "PNG"), ("LA", "PNG"), ("1", "PNG"), ("RGBA", "WEBP"), ("CMYK", "JPEG")]
)
def test_every_kind_of_pixel_becomes_rgb(mode: str, form: str) -> None:
    stored = Image.open(io.BytesIO(cleaned(encoded(halves().convert("RGB").convert(mode), form))))
    assert (stored.format, stored.mode, stored.size) == ("JPEG", "RGB", (400, 200))


def test_what_is_transparent_becomes_white() -> None:
    stored = Image.open(io.BytesIO(cleaned(encoded(Image.new("RGBA", (100, 100), (0, 0, 0, 0)), "PNG"))))
    assert stored.getpixel((50, 50)) == (255, 255, 255)


def test_colours_of_another_profile_are_converted() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    assert cleaned(encoded(halves(), icc_profile=profile))  # a profile of another kind of colour is passed over
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    red, green, blue = Image.open(io.BytesIO(cleaned(encoded(halves(), icc_profile=srgb)))).getpixel((50, 50))  # type: ignore[misc]
    assert red > 240
    assert max(green, blue) < 20


def bomb(width: int, height: int) -> bytes:
    """A PNG of some hundred bytes that claims to be huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"\0" * 10_000)) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "No picture was sent"),
        (b"MZ\x90\x00 not a picture", "not a picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "not a picture"),
        (encoded(halves(), "GIF"), "not a picture"),
        (encoded(halves(), "TIFF"), "not a picture"),
        (jpeg()[:700], "damaged"),
        (bomb(60_000, 60_000), "too many pixels"),
        (bomb(11_000, 11_000), "too many pixels"),
        (bomb(5_000, 5_000), "too many pixels"),
        (bomb(3_000, 3_000), "damaged"),
        (encoded(halves(40, 40)), "smaller than 64"),
    ],
)
def test_it_refuses_what_is_no_usable_picture(clinic: Clinic, browser: Browser, data: bytes, why: str) -> None:
    answer = send(browser, data)
    assert answer.status_code == 422
    assert why in words_of(answer)


def test_noise_in_a_file_is_refused_and_never_a_fault() -> None:
    whole = encoded(halves(), "WEBP"), encoded(halves(), "PNG"), jpeg()
    random = np.random.default_rng(0)
    for file in whole * 20:
        data = bytearray(file)
        for position in random.integers(12, len(data), 8):
            data[position] = int(random.integers(256))
        try:
            assert cleaned(bytes(data))
        except PictureRefused:
            continue


def test_a_file_that_is_too_large_is_not_even_read(clinic: Clinic, browser: Browser) -> None:
    over = sent_picture.MAX_BYTES + 1
    assert "larger than 12 MB" in words_of(send(browser, b"\xff" * over))
    answer = send(browser, b"\xff" * (over + 100_000))
    assert answer.status_code == 413
    assert "larger than 12 MB" in words_of(answer)


def test_other_forms_stay_small(clinic: Clinic, browser: Browser) -> None:
    answer = browser.client.post(f"/try/{uuid4()}/delete", data={"csrf_token": "x" * 100_000})
    assert answer.status_code == 413


def test_the_box_must_be_ticked(clinic: Clinic, browser: Browser) -> None:
    answer = send(browser, jpeg(), agreed=False)
    assert answer.status_code == 422
    assert "Tick the box first" in words_of(answer)


def test_the_forms_token_is_needed(clinic: Clinic, browser: Browser) -> None:
    answer = browser.client.post("/try", data={"agreed": "yes", "picture": (io.BytesIO(jpeg()), "spot.jpg")})
    assert answer.status_code == 400


def test_too_many_pictures_in_a_minute_are_refused(clinic: Clinic, browser: Browser) -> None:
    statuses = [send(browser, b"x").status_code for _ in range(7)]
    assert statuses == [422] * 6 + [429]
    assert "Wait" in words_of(send(browser, jpeg()))
    other = send(browser, jpeg(), environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert other.status_code == 303


def test_an_address_is_only_believed_from_a_trusted_proxy(clinic: Clinic, settings_for: SettingsFor) -> None:
    for proxies, last in ((0, 429), (1, 422)):
        app = create_app(settings_for("review").model_copy(update={"trusted_proxies": proxies}))
        browser = Browser(app.test_client())
        pretended = [{"X-Forwarded-For": f"192.0.2.{number}"} for number in range(7)]
        assert [send(browser, b"x", headers=headers).status_code for headers in pretended] == [422] * 6 + [last]
        app.extensions["dermatrail"].database.close()


def test_a_household_counts_once() -> None:
    assert household("2001:db8:1:2::5") == household("2001:db8:1:2:ffff::1") != household("2001:db8:1:3::5")
    assert household("::ffff:192.0.2.7") == household("192.0.2.7") == "192.0.2.7"
    assert household(None) == household("unix:") == "unknown"


def test_a_full_waiting_room_says_so_and_stores_nothing(clinic: Clinic, browser: Browser, superuser_engine: Engine) -> None:
    with superuser_engine.begin() as connection:
        fill = "INSERT INTO trials (id, picture_key, expires_at) SELECT gen_random_uuid(), 'x', now() + interval '1 hour'"
        connection.execute(text(f"{fill} FROM generate_series(1, 20)"))
    answer = send(browser, jpeg())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "60")
    assert "Too many pictures are being tried" in words_of(answer)


def test_it_waits_then_shows_the_answer(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    waiting = browser.get(f"/try/{trial_id}")
    assert "Patients' cases go first" in words_of(waiting)
    assert "This is not a diagnosis" in words_of(waiting)
    assert browser.get(f"/try/{trial_id}/state").get_json() == {"state": "queued", "ahead": 0}
    answered(clinic, trial_id, MELANOMA | {"width": 320, "height": 240})
    assert browser.get(f"/try/{trial_id}/state").get_json() == {"state": "done", "ahead": 0}
    page = browser.get(f"/try/{trial_id}")
    said = words_of(page)
    assert "looks most like melanoma" in said
    assert "This is not a diagnosis" in said
    assert "If you are worried" in said
    assert "Show the spot to a doctor soon" in said
    assert "0.71" in said
    assert 'viewBox="0 0 320 240"' in page.text
    kinds = {name: browser.get(f"/try/{trial_id}/{name}").mimetype for name in ("picture", "mask", "heatmap")}
    assert kinds == {"picture": "image/jpeg", "mask": "image/png", "heatmap": "image/jpeg"}


def test_all_eight_classes_are_ranked(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, MELANOMA)
    said = words_of(browser.get(f"/try/{trial_id}"))
    ranked = said[said.index("All eight types") : said.index("together")]
    assert ranked.index("Melanoma") < ranked.index("Melanocytic naevus") < ranked.index("Benign keratosis")
    assert all(name in ranked for name in ("Basal cell", "Actinic", "Dermatofibroma", "Vascular", "Squamous"))


def test_a_set_is_said_as_one(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, set_of({"NV": 0.5, "BKL": 0.4}, "NV", "BKL"))
    said = words_of(browser.get(f"/try/{trial_id}"))
    assert "could be melanocytic naevus or benign keratosis" in said
    assert "Show the spot to a doctor soon" not in said


def test_a_harmless_answer_over_the_operating_point_still_sends_to_a_doctor(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, finding({"NV": 0.8, "MEL": 0.2}, suspicious=True))
    assert "Show the spot to a doctor soon" in words_of(browser.get(f"/try/{trial_id}"))


@pytest.mark.parametrize(
    ("reason", "sentence"),
    [
        ("poor_quality", "not good enough to say anything"),
        ("out_of_distribution", "unlike those that the model has learned from"),
        ("no_lesion_found", "No spot could be made out"),
        ("something_new", "not certain enough"),
    ],
)
def test_an_abstention_is_a_sentence_with_a_next_step(clinic: Clinic, browser: Browser, reason: str, sentence: str) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, abstention(reason, "retake"))
    page = browser.get(f"/try/{trial_id}")
    said = words_of(page)
    assert sentence in said
    assert "Next step" in said
    assert "Take another picture" in said
    assert "looks most like" not in said
    assert "<details>" in page.text
    assert "is-leading" not in page.text


def test_a_failure_says_why(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, None, reason=trials.BUSY)
    said = words_of(browser.get(f"/try/{trial_id}"))
    assert "Patients' cases come first" in said
    assert browser.get(f"/try/{trial_id}/mask").status_code == 404


def test_a_visitor_can_delete_it(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    answered(clinic, trial_id, MELANOMA)
    done = browser.post(f"/try/{trial_id}/delete", page=f"/try/{trial_id}")
    assert "The picture is deleted" in words_of(done)
    for path in ("", "/picture", "/mask", "/state"):
        assert browser.get(f"/try/{trial_id}{path}").status_code == 404


def test_after_its_hour_nobody_sees_it(clinic: Clinic, browser: Browser, superuser_engine: Engine) -> None:
    trial_id = sent(browser)
    with superuser_engine.begin() as connection:
        connection.execute(text("UPDATE trials SET expires_at = now() - interval '1 second'"))
    gone = browser.get(f"/try/{trial_id}")
    assert gone.status_code == 404
    assert "deleted within the hour" in words_of(gone)
    assert timedelta(hours=1) > trials.LIFETIME


def test_neither_page_nor_picture_is_kept_by_the_browser(clinic: Clinic, browser: Browser) -> None:
    trial_id = sent(browser)
    for path in ("", "/picture"):
        assert browser.get(f"/try/{trial_id}{path}").headers["Cache-Control"] == "no-store"
