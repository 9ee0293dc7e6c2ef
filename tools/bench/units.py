"""DynamoDB's write units for an order, as DynamoDB Local reports them."""

from tools.bench.stand import Stand, item


def write_units(stand: Stand) -> dict[str, float]:
    """What it takes to create an order and to settle one, the index included.

    DynamoDB Local reports none for BatchExecuteStatement; so it is asked for the update that a statement stands for.
    """
    order = item()
    created = stand.client.put_item(TableName=stand.table.name, Item=order, ReturnConsumedCapacity="INDEXES")
    settled = stand.client.update_item(
        TableName=stand.table.name,
        Key={"order_id": order["order_id"]},
        UpdateExpression="SET #status = :status, payment_id = :payment_id, processed_at = :now REMOVE pending_bucket",
        ExpressionAttributeNames={"#status": "status"},
        ExpressionAttributeValues={
            ":status": {"S": "PROCESSED"},
            ":payment_id": order["order_id"],
            ":now": order["created_at"],
        },
        ReturnConsumedCapacity="INDEXES",
    )
    answers = {"created": created, "settled": settled}
    return {name: answer["ConsumedCapacity"]["CapacityUnits"] for name, answer in answers.items()}
