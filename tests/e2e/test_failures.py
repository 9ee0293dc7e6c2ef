"""What was answered 201 is settled, whatever is killed meanwhile and however much comes at once."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from local.page.payment_provider import LocalProvider
from tests.e2e.conftest import Service, npm_start


def assert_all_settled(service: Service, order_ids: list[str]) -> None:
    """Each of them, once: with one payment each."""
    orders = [service.settled(order_id) for order_id in order_ids]
    assert {order["status"] for order in orders} == {"PROCESSED"}
    assert len({order["payment_id"] for order in orders}) == len(order_ids)


def test_whatever_is_killed_the_next_start_settles_what_was_under_way(tmp_path: Path) -> None:
    folder = tmp_path / "João's orders"  # Java finds it in the locale of the local run alone
    folder.mkdir()
    provider = LocalProvider(folder)
    with npm_start("--database", str(folder)) as service:
        order_ids = [service.create() for _ in range(5)]
        assert service.kill("local.start") == []
    with npm_start("--database", str(folder)) as service:
        provider.is_to_crash = True  # a function, right after it has charged
        order_ids += [service.create() for _ in range(5)]

        assert_all_settled(service, order_ids)

        assert service.kill("ServerRunner") == []
    assert service.process.returncode == 1
    assert service.lines[-1] == "DynamoDB Local has ended by itself."
    assert not provider.is_to_crash
    provider.ledger.read()
    assert provider.ledger.charges == dict.fromkeys(order_ids, 1)


def test_a_payment_that_fails_holds_up_nobody_and_is_seen_with_its_attempts(service: Service) -> None:
    failing = service.create(total="503.00")
    with ThreadPoolExecutor(4) as clients:
        order_ids = list(clients.map(lambda _: service.create(), range(40)))

    assert_all_settled(service, order_ids)
    order = service.order(failing)
    assert (order["status"], order["attempts"]) == ("PENDING", 1)
    assert "due_at" in order
    again = [line for line in service.lines if "Another attempt" in line]  # of a record that was delivered again
    assert not [line for line in again if any(order_id in line for order_id in order_ids)]
