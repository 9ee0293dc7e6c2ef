"""The adapter that docs/payment-provider.md shows keeps the contract of a payment provider."""

import asyncio
import sys
from decimal import Decimal
from inspect import signature
from types import SimpleNamespace
from typing import Any
from unittest.mock import AsyncMock
from uuid import uuid4

import pytest

from shared.payment import Declined, PaymentProvider, ProviderUnavailable, Receipt
from tests.markdown import blocks
from tools.repository import ROOT

ORDER_ID = uuid4()
CHARGE: Any = {"order_id": ORDER_ID, "amount": Decimal("699.80"), "currency": "BRL"}


class HTTPError(Exception):
    """What httpx raises when there is no answer."""


def an_answer(status_code: int, **body: str) -> SimpleNamespace:
    return SimpleNamespace(status_code=status_code, is_success=status_code < 300, json=lambda: body)


@pytest.fixture
def request_() -> AsyncMock:
    """The method of httpx.AsyncClient that the adapter calls."""
    return AsyncMock(return_value=an_answer(200, id="payment-1"))


@pytest.fixture
def adapter(request_: AsyncMock, monkeypatch: pytest.MonkeyPatch) -> PaymentProvider:
    """The adapter, run as the document shows it."""
    httpx = SimpleNamespace(
        AsyncClient=lambda **_: SimpleNamespace(request=request_),
        HTTPError=HTTPError,
        Limits=SimpleNamespace,
        Response=SimpleNamespace,
        codes=SimpleNamespace(NOT_FOUND=404, PAYMENT_REQUIRED=402),
    )
    monkeypatch.setitem(sys.modules, "httpx", httpx)
    shown: dict[str, Any] = {}
    exec(blocks(ROOT / "docs/payment-provider.md", "python")[0], shown)  # noqa: S102  # our own document
    adapter: PaymentProvider = shown["ExampleProvider"]("https://api.example.com", lambda: "secret")
    for method in ("charge", "find"):
        assert signature(getattr(type(adapter), method)) == signature(getattr(PaymentProvider, method))
    return adapter


def test_a_charge_carries_the_order_id_as_idempotency_key(adapter: PaymentProvider, request_: AsyncMock) -> None:
    assert asyncio.run(adapter.charge(**CHARGE)) == Receipt("payment-1")

    request_.assert_called_once_with(
        "POST",
        "/charges",
        json={"amount": "699.80", "currency": "BRL", "reference": str(ORDER_ID)},
        headers={"Idempotency-Key": str(ORDER_ID)},
    )


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (an_answer(402, reason="insufficient funds"), Declined),
        (an_answer(429), ProviderUnavailable),
        (an_answer(500), ProviderUnavailable),
        (HTTPError("customer-42"), ProviderUnavailable),
    ],
)
def test_what_fails_is_declined_or_unavailable_and_quotes_nobody(
    adapter: PaymentProvider, request_: AsyncMock, answer: object, error: type[Exception]
) -> None:
    request_.side_effect = [answer, answer]

    for call in (adapter.charge(**CHARGE), adapter.find(ORDER_ID)):
        with pytest.raises(error, check=lambda raised: "customer-42" not in str(raised)):
            asyncio.run(call)


@pytest.mark.parametrize(("answer", "found"), [(an_answer(200, id="1"), Receipt("1")), (an_answer(404), None)])
def test_an_order_is_found_if_it_was_charged(
    adapter: PaymentProvider, request_: AsyncMock, answer: object, found: Receipt | None
) -> None:
    request_.return_value = answer

    assert asyncio.run(adapter.find(ORDER_ID)) == found
