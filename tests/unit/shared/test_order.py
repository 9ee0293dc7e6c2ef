"""The rules of the order: what is accepted, what it costs, and that the table gives back what it got."""

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any, Self
from uuid import UUID

import pytest
import regress
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from shared import clock
from shared.order import Item, NewItem, NewOrder, Order, Status, idempotent_order_id
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


Values = dict[str, list[Any]]


def each(values: Values) -> list[tuple[str, Any]]:
    """Each value with its member's name."""
    return [(member, value) for member, those in values.items() for value in those]


ACCEPTED: Values = {"customer_id": ["c", "A.b_c-9", "c" * 64], "currency": ["BRL", "XXX"]}
REFUSED: Values = {
    "customer_id": ["", "c" * 65, "a b", "ç", "c\n", "\ud800", 42, None, ["c"], True],
    "currency": ["", "brl", "BR", "BRLL", "B1L", "BRL\n", 986, None],
    "items": [[], [an_item()] * 101, {}, "KB-75", None, [None], [[]], ["KB-75"]],
}
ACCEPTED_IN_ITEM: Values = {
    "sku": ["K", "K" * 64, "café 75/b", "cafe\u0301", " K ", "K\u00a075", "键盘", "\u2328"],
    "quantity": [1, 10_000, Decimal("3.0"), Decimal("1E+4")],
}
REFUSED_IN_ITEM: Values = {
    "sku": [
        *("", "K" * 65, "a\x00b", "a\nb", "\x7f", "\u200b", "\ud800", 75, None),
        *(" ", "\u00a0", "\u3000 \u2003", "\u115f", "\u1160", "\u2800", "\u3164", "\uffa0"),  # nothing to see
    ],
    "quantity": [0, -1, 10_001, 10**30, "2", True, None, Decimal("1.5"), Decimal("1E+999999")],
    "unit_price": [
        *("0", "0.00", "-1", "1.005", "10000000000", "1e2", "1_0", "1.", ".5", "+1", "NaN", "Infinity", "\u0661"),
        *("", " 1", 0, -1, 10**10, 1.5, True, None, []),
        *map(Decimal, ("0.001", "1E+999999", "1E-999999", "NaN")),
    ],
}


@pytest.mark.parametrize(("member", "value"), each(ACCEPTED))
def test_a_member_that_follows_its_rules_is_accepted(member: str, value: object) -> None:
    assert getattr(accept(**{member: value}), member) == value


@pytest.mark.parametrize(("member", "value"), each(REFUSED))
def test_any_other_value_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValidationError, match=member):
        accept(**{member: value})


@pytest.mark.parametrize(("member", "value"), each(ACCEPTED_IN_ITEM))
def test_a_member_of_an_item_that_follows_its_rules_is_accepted(member: str, value: object) -> None:
    accepted = getattr(accept_item(**{member: value}).items[0], member)

    assert accepted == value
    assert type(accepted) in {str, int}  # also where the JSON says 3.0


@pytest.mark.parametrize(("member", "value"), each(REFUSED_IN_ITEM))
def test_any_other_value_in_an_item_is_refused(member: str, value: object) -> None:
    with pytest.raises(ValidationError, match=member):
        accept_item(**{member: value})


def test_the_currency_is_brl_unless_said() -> None:
    assert NewOrder.model_validate({name: VALID[name] for name in ("customer_id", "items")}).currency == "BRL"


@pytest.mark.parametrize("count", [1, 100])
def test_1_to_100_items_are_accepted(count: int) -> None:
    assert len(accept(items=[an_item()] * count).items) == count


def test_a_sku_with_a_character_that_is_never_displayed_is_refused() -> None:
    text = "".join(chr(number) for number in range(0x110000) if not 0xD800 <= number < 0xE000)
    everything = text.encode()
    ignorable = [everything[match.range()].decode() for match in DEFAULT_IGNORABLE.find_iter(text) or ()]

    for character in [*ignorable, "\u2028", "\u2029", "\u2800", "\ufffd"]:
        with pytest.raises(ValidationError, match="visible"):
            accept_item(sku=f"KB{character}75")


UNSEEN = "String should be visible: no control, format, unassigned, invisible or U+FFFD characters, not only spaces"
AMOUNT = 'Input should be an amount such as "349.90": up to 10 digits, then up to 2 decimals after a point'


