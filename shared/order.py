"""The order: what a client may ask for, what the service makes of it, and the states it can be in. Knows no AWS."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID, uuid4, uuid5

from pydantic import (
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

_KEYS = UUID("0f3d1c52-8a86-4c0c-9be3-0b7f0b9f0a4e")
MAX_QUANTITY = 10_000
_AMOUNT = re.compile(r"[0-9]{1,10}(\.[0-9]{1,2})?")


class OrderNotFound(Exception):
    """No order has this id."""


class IdempotencyKeyReused(Exception):
    """The key belongs to an order of other content."""


class Status(StrEnum):
    """PENDING becomes PROCESSED or DECLINED, once; both are final."""

    PENDING = "PENDING"
    PROCESSED = "PROCESSED"
    DECLINED = "DECLINED"


def _decimal(value: object) -> Decimal:
    """A JSON string or number as an exact decimal: a float has lost digits already, and Decimal() alone reads `1_0`."""
    if isinstance(value, str) and _AMOUNT.fullmatch(value):
        return Decimal(value)
    if isinstance(value, Decimal) or type(value) is int:
        return Decimal(value)
    raise PydanticCustomError(
        "amount", 'Input should be an amount such as "349.90": up to 10 digits, and 2 more behind a point'
    )


def _whole(value: object) -> object:
    """A whole number such as 2.0 (JSON Schema counts it as one) comes as a Decimal; a huge one is not made an int."""
    if isinstance(value, Decimal) and abs(value) <= MAX_QUANTITY and value % 1 == 0:
        return int(value)
    return value


def _to_milliseconds(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Money = Annotated[
    Decimal,
    BeforeValidator(_decimal),
    PlainSerializer(lambda amount: f"{amount:.2f}", when_used="json"),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+\.[0-9]{2}$"}, mode="serialization"),
]
_TEXT_PRICE = {"type": "string", "pattern": f"^{_AMOUNT.pattern}$", "not": {"pattern": "^[0.]+$"}}
_NUMBER_PRICE = {"type": "number", "exclusiveMinimum": 0, "maximum": 9_999_999_999.99, "multipleOf": 0.01}
UnitPrice = Annotated[
    Money,
    Field(gt=0, max_digits=12, decimal_places=2),
    WithJsonSchema({"anyOf": [_TEXT_PRICE, _NUMBER_PRICE]}, mode="validation"),
]
# Fixed width, so that the text sorts by time; DynamoDB's index relies on it.
_TIMESTAMP = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}Z$"
Timestamp = Annotated[
    AwareDatetime,
    PlainSerializer(_to_milliseconds, when_used="json"),
    WithJsonSchema({"type": "string", "format": "date-time", "pattern": _TIMESTAMP}, mode="serialization"),
]


class Item(BaseModel):
    """One line of an order: so many of one article, at a price each."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    sku: Annotated[str, Field(pattern=r"^[^\p{C}]*$", min_length=1, max_length=64)]
    quantity: Annotated[int, Field(ge=1, le=MAX_QUANTITY), BeforeValidator(_whole)]
    unit_price: UnitPrice


class NewOrder(BaseModel):
    """What a client sends to register an order. Unknown members are refused, so that a misspelt one is not lost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    customer_id: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code")] = "BRL"
    items: Annotated[list[Item], Field(min_length=1, max_length=100)]


_OUTCOME = {"status", "processed_at", "payment_id", "declined_at", "decline_reason"}


class Order(NewOrder):
    """An order as the service keeps and shows it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    order_id: UUID
    status: Status
    created_at: Timestamp
    processed_at: Timestamp | None = None
    payment_id: str | None = None
    declined_at: Timestamp | None = None
    decline_reason: str | None = None
    # The place in the trace that its payment continues; of use to the service alone.
    trace_header: Annotated[str | None, Field(exclude=True)] = None

    @computed_field  # type: ignore[prop-decorator]  # mypy knows no decorator on a property; pydantic's docs say so
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
        """Have what the client sent wait for its payment, under a new id unless one is given."""
        return cls(
            **dict(new_order),
            order_id=order_id or uuid4(),
            status=Status.PENDING,
            created_at=_now(),
            trace_header=trace_header,
        )

    def is_of(self, new_order: NewOrder) -> bool:
        """Whether this is what the client sent."""
        return (self.customer_id, self.currency, self.items) == tuple(dict(new_order).values())

    def outcome(self) -> dict[str, str]:
        """What settling it added, as JSON has it."""
        return self.model_dump(mode="json", exclude_none=True, include=_OUTCOME)

    def processed(self, payment_id: str) -> Self:
        """The order once its payment went through."""
        return self.model_copy(update={"status": Status.PROCESSED, "payment_id": payment_id, "processed_at": _now()})

    def declined(self, reason: str) -> Self:
        """The order once its payment was refused for good."""
        return self.model_copy(update={"status": Status.DECLINED, "decline_reason": reason, "declined_at": _now()})


def idempotent_order_id(caller: str, key: str) -> UUID:
    """The id of the order of an Idempotency-Key: always the same for one caller's key, never the same for two callers.

    `caller` is the id of the caller's API key, which holds no slash.
    """
    return uuid5(_KEYS, f"{caller}/{key}")


def _now() -> datetime:
    now = datetime.now(UTC)
    return now.replace(microsecond=now.microsecond // 1000 * 1000)
