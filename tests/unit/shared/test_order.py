"""The rules of the order: what is accepted, what it costs, and that the table gives back what it got."""

import json
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import pytest
import regress
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import clock
from shared.order import Item, NewItem, NewOrder, Order, Status, idempotent_order_id, to_timestamp
from shared.order_table import UnreadableOrder, to_item, to_order
from tests.builders import VALID, an_item, an_order

amounts = st.decimals(min_value="0.01", max_value="9999999999.99", places=2)
# As ECMA 262 has the property.
DEFAULT_IGNORABLE = regress.Regex(r"\p{Default_Ignorable_Code_Point}", "u")
visible = st.characters(exclude_categories=["C", "Z"], exclude_characters="\u2800\ufffd").filter(
    lambda character: not DEFAULT_IGNORABLE.find(character)
)
skus = st.text(visible | st.just(" "), min_size=1, max_size=64).filter(str.strip)
items = st.builds(NewItem, sku=skus, quantity=st.integers(1, 10_000), unit_price=amounts)
new_orders = st.builds(
    NewOrder,
    customer_id=st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True),
    currency=st.from_regex(r"[A-Z]{3}", fullmatch=True),
    items=st.lists(items, min_size=1, max_size=5),
)


def accept(**changes: object) -> NewOrder:
    return NewOrder.model_validate({**VALID, **changes})


def accept_item(**changes: object) -> NewOrder:
    return accept(items=[an_item(**changes)])


@pytest.mark.parametrize("customer_id", ["c", "A.b_c-9", "c" * 64])
def test_a_customer_id_of_1_to_64_plain_characters_is_accepted(customer_id: str) -> None:
    assert accept(customer_id=customer_id).customer_id == customer_id


@pytest.mark.parametrize("customer_id", ["", "c" * 65, "a b", "ç", "c\n", "\ud800", 42, None, ["c"], True])
def test_any_other_customer_id_is_refused(customer_id: object) -> None:
    with pytest.raises(ValidationError):
        accept(customer_id=customer_id)


def test_the_currency_is_brl_unless_said() -> None:
    assert NewOrder.model_validate({name: VALID[name] for name in ("customer_id", "items")}).currency == "BRL"


@pytest.mark.parametrize("currency", ["", "brl", "BR", "BRLL", "B1L", "BRL\n", 986, None])
def test_a_currency_that_is_not_three_capital_letters_is_refused(currency: object) -> None:
    with pytest.raises(ValidationError):
        accept(currency=currency)


@pytest.mark.parametrize("count", [1, 100])
def test_1_to_100_items_are_accepted(count: int) -> None:
    assert len(accept(items=[an_item()] * count).items) == count


@pytest.mark.parametrize("wrong", [[], [an_item()] * 101, {}, "KB-75", None, [None], [[]], ["KB-75"]])
def test_no_items_too_many_and_what_is_no_list_of_items_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError):
        accept(items=wrong)


@pytest.mark.parametrize("sku", ["K", "K" * 64, "café 75/b", "cafe\u0301", " K ", "K\u00a075", "键盘", "\u2328"])
def test_a_sku_of_1_to_64_visible_characters_is_accepted(sku: str) -> None:
    assert accept_item(sku=sku).items[0].sku == sku


@pytest.mark.parametrize("sku", ["", "K" * 65, "a\x00b", "a\nb", "\x7f", "\u200b", "\ud800", 75, None])
def test_a_sku_with_control_characters_or_of_another_length_or_type_is_refused(sku: object) -> None:
    with pytest.raises(ValidationError):
        accept_item(sku=sku)


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u3000 \u2003", "\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"])
def test_a_sku_of_spaces_or_fillers_only_is_refused(blank: str) -> None:
    with pytest.raises(ValidationError, match="visible"):
        accept_item(sku=blank)


