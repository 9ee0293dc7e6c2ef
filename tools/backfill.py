"""Lists the orders of an older table in the index `due-orders`: `npm run backfill -- --stage prod`.

Such a table has PENDING orders without `due_at`, which the index needs (docs/deploy.md, "Deploy over an older table").
"""

import argparse
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from shared import clock
from shared.order import Status, to_timestamp
from tools.command import add_stage, run
from tools.stage import Stage

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

WITHOUT_DUE_AT = "#status = :pending AND attribute_not_exists(due_at)"


def main(arguments: Sequence[str]) -> int:
    """Print how many orders were changed. The command can be repeated: an order that has a `due_at` keeps it."""
    parser = argparse.ArgumentParser(prog="npm run backfill --", description=__doc__)
    add_stage(parser, "the stage whose table is changed (required)")
    options = parser.parse_args(arguments)
    if not options.stage:
        parser.error("name the --stage")
    return run(lambda: _backfill(Stage.of(options.stage, options.region)))


def _backfill(stage: Stage) -> None:
    changed = backfill(stage.session.client("dynamodb"), stage.orders_table())
    print(f"{changed:,} orders of stage {stage.name} are due now. RecoverOrders settles them.")


def backfill(client: "DynamoDBClient", table_name: str) -> int:
    """Make the PENDING orders without `due_at` due now, show how far it is, and return how many there were."""
    names, values = {"#status": "status"}, {":pending": {"S": Status.PENDING.value}}
    due_at = {":due_at": {"S": to_timestamp(clock.now())}}
    read = changed = 0
    pages = client.get_paginator("scan").paginate(
        TableName=table_name,
        ConsistentRead=True,
        ProjectionExpression="order_id",
        FilterExpression=WITHOUT_DUE_AT,
        ExpressionAttributeNames=names,
        ExpressionAttributeValues=values,
    )
    with Console(stderr=True).status("Reading the orders …") as status:
        for page in pages:
            for item in page["Items"]:
                try:
                    client.update_item(
                        TableName=table_name,
                        Key={"order_id": item["order_id"]},
                        UpdateExpression="SET due_at = :due_at",
                        ConditionExpression=WITHOUT_DUE_AT,  # it may have been settled or deferred since it was read
                        ExpressionAttributeNames=names,
                        ExpressionAttributeValues=values | due_at,
                    )
                    changed += 1
                except client.exceptions.ConditionalCheckFailedException:
                    continue
            read += page["ScannedCount"]
            status.update(f"{read:,} orders read, {changed:,} changed …")
    return changed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
