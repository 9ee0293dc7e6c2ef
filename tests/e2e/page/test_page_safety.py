"""The order page treats what clients send as text, refuses strangers, and can be used by everybody."""

import http.client
import json
import socket
import sys
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


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://example.com"}, {"Host": "example.com"}, {"Host": "example.com:80"}, {"Origin": "null"}],
)
@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/"), ("GET", "/parts"), ("GET", "/orders/x/logs"), ("POST", "/actions/end")]
)
def test_a_stranger_is_refused(service: Service, headers: dict[str, str], method: str, path: str) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", int(service.page_port), timeout=LIMIT_SECONDS)
    connection.request(method, path, "{}", {"Content-Type": "application/json", **headers})

    assert connection.getresponse().status == 403
    connection.close()


def test_another_sites_page_can_neither_read_nor_act(browser: Browser, service: Service) -> None:
    page = browser.new_context().new_page()
    page.route("http://example.com/", lambda route: route.fulfill(body="<!doctype html>", content_type="text/html"))
    page.goto("http://example.com/")

    outcome = page.evaluate(
        """async (url) => {
            const read = await fetch(url).then((answer) => answer.text(), () => "refused");
            const acted = await fetch(url + "actions/mood", {
                method: "POST", mode: "no-cors", body: '{"mood": "failing"}', headers: {"Content-Type": "text/plain"},
            }).then(() => "sent", () => "refused");
            return [read, acted];
        }""",
        service.page_url,
    )

    assert outcome[0] == "refused"
    window = Window(browser, service)
    expect(window.page.locator(".injected")).to_have_count(0)
    page.context.close()


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.1 is the only loopback address")
def test_it_listens_on_127_0_0_1_alone(service: Service) -> None:
    port = int(service.page_port)

    socket.create_connection(("127.0.0.1", port), LIMIT_SECONDS).close()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", port), LIMIT_SECONDS)


def test_it_loads_nothing_from_elsewhere(service: Service) -> None:
    answer = requests.get(service.page_url, timeout=LIMIT_SECONDS)

    assert answer.ok
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "http://" not in answer.text.replace("http://127.0.0.1", "")


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


def test_an_order_can_be_placed_and_opened_by_keyboard_alone(browser: Browser, service: Service) -> None:
    window = Window(browser, service)
    window.page.get_by_label("customer_id").focus()
    window.page.keyboard.type("-keyboard")
    window.page.keyboard.press("Enter")
    expect(window.page.locator("#answer a")).to_contain_text("Order", timeout=SETTLE_MS)
    window.page.locator("#answer a").focus()
    window.page.keyboard.press("Enter")

    expect(window.page.locator("#order-title")).to_be_focused()
    expect(window.page.locator("#order")).to_contain_text("-keyboard", timeout=SETTLE_MS)
    window.page.get_by_role("button", name="slow").focus()
    window.page.keyboard.press("Enter")
    window.sees(".injected", "Payment provider slow")
    expect(window.page.get_by_role("button", name="slow")).to_be_focused()  # although it is drawn anew
    window.press("End all failures")
    window.page.context.close()