def test_a_sku_with_a_character_that_is_never_displayed_is_refused() -> None:
    everything = (chr(number) for number in range(0x110000) if not 0xD800 <= number < 0xE000)
    ignorable = [character for character in everything if DEFAULT_IGNORABLE.find(character)]

    for character in [*ignorable, "\u2028", "\u2029", "\u2800", "\ufffd"]:
        with pytest.raises(ValidationError, match="visible"):
            accept_item(sku=f"KB{character}75")


def test_the_answer_says_which_characters_a_sku_may_not_have() -> None:
    with pytest.raises(ValidationError) as refused:
        accept_item(sku="a\nb")

    [fault] = refused.value.errors()
    assert (fault["type"], fault["msg"]) == (
        "visible",
        "String should be visible: no control, format, unassigned, invisible or U+FFFD characters, not only spaces",
    )


@pytest.mark.parametrize("quantity", [1, 10_000, Decimal("3.0"), Decimal("1E+4")])
def test_a_quantity_of_1_to_10000_is_accepted(quantity: int | Decimal) -> None:
    accepted = accept_item(quantity=quantity).items[0].quantity

    assert (type(accepted), accepted) == (int, quantity)


@pytest.mark.parametrize("quantity", [0, -1, 10_001, 10**30, "2", True, None, Decimal("1.5"), Decimal("1E+999999")])
def test_any_other_quantity_is_refused(quantity: object) -> None:
    with pytest.raises(ValidationError):
        accept_item(quantity=quantity)


@pytest.mark.parametrize(
    ("unit_price", "exact"),
    [
        ("349.90", "349.90"),
        ("1", "1"),
        ("0.01", "0.01"),
        ("9999999999.99", "9999999999.99"),
        (7, "7"),
        (Decimal("349.9"), "349.9"),
        (Decimal("1E+2"), "100"),
    ],
)
def test_a_unit_price_is_text_or_a_number_and_stays_exact(unit_price: object, exact: str) -> None:
    assert accept_item(unit_price=unit_price).items[0].unit_price == Decimal(exact)


@pytest.mark.parametrize(
    "unit_price",
    ["0", "0.00", "-1", "1.005", "10000000000", "1e2", "1_0", " 1", "1.", ".5", "+1", "NaN", "Infinity", "\u0661", ""],
)
def test_text_that_is_no_amount_is_refused(unit_price: str) -> None:
    with pytest.raises(ValidationError):
        accept_item(unit_price=unit_price)


def test_what_an_amount_looks_like_is_said() -> None:
    with pytest.raises(ValidationError) as raised:
        accept_item(unit_price="1.005")

    [fault] = raised.value.errors()
    assert (fault["type"], fault["loc"]) == ("amount", ("items", 0, "unit_price"))
    assert fault["msg"] == (
        'Input should be an amount such as "349.90": up to 10 digits, then up to 2 decimals after a point'
    )


@pytest.mark.parametrize(
    "unit_price",
    [0, -1, 10**10, Decimal("0.001"), Decimal("1E+999999"), Decimal("1E-999999"), Decimal("NaN"), 1.5, True, None, []],
)
def test_a_number_that_is_no_amount_is_refused(unit_price: object) -> None:
    with pytest.raises(ValidationError):
        accept_item(unit_price=unit_price)


@pytest.mark.parametrize("wrong", [{**VALID, "colour": "red"}, {**VALID, "items": [an_item(colour="red")]}])
def test_unknown_members_are_refused(wrong: object) -> None:
    with pytest.raises(ValidationError, match="colour"):
        NewOrder.model_validate(wrong)


@pytest.mark.parametrize("missing", ["customer_id", "items"])
def test_missing_members_are_refused(missing: str) -> None:
    with pytest.raises(ValidationError, match=missing):
        NewOrder.model_validate({name: value for name, value in VALID.items() if name != missing})


