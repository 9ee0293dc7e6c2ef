"""The client of the orders table, whose calls take time, fail, and lose their answers, as the SDK shows it."""

# ruff: noqa: N803  # the arguments have AWS's names

import random
from collections import defaultdict, deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from simulation.aws.due_orders import DueOrders, Key
from simulation.aws.lambda_functions import ENTRY_CPU_SECONDS, ITEM_CPU_SECONDS, Lambda
from simulation.aws.memory_dynamodb import Answer, MemoryDynamoDB, OnChange, refusal
from simulation.aws.update_statement import Item, UpdateStatement
from simulation.promises.orders import Promises
from simulation.virtual.time import VirtualTime

ENDPOINT = "https://dynamodb.us-east-1.amazonaws.com"
# Of shared/order_table.py's client: a try that gets no answer, and the second one.
TRY_SECONDS = 2.0
# A run of RecoverOrders makes 16 queries: if each failed as often as other calls, no run would get further.
SHARE_OF_QUERIES = 0.1
THROTTLED = {"Error": {"Code": "ThrottlingError", "Message": "throttled"}}
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/burst-adaptive-capacity.html
BURST_SECONDS = 300
# By how much an eventually consistent read, and the index, may be behind; mostly it is much less.
LONGEST_DELAY_SECONDS = 5.0


class LateIndex:
    """The index, in which each bucket's changes arrive one after the other, some time after the table's."""

    def __init__(self, virtual_time: VirtualTime, chance: random.Random) -> None:
        self._virtual_time = virtual_time
        self._chance = chance
        self._index = DueOrders()
        self._under_way: defaultdict[str, deque[tuple[float, Key | None, Key | None]]] = defaultdict(deque)

    def change(self, before: Key | None, after: Key | None) -> None:
        bucket = self._under_way[(before or after).bucket]  # type: ignore[union-attr]  # one of them is there
        longest = LONGEST_DELAY_SECONDS if self._chance.random() < 0.05 else 0.2
        arrives_at = self._virtual_time.now + self._chance.uniform(0, longest)
        bucket.append((max(arrives_at, bucket[-1][0] if bucket else 0), before, after))

    def page(self, bucket: str, due_by: str, position: Key | None, limit: int) -> list[Key]:
        under_way = self._under_way[bucket]
        while under_way and under_way[0][0] <= self._virtual_time.now:
            self._index.change(*under_way.popleft()[1:])
        return self._index.page(bucket, due_by, position, limit)


class Capacity:
    """Provisioned write units. What is not used is kept for a while."""

    def __init__(self, virtual_time: VirtualTime, units_per_second: float) -> None:
        self._virtual_time = virtual_time
        self._units_per_second = units_per_second
        self._most = self._units = units_per_second * BURST_SECONDS
        self._updated_at = 0.0

    def take(self, units: float) -> bool:
        """Whether so many units are left; they are used then."""
        now = self._virtual_time.now
        self._units = min(self._most, self._units + (now - self._updated_at) * self._units_per_second)
        self._updated_at = now
        if self._units < units:
            return False
        self._units -= units
        return True


