"""The adapter that docs/payment-provider.md shows keeps the contract of a payment provider."""

import asyncio
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from inspect import signature
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest

from shared.payment import Declined, PaymentProvider, ProviderUnavailable, Receipt
from tests.markdown import blocks
from tools.repository import ROOT

ORDER_ID = uuid4()


class HTTPError(Exception):
    """What httpx raises when there is no answer."""


@dataclass
class Answer:
    """An answer of the provider."""

    status_code: int
    body: dict[str, str] = field(default_factory=dict)

    @property
    def is_success(self) -> bool:
        return self.status_code < 300

    def json(self) -> dict[str, str]:
        return self.body


@dataclass
class Provider:
    """A provider that gives one answer, and httpx.AsyncClient for it."""

    answer: Answer | HTTPError = field(default_factory=lambda: Answer(200, {"id": "payment-1"}))
    requests: list[tuple[str, str, dict[str, Any]]] = field(default_factory=list)

    async def request(self, method: str, path: str, **request: object) -> Answer:
        self.requests.append((method, path, request))
        if isinstance(self.answer, HTTPError):
            raise self.answer
        return self.answer


@pytest.fixture
def provider() -> Provider:
    return Provider()


@pytest.fixture
def adapter(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> PaymentProvider:
    """The adapter, run as the document shows it."""
    codes = SimpleNamespace(NOT_FOUND=404, PAYMENT_REQUIRED=402)
    make: Callable[..., object] = lambda **_: provider  # noqa: E731
    httpx = SimpleNamespace(AsyncClient=make, HTTPError=HTTPError, Limits=SimpleNamespace, Response=Answer, codes=codes)
    monkeypatch.setitem(sys.modules, "httpx", httpx)
    shown: dict[str, Any] = {}
    exec(blocks(ROOT / "docs/payment-provider.md", "python")[0], shown)  # noqa: S102  # our own document
    adapter: PaymentProvider = shown["ExampleProvider"]("https://api.example.com", lambda: "secret")
    for method in ("charge", "find"):
        assert signature(getattr(type(adapter), method)) == signature(getattr(PaymentProvider, method))
    return adapter


def charge(adapter: PaymentProvider) -> Receipt:
    return asyncio.run(adapter.charge(order_id=ORDER_ID, amount=Decimal("699.80"), currency="BRL"))


def test_a_charge_carries_the_order_id_as_idempotency_key(adapter: PaymentProvider, provider: Provider) -> None:
    assert charge(adapter) == Receipt("payment-1")

    ((method, path, request),) = provider.requests
    assert (method, path) == ("POST", "/charges")
    assert request["headers"] == {"Idempotency-Key": str(ORDER_ID)}
    assert request["json"] == {"amount": "699.80", "currency": "BRL", "reference": str(ORDER_ID)}


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (Answer(402, {"reason": "insufficient funds"}), Declined),
        (Answer(429), ProviderUnavailable),
        (Answer(500), ProviderUnavailable),
        (HTTPError("customer-42"), ProviderUnavailable),
    ],
)
def test_what_fails_is_declined_or_unavailable_and_quotes_nobody(
    adapter: PaymentProvider, provider: Provider, answer: Answer | HTTPError, error: type[Exception]
) -> None:
    provider.answer = answer

    with pytest.raises(error) as charged:
        charge(adapter)
    with pytest.raises(error):
        asyncio.run(adapter.find(ORDER_ID))

    assert "customer-42" not in str(charged.value)


def test_an_order_is_found_if_it_was_charged(adapter: PaymentProvider, provider: Provider) -> None:
    assert asyncio.run(adapter.find(ORDER_ID)) == Receipt("payment-1")

    provider.answer = Answer(404)

    assert asyncio.run(adapter.find(ORDER_ID)) is None
