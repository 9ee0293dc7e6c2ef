"""`npm run simulate`: the service in virtual time, under seeded faults, and whether it keeps its promises.

virtual_time.py   threads of which one runs at a time; days pass in seconds
virtual_loop.py   asyncio's event loop and executor in virtual time
update_statement.py  the PartiQL statements that the service sends
memory_dynamodb.py   the table and its stream, in memory, behind boto3's client
plan.py           what happens when: orders, and faults
faults.py         deals the faults
unreliable_dynamodb.py  the client, with faults
provider.py       a payment provider that remembers, with faults
lambda_functions.py  Lambda: execution environments, invocations, timeouts
stream.py         the stream and its event source mapping, with the rules of local/stream_mapping
clients.py        the clients of the API
promises.py       what must hold, and the history of each order
world.py          all of it together, once
counts.py         what happened, in numbers
"""