@given(new_orders)
def test_an_order_costs_its_items_to_the_cent_and_stays_the_same_in_the_table_and_as_json(new_order: NewOrder) -> None:
    placed = Order.place(new_order)

    shown: dict[str, Any] = json.loads(placed.model_dump_json())

    assert placed.total * 100 == sum(item.quantity * int(item.unit_price * 100) for item in new_order.items)
    assert to_order(to_item(placed)) == placed
    assert NewOrder.model_validate({name: shown[name] for name in NewOrder.model_fields}) == new_order


@given(amounts)
def test_money_is_shown_as_text_with_two_decimals(amount: Decimal) -> None:
    item = Item(sku="KB-75", quantity=1, unit_price=amount)

    assert item.model_dump(mode="json")["unit_price"] == f"{amount:.2f}"


@given(st.datetimes(timezones=st.just(UTC)))
def test_times_are_shown_in_utc_with_milliseconds_and_sort_as_text(time: datetime) -> None:
    order = an_order().model_copy(update={"created_at": time})

    shown = json.loads(order.model_dump_json())["created_at"]

    assert len(shown) == len("2026-11-24T07:04:28.123Z")
    assert shown.endswith("Z")
    assert abs((datetime.fromisoformat(shown) - time).total_seconds()) < 0.001


