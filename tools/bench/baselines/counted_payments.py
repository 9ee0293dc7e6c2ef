"""ProcessPayment, which also answers how many charges it made."""

from typing import Any

from functions import process_payment

charge = process_payment.gateway.charge
charges = 0


async def _counted(**order: Any) -> Any:  # noqa: ANN401  # what the gateway takes and returns
    global charges  # noqa: PLW0603  # as long as the process lives
    charges += 1
    return await charge(**order)


process_payment.gateway.charge = _counted  # type: ignore[method-assign]


def lambda_handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ANN401  # Lambda's
    """Settle a batch of orders."""
    before = charges
    return {**process_payment.lambda_handler(event, context), "charges": charges - before}
