"""The order page, as a person uses it: placing orders, seeing what becomes of them, breaking things."""

import re
from collections.abc import Iterator
from itertools import batched
from typing import Any
from uuid import uuid4

import pytest
from playwright.sync_api import Browser, expect

from shared.order_table import to_item
from tests.builders import an_order
from tests.e2e.conftest import ORDERS_TABLE, Service
from tests.e2e.page.browser import SETTLE_MS, Window


@pytest.fixture
def window(browser: Browser, service: Service) -> Iterator[Window]:
    """A window whose injected failures are ended and whose scripts had no problem."""
    window = Window(browser, service)
    yield window
    window.page.request.post(f"{service.page_url}actions/end", data={})
    assert window.problems == []
    window.page.context.close()


def pass_time(window: Window, button: str, hours: int) -> None:
    window.press(button)
    window.sees("#said", re.compile(f"^{hours} h have passed"))


def test_an_order_shows_its_trace_logs_and_request(window: Window) -> None:
    order_id = window.place("Usual")
    window.sees_row(order_id, "PROCESSED")

    window.row(order_id).click()

    order = window.page.locator("#order")
    expect(order.locator(".waterfall")).to_contain_text("payment provider", timeout=SETTLE_MS)
    expect(order.get_by_label("Timeline")).to_contain_text("PROCESSED, payment")
    expect(order.get_by_label("Logs", exact=True)).to_contain_text("processPayment")
    expect(order.get_by_label("Its request")).to_contain_text("curl -i http://127.0.0.1:")
    expect(window.page.locator("#stream")).to_contain_text("recorded")


def test_an_invalid_order_shows_the_problem_at_each_input(window: Window) -> None:
    window.press("Invalid")

    window.sees("#answer p", re.compile("^422 "))
    expect(window.page.locator("#place [aria-invalid]")).to_have_count(5)
    window.sees('[id="error-/items/0/quantity"]', re.compile("greater than or equal to 1"))


def test_what_was_typed_is_placed_and_opened_by_keyboard(window: Window) -> None:
    window.press("Add an item")
    window.page.locator('[name="/items/1/unit_price"]').fill("50.10")
    window.page.get_by_label("customer_id").fill("typed-1")
    window.page.get_by_label("customer_id").press("Enter")
    window.page.locator("#answer a").press("Enter")

    expect(window.page.locator("#order-title")).to_be_focused()
    expect(window.page.locator("#order")).to_contain_text("BRL 800.00 · typed-1", timeout=SETTLE_MS)


def test_a_burst_is_settled_and_no_order_is_lost(window: Window) -> None:
    window.press("Burst of 200")

    # On a busy machine the API may refuse some (503).
    said = window.page.locator("#said")
    expect(said).to_have_text(re.compile(r"^\d+ of 200 orders were created"), timeout=3 * SETTLE_MS)
    created = int(said.inner_text().split()[0])
    window.sees("#PENDING", re.compile("^[0-9]$"))
    window.sees("#promise p", re.compile(r"^\d+ accepted = \d+ pending \+ \d+ settled · 0 charged twice$"))
    window.sees("#given_up", "0")
    assert 0 < created <= int(window.page.locator("#accepted").inner_text())
    expect(window.page.locator("#promise p")).to_have_class("holds")


def test_a_failing_provider_defers_and_recovery_pays(window: Window) -> None:
    window.press("failing")
    window.sees(".injected", "Payment provider failing")
    order_id = window.place("Usual")
    window.sees_row(order_id, "1 failed")
    window.press("End all failures")
    pass_time(window, "1 hour", 1)
    window.press("Run RecoverOrders now")

    window.sees_row(order_id, "PROCESSED")


def test_a_paused_mapping_delivers_later_what_the_stream_has_not_trimmed(window: Window) -> None:
    window.press("Pause")
    window.sees(".injected", "Stream mapping paused")
    trimmed = window.place("Usual")
    pass_time(window, "1 day", 24)
    window.press("Run RecoverOrders now")
    window.sees("#said", re.compile("^RecoverOrders: "))
    window.sees_row(trimmed, "PROCESSED")
    pass_time(window, "1 day", 24)  # so that the provider forgets the charge
    delivered = window.place("Usual")
    window.sees_row(delivered, "PENDING")
    window.press("Resume")

    window.sees_row(delivered, "PROCESSED")
    window.sees("#promise p", re.compile("0 charged twice$"))


def test_a_killed_function_costs_a_retry_and_charges_once(window: Window) -> None:
    window.press("Kill the next function that charges")
    window.sees(".injected", "The next charge kills its function")
    order_id = window.place("Usual")

    window.sees_row(order_id, "PROCESSED")
    expect(window.page.locator("#stream .ERROR").first).to_contain_text("process ended")
    window.sees("#promise p", re.compile("0 charged twice$"))


def test_an_order_that_is_delivered_again_changes_nothing_until_the_stream_has_trimmed_it(window: Window) -> None:
    order_id = window.place("Usual")
    window.sees_row(order_id, "PROCESSED")
    window.place("Declined")  # so that its batch is not the last
    window.row(order_id).click()
    window.press("Deliver again")

    window.sees("#said", "The record of this order was delivered once more.")
    expect(window.page.get_by_label("Logs", exact=True)).to_contain_text("Another attempt was recorded before")
    pass_time(window, "4 days", 96)
    window.press("Deliver again")
    window.sees("#said", re.compile("the stream has trimmed it after 24 hours"))
    window.problems.clear()  # the browser reports the refusal (409)
    window.sees("#promise p", re.compile("0 charged twice$"))


def test_an_outage_of_dynamodb_loses_nothing(window: Window) -> None:
    order_id = window.place("Usual")
    window.press("Restart DynamoDB Local")
    window.sees(".injected", "DynamoDB Local is unavailable")

    window.sees("#said", re.compile("it was unavailable for"))
    window.sees_row(order_id, "PROCESSED")


def test_an_order_that_was_charged_twice_or_lost_is_seen(window: Window, service: Service) -> None:
    lost = an_order()
    item = to_item(lost)
    del item["pending_bucket"]
    service.store(item)

    window.sees("#promise p", re.compile("≠ .* 1 lost"))
    expect(window.page.locator("#promise p")).to_have_class("fails")
    service.store(to_item(lost.processed("payment-1")))
    expect(window.page.locator("#promise p")).to_have_class("holds", timeout=SETTLE_MS)


def test_a_declined_order_shows_why_and_is_found_by_search_and_status(window: Window) -> None:
    order_id = window.place("Declined")
    window.sees_row(order_id, "DECLINED")
    window.row(order_id).click()
    expect(window.page.locator("#order")).to_contain_text("DECLINED, insufficient funds", timeout=SETTLE_MS)

    window.page.get_by_label("Status").select_option("PROCESSED")
    window.sees("#rows .soft", "0 found")


def test_with_many_orders_the_page_shows_the_newest_and_finds_all(window: Window, service: Service) -> None:
    oldest = an_order().processed("payment-1")
    service.store(to_item(oldest))
    template = to_item(an_order().processed("payment-1"))
    puts: Any = ({"PutRequest": {"Item": {**template, "order_id": {"S": str(uuid4())}}}} for _ in range(1_000))
    for call in batched(puts, 25, strict=True):
        service.dynamodb.batch_write_item(RequestItems={ORDERS_TABLE: list(call)})
    window.sees("#rows .soft", re.compile(r"^The newest 200 of \d{4}$"))

    expect(window.page.locator("#rows a")).to_have_count(200)
    expect(window.row(str(oldest.order_id))).to_have_count(0)
    window.sees_row(str(oldest.order_id), "PROCESSED")
