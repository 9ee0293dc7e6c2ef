"""The service, its clients, its provider and AWS, once, from the first order to the end of the last."""

import hashlib
import math
import random
from collections import Counter
from functools import partial

from local.stream_mapping import FunctionError
from local.stream_mapping.records import created_at
from shared.order import NewOrder, Order, Status
from shared.order_table import to_item
from shared.retry_schedule import CLOSING
from shared.settings import PaymentSettings
from simulation.aws.lambda_functions import Function, Lambda
from simulation.aws.settings import Settings
from simulation.aws.stream import Shard
from simulation.aws.unreliable_dynamodb import UnreliableDynamoDB
from simulation.aws.update_statement import Item
from simulation.clients import Clients
from simulation.injected_failures import InjectedFailures
from simulation.plan import HOUR, MINUTE, RETENTION, UNDISTURBED, Plan
from simulation.promises.history import EPOCH
from simulation.promises.orders import LAST_HOURS, PromiseBroken, Promises
from simulation.provider import Provider
from simulation.results import Outcome
from simulation.substitutes import substituted
from simulation.virtual.time import VirtualTime

# Items that are not orders, each of which the mapping tries four times and RecoverOrders every minute.
MOST_POISON = 5


class World:
    """One run: it is wholly determined by its seed, the number of orders and the settings."""

    def __init__(self, settings: Settings, orders: int, seed: str) -> None:
        chance = random.Random(seed)  # noqa: S311  # no secret
        self._chance, self._variables = chance, settings.variables
        of_service = PaymentSettings.model_validate(settings.variables)
        self._table_name = of_service.orders_table
        self._plan = Plan.draw(orders, of_service.payment_deadline_seconds, chance)
        self._time = VirtualTime()
        self._failures = InjectedFailures(self._plan, self._time, chance)
        self._lambda = Lambda(self._time, self._failures)
        units = chance.choice([settings.write_units, None])  # of `dev`, or as many as are needed
        self._promises = Promises(self._time, self._plan, chance, units)
        self._client = UnreliableDynamoDB(
            self._table_name, self._lambda, self._promises, chance, self._on_change, units
        )
        self._provider = Provider(self._lambda, self._promises, self._plan, chance)
        self._functions = {
            name: Function(self._lambda, name, each, self._promises.invocation_ended)
            for name, each in settings.functions.items()
        }
        # Each order takes two of the units, one as it is created.
        requests_per_second = units / 2 if units else math.inf
        self._clients = Clients(
            self._time, self._functions["create_order"], self._promises, self._plan, chance, requests_per_second
        )
        invoke = self._functions["process_payment"].invoke
        self._shards = [
            Shard(self._time, self._failures, settings.mapping, invoke, chance) for _ in range(chance.choice([1, 2]))
        ]
        self._poison: set[str] = set()
        self._records = 0

    def run(self) -> Outcome:
        """Let everything happen."""
        broken = None
        with substituted(
            self._time, self._variables, self._client, self._provider, self._chance, self._promises.attempts
        ):
            for phase in self._plan.phases:
                self._clients.start(phase)
            self._time.start(self._schedule)
            self._time.start(self._disturb)
            self._time.start(self._promises.recovery.watch_backlog)
            try:
                self._time.run()
                self._promises.check_end(self._client.table.items, is_over=self._time.now >= self._end)
                self._time.run()  # raises what that has found
            except PromiseBroken as error:
                broken = str(error)
            finally:
                self._time.close()
                for function in self._functions.values():
                    function.close()
        return self._outcome(broken)

    @property
    def _end(self) -> float:
        return self._plan.end + self._plan.deadline + CLOSING.total_seconds() + LAST_HOURS

    def _on_change(self, before: Item | None, after: Item) -> None:
        is_poison = after["order_id"]["S"] in self._poison
        if before:
            if is_poison:
                self._promises.attempts["item postponed"] += 1
            else:
                self._promises.changed(before, after)
            return
        if not is_poison:
            self._promises.inserted(after)
        self._records += 1
        self._shards[self._records % len(self._shards)].add(after, self._records)

    def _schedule(self) -> None:
        """Start RecoverOrders every minute, until nothing is left to happen."""
        while self._time.now < self._end and not (self._time.now > self._plan.end + 11 * HOUR and self._is_done()):
            self._time.sleep(MINUTE - self._time.now % MINUTE)
            if self._plan.is_schedule_off(self._time.now):
                self._failures.counts["schedule off"] += 1
                continue
            if self._failures.occurs("schedule missed"):
                continue
            starts = [self._chance.uniform(1, 75) if self._failures.occurs("schedule late") else 0]
            if self._failures.occurs("schedule doubled"):
                starts.append(starts[0] + self._chance.uniform(0, 5))
            for start in starts:
                self._time.start(self._recover, after=start)

    def _recover(self) -> None:
        try:
            self._functions["recover_orders"].invoke({})
        except FunctionError:
            self._failures.counts["recovery run failed"] += 1

    def _is_done(self) -> bool:
        return not self._promises.pending and not any(shard.waiting for shard in self._shards)

    def _disturb(self) -> None:
        """Make the failures that come by themselves."""
        while self._time.now < self._plan.end:
            self._time.sleep(self._chance.uniform(10, 50))
            if self._failures.occurs("deploy kills"):
                self._lambda.deploy()
            if len(self._poison) < MOST_POISON and self._failures.occurs("poison"):
                self._write_poison()
            if self._failures.occurs("old records delivered in disorder"):
                self._deliver_in_disorder()

    def _write_poison(self) -> None:
        """Write an item that is not an order, which the operator deletes an hour later."""
        item = [{"sku": "s", "quantity": 1, "unit_price": "1.00"}]
        poison = to_item(Order.place(NewOrder.model_validate({"customer_id": "c", "items": item})))
        self._poison.add(poison["order_id"]["S"])
        self._client.table.put_item(TableName=self._table_name, Item=poison | {"customer_id": {"N": "7"}})
        delete = partial(
            self._client.table.delete_item, TableName=self._table_name, Key={"order_id": poison["order_id"]}
        )
        self._time.start(delete, after=HOUR)

    def _deliver_in_disorder(self) -> None:
        now = EPOCH.timestamp() + self._time.now
        shard = self._chance.choice(self._shards)
        young = [record for record in shard.records[-1000:] if now - created_at(record) <= RETENTION]
        records = self._chance.choices(young, k=20) if young else []

        def deliver() -> None:
            try:
                shard.invoke({"Records": records})
            except FunctionError:
                self._failures.counts["delivery in disorder failed"] += 1

        self._time.start(deliver)

    def _outcome(self, broken: str | None) -> Outcome:
        orders = list(self._promises.orders.values())
        by_status = Counter(order.status for order in orders)
        counts = Counter(
            {
                "accepted": len(self._promises.accepted),
                "processed": by_status[Status.PROCESSED],
                "declined": by_status[Status.DECLINED],
                "still PENDING": by_status[Status.PENDING],
                "failed attempts": self._promises.attempts["Order deferred: PENDING"],
                "redeliveries": sum(number - 1 for shard in self._shards for number in shard.deliveries.values()),
                "records given up": sum(shard.given_up for shard in self._shards),
                "charged twice": sum(len(order.payments) > 1 for order in orders),
                "lost": sum(order_id not in self._client.table.items for order_id in self._promises.accepted),
            }
        )
        waits = [(order.settled_at - order.created_at, order) for order in orders if order.settled_at is not None]
        untroubled = (wait for wait, order in waits if order.is_fine and order.phase in UNDISTURBED)
        return Outcome(
            orders=len(orders),
            counts=counts,
            attempts=self._promises.attempts,
            failures=self._failures.counts,
            longest_wait=max((wait for wait, _ in waits), default=0),
            longest_untroubled_wait=max(untroubled, default=0),
            digest=hashlib.sha256("".join(map(str, orders)).encode()).hexdigest(),
            broken=broken,
        )


def run_world(settings: Settings, orders: int, seed: str) -> Outcome:
    """Run a world in a process of its own."""
    return World(settings, orders, seed).run()
