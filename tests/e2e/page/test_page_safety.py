"""The order page treats what clients send as text, refuses the pages of other sites, and is accessible."""

import json
from typing import Literal

import pytest
import requests
from playwright.sync_api import Browser, expect

from shared.order_table import to_item
from tests.builders import an_order
from tests.e2e.conftest import Service
from tests.e2e.page.browser import SETTLE_MS, Window
from tools.repository import ROOT

ATTACK = "<img src=x onerror=alert(1)>"
LIMIT_SECONDS = 30
WIDTHS_AND_COLOURS: list[tuple[int, Literal["light", "dark"]]] = [(1400, "light"), (360, "dark")]


def test_text_from_a_client_is_never_interpreted(browser: Browser, service: Service) -> None:
    window = Window(browser, service)
    window.page.on("dialog", lambda dialog: pytest.fail(dialog.message))
    window.page.locator('[name="/items/0/sku"]').fill(ATTACK)
    window.page.get_by_label("Idempotency-Key").fill(ATTACK)
    order_id = window.place("Place order")
    window.row(order_id).click()
    expect(window.page.get_by_label("Its request")).to_contain_text(f"Idempotency-Key: {ATTACK}", timeout=SETTLE_MS)
    expect(window.page.get_by_label("Item as stored")).to_contain_text(ATTACK)
    window.page.get_by_label("customer_id").fill(ATTACK)
    window.press("Place order")
    expect(window.page.locator("#answer")).to_contain_text("422", timeout=SETTLE_MS)
    foreign = an_order().processed("payment-1").model_copy(update={"customer_id": ATTACK})
    service.store(to_item(foreign))

    window.sees_row(str(foreign.order_id), ATTACK)
    assert window.page.locator("img").count() == 0
    assert window.problems == []


@pytest.mark.parametrize("headers", [{"Origin": "http://example.com"}, {"Host": "example.com"}, {"Origin": "null"}])
@pytest.mark.parametrize(("method", "path"), [("GET", "parts"), ("POST", "actions/end")])
def test_the_page_of_another_site_is_refused(service: Service, headers: dict[str, str], method: str, path: str) -> None:
    refused = requests.request(method, service.page_url + path, json="", headers=headers, timeout=LIMIT_SECONDS)

    assert refused.status_code == 403


def test_axe_finds_nothing_serious_whatever_the_width_and_the_colours(browser: Browser, service: Service) -> None:
    window = Window(browser, service)
    window.page.emulate_media(reduced_motion="reduce")  # nothing moves while axe looks
    order_id = window.place("Usual")
    window.press("Invalid")
    window.press("failing")
    window.row(order_id).click()
    expect(window.page.locator(".waterfall li").first).to_be_visible(timeout=SETTLE_MS)
    window.page.evaluate((ROOT / "node_modules" / "axe-core" / "axe.min.js").read_text())

    for width, scheme in WIDTHS_AND_COLOURS:
        window.page.set_viewport_size({"width": width, "height": 1000})
        window.page.emulate_media(color_scheme=scheme)
        found = window.page.evaluate("axe.run().then((results) => results.violations)")

        serious = [violation for violation in found if violation["impact"] in {"serious", "critical"}]
        assert serious == [], f"{width} {scheme} {json.dumps(serious, indent=1)[:3000]}"
        assert window.page.evaluate("document.documentElement.scrollWidth") <= width

    window.press("End all failures")
    window.page.context.close()
