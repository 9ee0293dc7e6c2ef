"""The order: what a client may send, what the service stores, and how its status changes. No AWS here."""

import re
import unicodedata
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid4, uuid5

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    WithJsonSchema,
    computed_field,
)
from pydantic_core import PydanticCustomError

from shared import clock

MAX_QUANTITY = 10_000
# How long the stream has to deliver a new order, its own retries included. From then on RecoverOrders may take it.
STREAM_SECONDS = 300
_IDEMPOTENT_ORDERS = UUID("0f3d1c52-8a86-4c0c-9be3-0b7f0b9f0a4e")
# What has no shape beside Unicode's category C: Default_Ignorable_Code_Point (https://www.unicode.org/reports/tr44/),
# the line and paragraph separators, the blank of Braille; and U+FFFD, which stands for what was lost.
_INVISIBLE_BMP = r"\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180d\u180f\u2028\u2029\u2800\u3164\ufe00-\ufe0f\uffa0\ufffd"
_INVISIBLE = re.compile(rf"[{_INVISIBLE_BMP}\U000e0100-\U000e01ef]")
# For the schema, what all regular expressions can say of this: nothing of category C but the control characters.
_VISIBLE_TEXT = {"pattern": rf"^[^\u0000-\u001f\u007f-\u009f{_INVISIBLE_BMP}]*$", "not": {"pattern": r"^\s*$"}}
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")
# Fixed width, so that the text sorts by time; DynamoDB's index relies on it.
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"


class OrderNotFound(Exception):
    """There is no order with this id."""


class IdempotencyKeyReused(Exception):
    """The Idempotency-Key belongs to an order with other content."""


class Status(StrEnum):
    """An order is PENDING until it is PROCESSED or DECLINED, which are both final."""

    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    DECLINED = "DECLINED"


def to_timestamp(value: datetime) -> str:
    """Write a time as the API shows it and the table stores it."""
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(to_timestamp, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIMESTAMP}, mode="serialization"),
]
Money = Annotated[
    Decimal,
    PlainSerializer(lambda amount: f"{amount:.2f}", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}, mode="serialization"),
]


class Item(BaseModel):
    """One line of an order: a quantity of one article at a unit price."""

    model_config = ConfigDict(frozen=True)

    sku: str
    quantity: int
    unit_price: Money


class OrderContent(BaseModel):
    """What is ordered. The rules for requests are in NewOrder, so stored orders stay readable when a rule changes."""

    model_config = ConfigDict(frozen=True)

    customer_id: str
    currency: str
    items: list[Item]


def _exact_amount(value: object) -> Decimal:
    """Read a JSON string or number as an exact decimal: not a float, which has lost digits, and not `1_0` as 10."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    if isinstance(value, Decimal) or type(value) is int:
        return Decimal(value)
    raise PydanticCustomError(
        "amount", 'Input should be an amount such as "349.90": up to 10 digits, then up to 2 decimals after a point'
    )


def _whole_number(value: object) -> object:
    """Read 2.0 as 2, as JSON Schema does. A huge number stays a Decimal, because converting it is slow."""
    if isinstance(value, Decimal) and abs(value) <= MAX_QUANTITY and value % 1 == 0:
        return int(value)
    return value


def _visible(value: str) -> str:
    """Reject what a person cannot see: spaces alone, and characters without a shape of their own."""
    has_category_c = any(unicodedata.category(character).startswith("C") for character in value)
    if value.isspace() or has_category_c or _INVISIBLE.search(value):
        raise PydanticCustomError(
            "visible",
            "String should be visible: no control, format, unassigned, invisible or U+FFFD characters, not only spaces",
        )
    return value


_TEXT_PRICE = {"type": "string", "pattern": f"^{_AMOUNT.pattern}$", "not": {"pattern": "^[0.]+$"}}
_NUMBER_PRICE = {"type": "number", "exclusiveMinimum": 0, "maximum": 9_999_999_999.99, "multipleOf": 0.01}


class NewItem(Item):
    """One line of an order, as a client may send it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    sku: Annotated[
        str,
        Field(min_length=1, max_length=64, json_schema_extra=_VISIBLE_TEXT),
        AfterValidator(_visible),
    ]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY), BeforeValidator(_whole_number)]
    unit_price: Annotated[
        Money,
        BeforeValidator(_exact_amount),
        Field(gt=0, max_digits=12, decimal_places=2),
        WithJsonSchema({"anyOf": [_TEXT_PRICE, _NUMBER_PRICE]}, mode="validation"),
    ]


