"""The waterfall of a trace: its tree, when it is complete, and how it is drawn."""

from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from tools.trace.rows import rows
from tools.trace.waterfall import draw, is_complete, status

START = 1_795_505_695.0
TRACE_ID = "1-6b053e1f-8b916bdcc49030015e43c5b9"
ORDER_ID = "56c13c9e-7f8e-491c-aad2-7141148e58e3"
PUT = {"namespace": "aws", "aws": {"operation": "PutItem", "table_name": "orders"}}


def a_part(part_id: str, name: str, start: float, end: float, **fields: object) -> dict[str, Any]:
    return {
        "id": part_id,
        "name": name,
        "trace_id": TRACE_ID,
        "start_time": START + start,
        "end_time": START + end,
        **fields,
    }


def a_request() -> list[dict[str, Any]]:
    """CreateOrder's segment, and its subsegments as documents of their own, as the SDK sends them."""
    return [
        a_part("c1", "dynamodb", 0.1, 0.11, parent_id="b1", **PUT),
        a_part("b1", "## lambda_handler", 0.001, 0.239, parent_id="a1", type="subsegment"),
        a_part("a1", "createOrder", 0, 0.24, http={"request": {"method": "POST"}}),
    ]


def an_attempt(part_id: str, start: float, status: str = "PROCESSED", **fields: object) -> dict[str, Any]:
    """ProcessPayment's segment, with its subsegments in it."""
    failed = {"fault": True} if status == "PENDING" else {}
    subsegments = [
        a_part(f"{part_id}1", "stream wait", 0.11, start),
        a_part(f"{part_id}2", "payment provider", start, start + 2, namespace="remote", **failed),
    ]
    annotations = {"order_id": ORDER_ID, "status": status}
    attempt = a_part(part_id, "processPayment", 0.11, start + 2, parent_id="b1", annotations=annotations, **failed)
    return {**attempt, "subsegments": subsegments, **fields}


def drawn(*documents: dict[str, Any], width: int = 90) -> list[str]:
    output = StringIO()
    Console(file=output, width=width).print(draw("Order 56c1 · PROCESSED", documents, width))
    return [line.rstrip() for line in output.getvalue().splitlines()]


def test_an_order_from_its_request_to_its_payment() -> None:
    inferred_by_xray = a_part("f", "orders", 0.1, 0.11, parent_id="c1", inferred=True, origin="AWS::DynamoDB::Table")

    assert drawn(an_attempt("d", 0.4), inferred_by_xray, *a_request()) == [
        "Order 56c1 · PROCESSED",
        "                               start     took  0                                    2.40 s",
        "createOrder POST                0 ms   240 ms  ████▎",
        "  ## lambda_handler             1 ms   238 ms  ████▎",
        "    dynamodb PutItem orders   100 ms    10 ms   ▕",
        "    processPayment            110 ms   2.29 s   ▕█████████████████████████████████████████",
        "      stream wait             110 ms   290 ms   ▕█████▏",
        "      payment provider        400 ms   2.00 s         ████████████████████████████████████",
        "request 240 ms · wait 290 ms · payment 2.00 s · end to end 2.40 s",
        "trace 1-6b053e1f-8b916bdcc49030015e43c5b9",
    ]


def test_failed_attempts_are_counted_and_their_faults_are_red_and_errors_yellow() -> None:
    documents = [*a_request(), an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9, "DECLINED", error=True)]
    styles = {row.document["id"]: row.style for row in rows(documents)}

    assert drawn(*documents)[-2] == "request 240 ms · wait 290 ms · payment 2.00 s · 2 attempts · end to end 4.90 s"
    assert (styles["d"], styles["d2"], styles["e"], styles["a1"]) == ("red", "red", "yellow", "green")


def the_attempt(number: int, status: str) -> dict[str, Any]:
    """An attempt before which so many had failed, or which is itself the failed one of this number."""
    annotations = {"order_id": ORDER_ID, "status": status, "attempts": number}
    return an_attempt(f"{status[0].lower()}{number}", 0.4, status, annotations=annotations)


@pytest.mark.parametrize(
    ("documents", "is_whole"),
    [
        ([*a_request(), an_attempt("d", 0.4)], True),
        ([*a_request(), the_attempt(1, "PENDING"), the_attempt(2, "PENDING"), the_attempt(2, "DECLINED")], True),
        ([*a_request(), the_attempt(2, "PENDING"), the_attempt(2, "DECLINED")], False),
        ([], False),
        (a_request(), False),
        ([*a_request()[:2], an_attempt("d", 0.4)], False),
        ([*a_request()[::2], an_attempt("d", 0.4)], False),
        ([*a_request(), an_attempt("d", 0.4, "PENDING")], False),
        ([*a_request(), an_attempt("d", 0.4, in_progress=True)], False),
        ([*a_request(), an_attempt("d", 0.4, annotations={"order_id": "another", "status": "PROCESSED"})], False),
    ],
    ids=[
        *("paid at once", "declined at the third attempt", "a failed attempt is missing", "nothing", "no payment"),
        *("no root", "no parent", "a failed payment", "in progress", "another order"),
    ],
)
def test_a_trace_with_the_settled_payment_and_all_failed_attempts_is_complete(
    documents: list[dict[str, Any]], *, is_whole: bool
) -> None:
    assert is_complete(documents, ORDER_ID) is is_whole


def test_the_status_is_that_of_the_attempt_which_settled_the_order() -> None:
    attempts = [an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9, "DECLINED")]

    assert status([*a_request(), *attempts], ORDER_ID) == "DECLINED"
    assert status([*a_request(), *attempts[:1]], ORDER_ID) == "PENDING"


@pytest.mark.parametrize(
    ("end", "took"), [(0.5, "500 ms"), (99.5, "99.50 s"), (450, "8 min"), (7_200, "2.0 h"), (261_000, "3.02 d")]
)
def test_a_life_is_told_in_the_unit_that_fits(end: float, took: str) -> None:
    [line] = [line for line in drawn(a_part("a1", "createOrder", 0, end)) if line.startswith("createOrder")]

    assert f"{took:>7}" in line