def test_a_time_of_another_zone_is_shown_in_utc() -> None:
    brasilia = timezone(timedelta(hours=-3))

    assert to_timestamp(datetime(2026, 11, 24, 4, 4, 28, 123_000, brasilia)) == "2026-11-24T07:04:28.123Z"


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> datetime:
    """The time as the service reads it, from a system clock that counts microseconds."""

    class SystemClock(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> Self:
            return cls(2026, 11, 25, 12, 0, 0, 500_100, tz)

    monkeypatch.setattr(clock, "datetime", SystemClock)
    return datetime(2026, 11, 25, 12, 0, 0, 500_000, UTC)


def test_a_new_order_is_pending_and_in_the_index_of_what_waits(now: datetime) -> None:
    new_order = accept(currency="USD")

    order = Order.place(new_order, UUID(int=7), "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1")

    assert order.model_dump(exclude_none=True) == {
        **new_order.model_dump(),
        "order_id": UUID(int=7),
        "status": Status.PENDING,
        "created_at": now,
        "due_at": now + timedelta(minutes=5),
        "total": Decimal("699.80"),
        "trace_id": "1-5759e988-bd862e3fe1be46a994272793",
    }
    assert order.trace_header == "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1"
    assert to_item(order)["pending_bucket"] == {"S": "0"}


def test_an_order_and_its_items_never_change_in_place() -> None:
    order = an_order()

    with pytest.raises(ValidationError, match="frozen"):
        order.status = Status.PROCESSED  # type: ignore[misc]
    with pytest.raises(ValidationError, match="frozen"):
        order.items[0].quantity = 3  # type: ignore[misc]


def test_an_order_has_a_new_id_unless_one_is_given() -> None:
    assert an_order().order_id != an_order().order_id
    assert an_order().order_id.version == 4


def test_a_processed_order_tells_its_payment_and_waits_no_more(now: datetime) -> None:
    placed = an_order()

    order = placed.deferred(now).processed("payment-1")

    settled = {"status": Status.PROCESSED, "processed_at": now, "payment_id": "payment-1"}
    assert order == placed.model_copy(update={**settled, "due_at": None, "attempts": 1, "attempt_id": order.attempt_id})
    assert "pending_bucket" not in to_item(order)


def test_a_declined_order_tells_the_reason_and_waits_no_more(now: datetime) -> None:
    placed = an_order()

    order = placed.deferred(now).declined("insufficient funds")

    settled = {"status": Status.DECLINED, "declined_at": now, "decline_reason": "insufficient funds"}
    assert order == placed.model_copy(update={**settled, "due_at": None, "attempts": 1, "attempt_id": order.attempt_id})
    assert "pending_bucket" not in to_item(order)


def test_a_deferred_order_is_pending_and_tells_when_it_is_tried_again(now: datetime) -> None:
    placed = an_order()

    order = placed.deferred(now).deferred(now + timedelta(seconds=60))

    deferred = {"attempts": 2, "due_at": now + timedelta(seconds=60), "attempt_id": order.attempt_id}
    assert order == placed.model_copy(update=deferred)
    assert to_item(order)["pending_bucket"] == {"S": str(order.order_id)[0]}
    assert to_order(to_item(order)) == order


def test_clients_see_when_an_order_is_due_only_after_a_failed_attempt(now: datetime) -> None:
    placed = an_order()

    assert "due_at" not in json.loads(placed.to_json())
    assert json.loads(placed.deferred(now).to_json())["due_at"] == "2026-11-25T12:00:00.500Z"


def test_each_attempt_has_an_id_that_is_stored_but_not_shown(now: datetime) -> None:
    placed = an_order()
    attempts = [
        placed.processed("payment-1"),
        placed.processed("payment-1"),
        placed.declined("no"),
        placed.deferred(now),
    ]

    assert len({attempt.attempt_id for attempt in attempts}) == 4
    assert [to_order(to_item(attempt)).attempt_id for attempt in attempts] == [each.attempt_id for each in attempts]
    assert not any("attempt_id" in attempt.model_dump_json() for attempt in attempts)


def test_attempts_are_shown_only_when_one_has_failed() -> None:
    order = an_order()

    assert "attempts" not in json.loads(order.model_dump_json())
    assert json.loads(order.deferred(order.created_at).model_dump_json())["attempts"] == 1


def test_an_order_that_was_stored_under_looser_rules_is_readable() -> None:
    stored = {
        **to_item(an_order()),
        "customer_id": {"S": "a b"},
        "currency": {"S": "reais"},
        "items": {"L": [{"M": {"sku": {"S": ""}, "quantity": {"N": "99999"}, "unit_price": {"S": "0.001"}}}]},
        "attempts": {"N": "0"},
        "coupon": {"S": "a member that is no more"},
    }

    order = to_order(stored)

    assert (order.customer_id, order.currency) == ("a b", "reais")
    assert order.items == [Item(sku="", quantity=99_999, unit_price=Decimal("0.001"))]


def test_an_idempotency_key_names_the_same_order_for_ever() -> None:
    assert idempotent_order_id("caller-1", "key") == UUID("c31cd926-419e-5c42-9a32-d69377a765f2")
    assert idempotent_order_id("caller-2", "key") != idempotent_order_id("caller-1", "key")


@pytest.mark.parametrize(
    "change",
    [
        {"items": {"S": "none"}},
        {"items": {"L": [{"M": {}}]}},
        {"items": {"L": [{"N": "1"}]}},
        {"status": {"S": "NEW"}},
        {"order_id": {"S": "1"}},
        {"created_at": {"NULL": True}},
        {"customer_id": {"X": "1"}},
        {"attempts": {"N": "-1"}},
        {"attempts": {"N": "one"}},
        {"attempts": {"N": "9" * 60}},
        {"attempts": {"N": []}},
        {"attempts": 1},
    ],
)
def test_an_item_that_is_no_order_is_unreadable(change: dict[str, Any]) -> None:
    with pytest.raises(UnreadableOrder):
        to_order({**to_item(an_order()), **change})


def test_what_is_unreadable_is_named_without_its_value() -> None:
    item = {**to_item(an_order()), "status": {"S": "Ada"}, "items": {"L": [{"M": {}}]}}

    with pytest.raises(UnreadableOrder) as raised:
        to_order(item)

    assert str(raised.value) == (
        "items.0.sku (missing), items.0.quantity (missing), items.0.unit_price (missing), status (enum)"
    )


def test_what_is_not_dynamodbs_json_is_named_by_its_error() -> None:
    with pytest.raises(UnreadableOrder, match=r"^TypeError$"):
        to_order({**to_item(an_order()), "customer_id": {"X": "1"}})
