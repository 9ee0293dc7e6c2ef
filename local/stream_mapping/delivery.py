"""What happens to a batch when the function succeeds, fails or reports failures, by AWS's documented rules.

Waiting, the function and the on-failure destination are arguments: there are no threads here.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

from local.stream_mapping.events import MappingEvent, OnEvent
from local.stream_mapping.records import Record, sequence_number
from local.stream_mapping.settings import ENDLESS, MappingSettings

Invoke = Callable[[dict[str, Any]], dict[str, Any] | None]

# AWS does not document its backoff. Ours is short, because a person waits for the result.
FIRST_BACKOFF_SECONDS = 0.2
LONGEST_BACKOFF_SECONDS = 5.0


class FunctionError(Exception):
    """The function was invoked and failed: it raised, or timed out. The message goes to the log."""


class FunctionNotInvoked(FunctionError):
    """The function could not be invoked at all."""


def backoff_seconds(attempts_before: int) -> float:
    """How long to wait before the next attempt."""
    return min(FIRST_BACKOFF_SECONDS * 2.0 ** min(attempts_before, 10), LONGEST_BACKOFF_SECONDS)


def first_failure(response: Mapping[str, Any] | None, records: list[Record]) -> int | None:
    """The index of the first record that the function reports as failed; None when all were processed.

    An empty or null response or list is a success; an empty, null or misnamed identifier fails the whole batch, and so
    does one that is not in it: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
    """
    if not response:
        return None
    positions = {sequence_number(record): index for index, record in enumerate(records)}
    try:
        failures = response.get("batchItemFailures") or []
        return min((positions[failure["itemIdentifier"]] for failure in failures), default=None)
    except (AttributeError, KeyError, TypeError):
        raise FunctionError("its response is malformed, or names no record of the batch") from None


@dataclass(frozen=True)
class Batch:
    """A batch, or a part of one, with the number of its attempts so far."""

    records: list[Record]
    retries: int = 0
    invocations: int = 0
    missed_invocations: int = 0
    function_error: bool = False

    def __str__(self) -> str:
        first, last = sequence_number(self.records[0]), sequence_number(self.records[-1])
        return f"{len(self.records)} record(s) {first} to {last}"


@dataclass(frozen=True)
class Delivery:
    """Delivers the batches of one lane, one after the other, until every record is processed or given up.

    The rules: https://docs.aws.amazon.com/lambda/latest/dg/services-dynamodb-errors.html. It does not describe two
    cases: the parts of a split batch keep its count of retries; a report that names the first record counts as a retry.
    """

    settings: MappingSettings
    invoke: Invoke
    give_up: Callable[[Batch], None]
    wait: Callable[[float], None]
    on_event: OnEvent = lambda _: None

    def deliver(self, records: list[Record]) -> None:
        """Deliver a batch until nothing of it is left; an exception of `wait` ends this early."""
        waiting = deque([Batch(records)])
        while waiting:
            waiting.extendleft(reversed(self._attempt(waiting.popleft())))

    def _attempt(self, batch: Batch) -> list[Batch]:
        """Invoke the function once, and return what is still to be delivered, in order."""
        invoked = replace(batch, invocations=batch.invocations + 1, missed_invocations=0)
        try:
            response = self.invoke({"Records": batch.records})
            failed_from = first_failure(response, batch.records) if self.settings.report_batch_item_failures else None
        except FunctionNotInvoked as error:
            return self._again_later(batch, str(error))
        except Exception as error:  # noqa: BLE001  # after any error the batch is not processed
            # Another error's message may quote an item, and items stay out of the log.
            reason = str(error) if isinstance(error, FunctionError) else type(error).__name__
            return self._after_error(replace(invoked, function_error=True), reason)
        return [] if failed_from is None else self._after_report(replace(invoked, function_error=False), failed_from)

    def _again_later(self, batch: Batch, reason: str) -> list[Batch]:
        """If the function is not invoked, Lambda "retries until the records expire": no retry is spent."""
        if not batch.missed_invocations:
            self._tell(f"{batch}: the function cannot be invoked, trying until it can: {reason}")
        self.wait(backoff_seconds(batch.missed_invocations))
        return [replace(batch, missed_invocations=batch.missed_invocations + 1)]

    def _after_error(self, batch: Batch, reason: str) -> list[Batch]:
        """With bisect "splitting batches doesn't consume the retry quota"; a single record cannot be split."""
        if not self.settings.bisect_batch_on_function_error or len(batch.records) == 1:
            return self._retry(batch, reason)
        self._tell(f"{batch} split in two: {reason}")
        half = len(batch.records) // 2
        return [replace(batch, records=batch.records[:half]), replace(batch, records=batch.records[half:])]

    def _after_report(self, batch: Batch, failed_from: int) -> list[Batch]:
        """The records before the checkpoint are done. A split at the checkpoint spends no retry either."""
        rest = replace(batch, records=batch.records[failed_from:])
        if not self.settings.bisect_batch_on_function_error or failed_from == 0:
            return self._retry(rest, "reported as failed")
        self._tell(f"{rest} split off: the {failed_from} before are processed")
        return [rest]

    def _retry(self, batch: Batch, reason: str) -> list[Batch]:
        maximum = self.settings.maximum_retry_attempts
        if maximum != ENDLESS and batch.retries >= maximum:
            self._tell(f"{batch} given up after {batch.invocations} invocation(s): {reason}", "ERROR")
            self.give_up(batch)
            return []
        self._tell(f"{batch} retried ({batch.retries + 1}): {reason}")
        self.wait(backoff_seconds(batch.retries))
        return [replace(batch, retries=batch.retries + 1)]

    def _tell(self, message: str, level: Literal["WARNING", "ERROR"] = "WARNING") -> None:
        self.on_event(MappingEvent(message, level))
