"""A report in a real browser, under the policy that it is sent with: nothing is refused, nothing scrolls sideways, axe finds nothing."""

import pytest
from playwright.sync_api import Browser as Chromium

from services.exchange.report import Form, headers_of, make_report
from tests.desk.test_axe import findings, sideways
from tests.exchange.report_world import result, shelf, trail

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["en", "de"])
def test_a_report_obeys_its_policy_and_is_readable(chromium: Chromium, language: str) -> None:
    document = make_report(result=result(trail=trail()), store=shelf(), language=language, form=Form.HTML)
    headers = {**headers_of(document), "Content-Type": document.content_type}
    page = chromium.new_page(viewport={"width": 820, "height": 1180})
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text))
    page.route("http://portal.test/report", lambda route: route.fulfill(body=document.data, headers=headers))
    page.goto("http://portal.test/report")
    assert said == []
    assert page.evaluate("[...document.images].every(image => image.naturalWidth > 0)")
    assert page.evaluate("getComputedStyle(document.querySelector('.summary')).borderLeftWidth") == "4px"
    assert findings(page) == []
    assert sideways(page) == 0
    page.set_viewport_size({"width": 360, "height": 800})
    assert sideways(page) == 0
    page.close()
