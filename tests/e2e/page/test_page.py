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


@pytest.fixture(scope="module")
def processed(service: Service) -> str:
    """An order that was paid for."""
    order_id = service.create()
    assert service.settled(order_id)["status"] == "PROCESSED"
    return order_id


def test_an_order_shows_its_trace_logs_and_request(window: Window, processed: str) -> None:
    window.sees_row(processed, "PROCESSED")

    window.row(processed).click()

    order = window.page.locator("#order")
    expect(order.locator(".waterfall")).to_contain_text("payment provider", timeout=SETTLE_MS)
    expect(order.locator(".waterfall")).to_contain_text("createOrder")
    expect(order.get_by_label("Trace")).to_contain_text("From X-Ray.")
    expect(order.get_by_label("Timeline")).to_contain_text("PROCESSED, payment")
    expect(order.get_by_label("Logs", exact=True)).to_contain_text("processPayment")
    expect(order.get_by_label("Logs", exact=True)).to_contain_text("createOrder")
    expect(order.get_by_label("Its request")).to_contain_text("curl -i http://127.0.0.1:")
    expect(window.page.locator("#stream")).to_contain_text("recorded")


def test_an_invalid_order_shows_the_problem_at_each_input(window: Window) -> None:
    window.press("Invalid")

    window.sees("#answer p", re.compile("^422 "))
    expect(window.page.locator("#place [aria-invalid]")).to_have_count(5)
    window.sees('[id="error-/items/0/quantity"]', re.compile("greater than or equal to 1"))


def test_the_form_sends_what_was_typed(window: Window) -> None:
    window.page.get_by_label("customer_id").fill("typed-1")
    window.press("Add an item")
    window.page.locator('[name="/items/1/unit_price"]').fill("50.10")
    order_id = window.place("Place order")

    window.sees_row(order_id, "typed-1")
    window.sees_row(order_id, "BRL 800.00")


def test_the_same_key_twice_is_one_order(window: Window) -> None:
    window.press("Same key twice")

    window.sees("#answer p", re.compile("^200 the order of the first request"))


def test_a_burst_is_settled_and_no_order_is_lost(window: Window) -> None:
    before = window.count("accepted")

    window.press("Burst of 200")

    # On a busy machine the API may refuse some (503).
    said = window.page.locator("#said")
    expect(said).to_have_text(re.compile(r"^\d+ of 200 orders were created"), timeout=3 * SETTLE_MS)
    created = int(said.inner_text().split()[0])
    window.sees("#accepted", str(before + created))
    window.sees("#PENDING", re.compile("^[0-9]$"))
    window.sees("#promise p", re.compile(r"^\d+ accepted = \d+ pending \+ \d+ settled · 0 charged twice$"))
    window.sees("#given_up", "0")
    assert created > 0
    expect(window.page.locator("#promise p")).to_have_class("holds")


def test_a_failing_provider_defers_and_recovery_pays(window: Window) -> None:
    window.press("failing")
    window.sees(".injected", "Payment provider failing")
    order_id = window.place("Usual")
    window.sees_row(order_id, "1 failed")
    window.press("End all failures")
    expect(window.page.locator(".injected")).to_have_count(0)
    window.press("1 hour")
    window.sees("#said", re.compile("^1 h have passed"))
    window.press("Run RecoverOrders now")

    window.sees_row(order_id, "PROCESSED")


def test_after_four_days_an_order_that_could_not_be_paid_is_declined(window: Window) -> None:
    order_id = window.place("Provider down")
    window.sees_row(order_id, "1 failed")
    window.press("4 days")
    window.sees("#said", re.compile("^96 h have passed"))
    window.press("Run RecoverOrders now")

    window.sees_row(order_id, "DECLINED")


def test_a_paused_mapping_delivers_nothing_until_it_is_resumed(window: Window) -> None:
    window.press("Pause")
    window.sees(".injected", "Stream mapping paused")
    order_id = window.place("Usual")
    window.page.wait_for_timeout(3_000)  # longer than a payment takes
    window.sees_row(order_id, "PENDING")
    window.press("Resume")

    window.sees_row(order_id, "PROCESSED")


def test_a_killed_function_costs_a_retry_and_charges_once(window: Window) -> None:
    window.press("Kill the next function that charges")
    window.sees(".injected", "The next charge kills its function")
    order_id = window.place("Usual")

    window.sees_row(order_id, "PROCESSED")
    expect(window.page.locator(".injected")).to_have_count(0)
    expect(window.page.locator("#stream .ERROR").first).to_contain_text("process ended")
    window.sees("#promise p", re.compile("0 charged twice$"))


@pytest.mark.usefixtures("processed")
def test_a_batch_that_is_delivered_again_changes_nothing(window: Window) -> None:
    window.press("Deliver the last batch again")

    window.sees("#said", "The last batch was delivered once more.")
    window.sees("#promise p", re.compile("0 charged twice$"))


def test_an_order_that_is_delivered_again_changes_nothing_and_logs_the_second_attempt(window: Window) -> None:
    order_id = window.place("Usual")
    window.sees_row(order_id, "PROCESSED")
    window.place("Declined")  # so that its batch is not the last
    window.row(order_id).click()
    window.press("Deliver again")

    window.sees("#said", "The record of this order was delivered once more.")
    expect(window.page.get_by_label("Logs", exact=True)).to_contain_text("Another attempt was recorded before")
    expect(window.page.locator("#stream")).to_contain_text("again")
    window.sees("#promise p", re.compile("0 charged twice$"))
    window.sees_row(order_id, "PROCESSED")


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
    expect(window.row(order_id)).to_have_count(0)
    window.page.get_by_label("Status").select_option("all")
    window.page.get_by_label("Search").fill(f" {order_id[:13].upper()} ")
    window.sees("#rows .soft", "1 found")
    expect(window.page.locator("#rows a")).to_have_count(1)


def test_a_link_to_an_order_opens_it_and_so_does_a_reload(window: Window, processed: str) -> None:
    window.page.goto(f"{window.page.url}#/orders/{processed}")

    expect(window.page.locator("#order")).to_contain_text("PROCESSED", timeout=SETTLE_MS)
    window.page.reload()
    expect(window.page.locator("#order")).to_contain_text("PROCESSED", timeout=SETTLE_MS)


def test_an_unknown_order_is_said_to_be_unknown(window: Window) -> None:
    window.page.goto(f"{window.page.url}#/orders/{uuid4()}")

    window.sees("#order", "There is no such order in this run.")


def test_a_lost_connection_comes_back_with_what_happened_meanwhile(window: Window, service: Service) -> None:
    window.page.route("**/parts?*", lambda route: route.abort())
    window.page.reload()
    window.sees("#connection", "Trying to connect …")
    stored = an_order().processed("payment-1")
    service.store(to_item(stored))
    window.page.unroute("**/parts?*")

    window.sees("#connection", "Live")
    window.sees_row(str(stored.order_id), "PROCESSED")
    window.problems.clear()  # the browser reports each attempt that failed


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
