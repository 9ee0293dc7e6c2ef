"""The client of the orders table, whose calls take time, fail, and lose their answers, as the SDK shows it."""

# ruff: noqa: N803  # the arguments have AWS's names

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import EndpointConnectionError, ReadTimeoutError

from simulation.aws.lambda_functions import Crash
from simulation.aws.memory_dynamodb import MemoryDynamoDB, Paginator, refusal
from simulation.aws.update_statement import UpdateStatement
from simulation.injected_failures import Faults
from simulation.promises import Promises
from simulation.virtual.time import VirtualTime

ENDPOINT = "https://dynamodb.us-east-1.amazonaws.com"
# Of shared/order_table.py's client: a try that gets no answer, and the second one.
TRY_SECONDS = 2.0
QUERIES_WITH_FAULTS = 0.1
THROTTLED = {"Error": {"Code": "ThrottlingError", "Message": "throttled"}}

Answer = dict[str, Any]


@dataclass
class UnreliableDynamoDB:
    """The calls of a client, with faults."""

    table: MemoryDynamoDB
    virtual_time: VirtualTime
    faults: Faults
    promises: Promises
    chance: random.Random
    crash: Crash

    def __post_init__(self) -> None:
        self.exceptions = self.table.exceptions

    def put_item(self, **arguments: Any) -> Answer:  # noqa: ANN401
        return self._call("PutItem", lambda: self.table.put_item(**arguments), [arguments["Item"]["order_id"]["S"]])

    def get_item(self, **arguments: Any) -> Answer:  # noqa: ANN401
        return self._call("GetItem", lambda: self.table.get_item(**arguments))

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Answer:
        [(table, request)] = RequestItems.items()
        keys = list(request["Keys"])
        half = len(keys) // 2 if self.faults.occurs("keys unprocessed") else len(keys)
        answer = self._call(
            "BatchGetItem", lambda: self.table.batch_get_item(RequestItems={table: request | {"Keys": keys[:half]}})
        )
        rest = {table: request | {"Keys": keys[half:]}} if keys[half:] else {}
        return answer | {"UnprocessedKeys": rest}

    def batch_execute_statement(self, *, Statements: Sequence[Mapping[str, Any]]) -> Answer:
        keys = [UpdateStatement.parse(each["Statement"]).key(each["Parameters"]) for each in Statements]
        throttled = {key for key in keys if self.faults.throttles("statement throttled", [key])}
        taken = [each for each, key in zip(Statements, keys, strict=True) if key not in throttled]

        def execute() -> Answer:
            answers = iter(self.table.batch_execute_statement(Statements=taken)["Responses"] if taken else [])
            return {"Responses": [THROTTLED if key in throttled else next(answers) for key in keys]}

        return self._call("BatchExecuteStatement", execute, keys)

    def query(self, **arguments: Any) -> Answer:  # noqa: ANN401
        # A run of RecoverOrders makes 32 of them: if each failed as often as other calls, no run would get further.
        if not self.faults.are_possible or self.chance.random() > QUERIES_WITH_FAULTS:
            return self.table.query(**arguments)
        return self._call("Query", lambda: self.table.query(**arguments))

    def get_paginator(self, operation_name: str) -> Paginator:
        self.table.get_paginator(operation_name)
        return Paginator(self.query)

    def _call(self, operation: str, execute: Callable[[], Answer], written: Sequence[str] = ()) -> Answer:
        """Make a call; `written` are the orders that it may change."""
        self.virtual_time.go_on()
        self.crash("crash at the table")
        self.virtual_time.sleep(self.chance.uniform(0.003, 0.02))
        if self.faults.throttles("call throttled", written):
            raise refusal("ProvisionedThroughputExceededException", operation)
        if self.faults.occurs("table fails"):
            raise refusal("InternalServerError", operation, status=500)
        if self.faults.occurs("table unreachable"):
            raise EndpointConnectionError(endpoint_url=ENDPOINT)
        if self.faults.occurs("answer lost"):
            self.promises.answer_lost(written)
            execute()
            self.virtual_time.sleep(2 * TRY_SECONDS)
            raise ReadTimeoutError(endpoint_url=ENDPOINT)
        if self.faults.occurs("answer late"):  # so the SDK makes the call once more
            execute()
            self.virtual_time.sleep(TRY_SECONDS)
        answer = execute()
        self.crash("crash at the table")
        return answer
