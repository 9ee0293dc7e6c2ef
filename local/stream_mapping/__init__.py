"""A local stand-in for Lambda's event source mapping of a DynamoDB stream, by AWS's documented rules.

settings.py     the mapping's properties, from serverless.yml
mapping.py      follows the stream's shards and runs the lanes
shard.py        reads one shard to its end, across restarts of DynamoDB Local
lane.py         the records that wait for one worker
records.py      a record's shape, filter and lane
delivery.py     what happens to a batch: delivered, split, retried, given up
events.py       what the mapping reports while it runs
failure_message.py  the message about records that were given up on
"""

from local.stream_mapping.delivery import FunctionError, FunctionNotInvoked, Invoke
from local.stream_mapping.events import MappingEvent
from local.stream_mapping.mapping import InvokeInLane, StreamMapping
from local.stream_mapping.settings import MappingSettings, UnsupportedMapping

__all__ = [
    "FunctionError",
    "FunctionNotInvoked",
    "Invoke",
    "InvokeInLane",
    "MappingEvent",
    "MappingSettings",
    "StreamMapping",
    "UnsupportedMapping",
]