class NewOrder(OrderContent):
    """What a client may send. An unknown member is refused: it is probably misspelt, and would be lost."""

    model_config = ConfigDict(extra="forbid")

    customer_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "BRL"  # not checked against ISO 4217
    items: Annotated[list[NewItem], Field(min_length=1, max_length=100)]  # type: ignore[assignment]  # each is an Item


class Order(OrderContent):
    """An order as the service stores and shows it."""

    order_id: UUID
    status: Status
    created_at: Timestamp
    # How many attempts to pay have failed. Shown only once there was one.
    attempts: Annotated[int, Field(ge=0, exclude_if=lambda attempts: attempts == 0)] = 0
    # Only while it is PENDING: from when on RecoverOrders may take it, after a failed attempt when the next one is due.
    due_at: Timestamp | None = None
    processed_at: Timestamp | None = None
    payment_id: str | None = None
    declined_at: Timestamp | None = None
    decline_reason: str | None = None
    # Which attempt was recorded last: two may end alike in the same millisecond. Stored, but not shown.
    attempt_id: Annotated[str | None, Field(exclude=True)] = None
    # The place in the request's trace from which the payment continues. Stored, but not shown.
    trace_header: Annotated[str | None, Field(exclude=True)] = None

    @computed_field  # type: ignore[prop-decorator]  # "Computed fields", Pydantic documentation: mypy lacks this case
    @property
    def total(self) -> Money:
        """What the customer pays: the sum of quantity x unit price."""
        return sum((item.quantity * item.unit_price for item in self.items), Decimal())

    @computed_field  # type: ignore[prop-decorator]  # as above
    @property
    def trace_id(self) -> str | None:
        """The trace of the order, from its request to its payment."""
        return self.trace_header.removeprefix("Root=").partition(";")[0] if self.trace_header else None

    @classmethod
    def place(cls, new_order: NewOrder, order_id: UUID | None = None, trace_header: str | None = None) -> Self:
        """Create a PENDING order from a request, under a new id unless one is given."""
        created_at = clock.now()
        return cls(
            **new_order.model_dump(),
            order_id=order_id or uuid4(),
            status=Status.PENDING,
            created_at=created_at,
            due_at=created_at + timedelta(seconds=STREAM_SECONDS),
            trace_header=trace_header,
        )

    def has_same_content(self, other: "Order") -> bool:
        """Whether the same is ordered."""
        content = set(OrderContent.model_fields)
        return self.model_dump(include=content) == other.model_dump(include=content)

    def to_json(self) -> str:
        """Write the order as clients see it: `due_at` only after a failed attempt."""
        return self.model_dump_json(exclude_none=True, exclude=None if self.attempts else {"due_at"})

    def processed(self, payment_id: str) -> Self:
        """Return the order after its payment."""
        return self._after_attempt(
            status=Status.PROCESSED, payment_id=payment_id, processed_at=clock.now(), due_at=None
        )

    def declined(self, reason: str) -> Self:
        """Return the order after its payment was refused for good."""
        return self._after_attempt(status=Status.DECLINED, decline_reason=reason, declined_at=clock.now(), due_at=None)

    def deferred(self, due_at: datetime) -> Self:
        """Return the order, still PENDING, after an attempt to pay failed; the next one is due at `due_at`."""
        return self._after_attempt(attempts=self.attempts + 1, due_at=due_at)

    def _after_attempt(self, **update: object) -> Self:
        return self.model_copy(update={"attempt_id": str(uuid4()), **update})


def idempotent_order_id(caller: str, key: str) -> UUID:
    """Return the id of the order of an Idempotency-Key: one id for each pair of caller and key.

    `caller` is the id of the caller's API key, which has no slash.
    """
    return uuid5(_IDEMPOTENT_ORDERS, f"{caller}/{key}")
