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
    assert drawn(*a_request(), an_attempt("d", 0.4)) == [
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


def test_a_second_attempt_is_counted() -> None:
    lines = drawn(*a_request(), an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9))

    assert lines[-2] == "request 240 ms · wait 290 ms · payment 2.00 s · 2 attempts · end to end 4.90 s"


def test_faults_are_red_and_errors_yellow() -> None:
    documents = [*a_request(), an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9, "DECLINED", error=True)]
    styles = {row.document["id"]: row.style for row in rows(documents)}

    assert (styles["d"], styles["d2"], styles["e"], styles["a1"]) == ("red", "red", "yellow", "green")


def test_every_part_stands_below_what_it_belongs_to() -> None:
    depths = [(row.document["id"], row.depth) for row in rows([an_attempt("d", 0.4), *a_request()])]

    assert depths == [("a1", 0), ("b1", 1), ("c1", 2), ("d", 2), ("d1", 3), ("d2", 3)]


def test_what_xray_infers_is_left_out() -> None:
    inferred = a_part("f", "orders", 0.1, 0.11, parent_id="c1", inferred=True, origin="AWS::DynamoDB::Table")

    assert len(rows([*a_request(), inferred])) == 3


def test_the_status_is_that_of_the_attempt_which_settled_the_order() -> None:
    attempts = [an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9, "DECLINED")]

    assert status([*a_request(), *attempts], ORDER_ID) == "DECLINED"
    assert status([*a_request(), *attempts[:1]], ORDER_ID) == "PENDING"


def test_a_trace_with_the_settled_payment_and_all_failed_attempts_is_complete() -> None:
    assert is_complete([*a_request(), an_attempt("d", 0.4)], ORDER_ID)
    assert is_complete([*a_request(), an_attempt("d", 0.4, "PENDING"), an_attempt("e", 2.9, "DECLINED")], ORDER_ID)


def test_a_trace_that_lacks_a_failed_attempt_is_not_complete() -> None:
    attempts = [
        an_attempt(part_id, 0.4, status, annotations={"order_id": ORDER_ID, "status": status, "attempts": number})
        for part_id, status, number in (("d", "PENDING", 1), ("e", "PENDING", 2), ("f", "PROCESSED", 2))
    ]

    assert is_complete([*a_request(), *attempts], ORDER_ID)
    assert not is_complete([*a_request(), *attempts[1:]], ORDER_ID)


@pytest.mark.parametrize(
    "documents",
    [
        [],
        a_request(),
        [*a_request()[:2], an_attempt("d", 0.4)],
        [*a_request()[::2], an_attempt("d", 0.4)],
        [*a_request(), an_attempt("d", 0.4, "PENDING")],
        [*a_request(), an_attempt("d", 0.4, in_progress=True)],
        [*a_request(), an_attempt("d", 0.4, annotations={"order_id": "another", "status": "PROCESSED"})],
    ],
    ids=["nothing", "no payment", "no root", "no parent", "a failed payment", "in progress", "another order"],
)
def test_any_other_trace_is_not(documents: list[dict[str, Any]]) -> None:
    assert not is_complete(documents, ORDER_ID)


@pytest.mark.parametrize(
    ("end", "took"), [(0.5, "500 ms"), (99.5, "99.50 s"), (450, "8 min"), (7_200, "2.0 h"), (261_000, "3.02 d")]
)
def test_a_life_is_told_in_the_unit_that_fits(end: float, took: str) -> None:
    [line] = [line for line in drawn(a_part("a1", "createOrder", 0, end)) if line.startswith("createOrder")]

    assert f"{took:>7}" in line