class UnreliableDynamoDB:
    """The calls of a client, with failures."""

    def __init__(
        self,
        table_name: str,
        lambda_: Lambda,
        promises: Promises,
        chance: random.Random,
        on_change: OnChange,
        units: float | None,
    ) -> None:
        self._lambda = lambda_
        self._failures = lambda_.failures
        self._virtual_time = lambda_.virtual_time
        self._promises = promises
        self._chance = chance
        self._on_change = on_change
        # Of the table, of the index.
        self._capacity = [Capacity(self._virtual_time, units) for _ in range(2)] if units else None
        self._before: dict[str, tuple[float, Item | None]] = {}
        self.table = MemoryDynamoDB(table_name, self._changed, LateIndex(self._virtual_time, chance))
        self.exceptions = self.table.exceptions

    def put_item(self, **arguments: Any) -> Answer:  # noqa: ANN401
        order_id = arguments["Item"]["order_id"]["S"]
        if not self._has_capacity(index_units=1):
            raise refusal("ProvisionedThroughputExceededException", "PutItem")
        return self._call("PutItem", lambda: self.table.put_item(**arguments), [order_id])

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Answer:
        [(table, request)] = RequestItems.items()
        keys = list(request["Keys"])
        half = len(keys) // 2 if self._failures.occurs("keys unprocessed") else len(keys)

        def execute() -> Answer:
            taken = keys[:half] or keys
            answer = self.table.batch_get_item(RequestItems={table: request | {"Keys": taken}})
            found = answer["Responses"][table]
            self._promises.recovery.read(found, self._lambda.invocation)
            if not request.get("ConsistentRead"):
                found[:] = [old for item in found if (old := self._as_it_was(item))]
            self._chance.shuffle(found)
            return answer | ({"UnprocessedKeys": {table: request | {"Keys": keys[half:]}}} if half < len(keys) else {})

        answer = self._call("BatchGetItem", execute)
        self._lambda.work(ITEM_CPU_SECONDS * len(answer["Responses"][table]))
        return answer

    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> Answer:
        statements = [UpdateStatement.parse(each["Statement"]) for each in Statements]
        keys = [one.key(each["Parameters"]) for one, each in zip(statements, Statements, strict=True)]
        throttled = {
            key
            for key, statement in zip(keys, statements, strict=True)
            if self._failures.throttles("statement throttled", [key])
            or not self._has_capacity(index_units=2 if "due_at" in statement.sets else 1)
        }
        taken = [each for each, key in zip(Statements, keys, strict=True) if key not in throttled]
        self._promises.recovery.not_written(throttled)

        def execute() -> Answer:
            answers = iter(self.table.batch_execute_statement(Statements=taken)["Responses"] if taken else [])
            return {"Responses": [THROTTLED if key in throttled else next(answers) for key in keys]}

        return self._call("BatchExecuteStatement", execute, keys)

    def query(self, **arguments: Any) -> Answer:  # noqa: ANN401
        answer = self._call("Query", lambda: self.table.query(**arguments), share=SHARE_OF_QUERIES)
        self._lambda.work(ENTRY_CPU_SECONDS * len(answer["Items"]))
        return answer

    def _call(
        self, operation: str, execute: Callable[[], Answer], written: Sequence[str] = (), share: float = 1
    ) -> Answer:
        """Make a call; `written` are the orders that it may change, `share` is how likely it is to fail."""
        self._lambda.crash("crash at the table")
        self._virtual_time.sleep(self._chance.uniform(0.003, 0.02))
        if not self._failures.are_possible:
            return execute()
        if error := self._error(operation, written, share):
            self._promises.recovery.not_written(written)
            raise error
        if self._failures.occurs("answer lost", share):
            self._promises.answer_lost(written)
            execute()
            self._virtual_time.sleep(2 * TRY_SECONDS)
            raise ReadTimeoutError(endpoint_url=ENDPOINT)
        if self._failures.occurs("answer late", share):  # so the SDK makes the call once more
            execute()
            self._virtual_time.sleep(TRY_SECONDS)
        answer = execute()
        self._lambda.crash("crash at the table")
        return answer

    def _error(self, operation: str, written: Sequence[str], share: float) -> Exception | None:
        if self._failures.throttles("call throttled", written, share):
            return refusal("ProvisionedThroughputExceededException", operation)
        if self._failures.occurs("table fails", share):
            return refusal("InternalServerError", operation, status=500)
        if self._failures.occurs("table unreachable", share):
            return EndpointConnectionError(endpoint_url=ENDPOINT)
        return None

    def _has_capacity(self, index_units: int) -> bool:
        """Whether a write fits into what is provisioned; the index throttles the table."""
        if self._capacity is None:
            return True
        table, index = self._capacity
        if index.take(index_units) and table.take(1):
            return True
        self._failures.counts["capacity exceeded"] += 1
        self._promises.capacity_exceeded()
        return False

    def _changed(self, before: Item | None, after: Item) -> None:
        self._before[after["order_id"]["S"]] = self._virtual_time.now, before
        self._on_change(before, after)

    def _as_it_was(self, item: Item) -> Item | None:
        """Return an item as an eventually consistent read may see it; None if it was not there yet."""
        changed_at, before = self._before[item["order_id"]["S"]]
        is_behind = changed_at > self._virtual_time.now - self._chance.uniform(0, LONGEST_DELAY_SECONDS)
        return before if is_behind else item