@pytest.mark.parametrize(
    ("member", "value", "kind", "message"),
    [("sku", "a\nb", "visible", UNSEEN), ("unit_price", "1.005", "amount", AMOUNT)],
)
def test_the_answer_says_what_is_accepted(member: str, value: str, kind: str, message: str) -> None:
    with pytest.raises(ValidationError) as refused:
        accept_item(**{member: value})

    [error] = refused.value.errors()
    assert (error["loc"], error["type"], error["msg"]) == (("items", 0, member), kind, message)


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
    ("wrong", "member"),
    [
        ({**VALID, "colour": "red"}, "colour"),
        ({**VALID, "items": [an_item(colour="red")]}, "items.0.colour"),
        ({"items": VALID["items"]}, "customer_id"),
        ({"customer_id": "c"}, "items"),
    ],
)
def test_unknown_and_missing_members_are_refused(wrong: object, member: str) -> None:
    with pytest.raises(ValidationError, match=member):
        NewOrder.model_validate(wrong)


@settings(max_examples=50)
@given(new_orders)
def test_an_order_costs_its_items_to_the_cent_and_stays_the_same_in_the_table_and_as_json(new_order: NewOrder) -> None:
    placed = Order.place(new_order)

    shown: dict[str, Any] = json.loads(placed.model_dump_json())

    assert placed.total * 100 == sum(item.quantity * int(item.unit_price * 100) for item in new_order.items)
    assert to_order(to_item(placed)) == placed
    assert NewOrder.model_validate({name: shown[name] for name in NewOrder.model_fields}) == new_order


brasilia = timezone(timedelta(hours=-3))
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.sampled_from([UTC, brasilia]))  # noqa: DTZ001


@given(times)
def test_times_are_shown_in_utc_with_milliseconds_and_sort_as_text(time: datetime) -> None:
    shown = json.loads(an_order().model_copy(update={"created_at": time}).to_json())["created_at"]

    assert len(shown) == len("2026-11-24T07:04:28.123Z")
    assert shown.endswith("Z")
    assert abs((datetime.fromisoformat(shown) - time).total_seconds()) < 0.001


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
        **new_order.model_dump(exclude_none=True),
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


PROCESSED = {"status": Status.PROCESSED, "payment_id": "payment-1"}
DECLINED = {"status": Status.DECLINED, "decline_reason": "insufficient funds"}


@pytest.mark.parametrize(
    ("settle", "settled", "settled_at"),
    [
        (lambda order: order.processed("payment-1"), PROCESSED, "processed_at"),
        (lambda order: order.declined("insufficient funds"), DECLINED, "declined_at"),
    ],
)
def test_a_settled_order_tells_how_and_waits_no_more(
    now: datetime, settle: Callable[[Order], Order], settled: dict[str, Any], settled_at: str
) -> None:
    placed = an_order()

    order = settle(placed.deferred(now))

    changes = {**settled, settled_at: now, "due_at": None, "attempts": 1, "attempt_id": order.attempt_id}
    assert order == placed.model_copy(update=changes)
    assert "pending_bucket" not in to_item(order)


def test_a_deferred_order_is_pending_and_tells_when_it_is_tried_again(now: datetime) -> None:
    placed = an_order()

    order = placed.deferred(now).deferred(now + timedelta(seconds=60))

    deferred = {"attempts": 2, "due_at": now + timedelta(seconds=60), "attempt_id": order.attempt_id}
    assert order == placed.model_copy(update=deferred)
    assert to_item(order)["pending_bucket"] == {"S": str(order.order_id)[0]}
    assert to_order(to_item(order)) == order


def test_clients_see_the_attempts_and_when_the_next_is_due_only_after_a_failed_one(now: datetime) -> None:
    placed = an_order(sampled=True)

    assert not {"due_at", "attempts", "attempt_id", "trace_header"} & json.loads(placed.to_json()).keys()
    deferred = json.loads(placed.deferred(now).to_json())
    assert (deferred["due_at"], deferred["attempts"]) == ("2026-11-25T12:00:00.500Z", 1)
    assert not {"attempt_id", "trace_header"} & deferred.keys()


def test_each_attempt_has_an_id_that_is_stored(now: datetime) -> None:
    order = an_order()
    attempts = [order.processed("payment-1"), order.processed("payment-1"), order.declined("no"), order.deferred(now)]

    assert len({attempt.attempt_id for attempt in attempts}) == 4
    assert [to_order(to_item(attempt)).attempt_id for attempt in attempts] == [each.attempt_id for each in attempts]


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


ALL_OF_AN_ITEM = "items.0.sku (missing), items.0.quantity (missing), items.0.unit_price (missing)"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"status": {"S": "Ada"}, "items": {"L": [{"M": {}}]}}, f"{ALL_OF_AN_ITEM}, status (enum)"),
        ({"customer_id": {"X": "1"}}, "TypeError"),  # not DynamoDB's JSON
    ],
)
def test_what_is_unreadable_is_named_without_its_value(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableOrder) as raised:
        to_order({**to_item(an_order()), **change})

    assert str(raised.value) == reason
