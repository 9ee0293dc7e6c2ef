"""`npm run simulate`: the service in virtual time, under seeded faults, and whether it keeps its promises.

__main__.py             worlds side by side, with seeds that derive from one
world.py                one world: the service, its clients, its provider and AWS
plan.py, faults.py      what happens when, and which fault occurs now
promises.py             what must hold at each step, and the history of each order
results.py              what became of the orders, in numbers
settings.py             what serverless.yml says
substitutes.py          puts the world in place of the clock, chance, AWS and the provider
lambda_functions.py     Lambda: environments, and invocations that fail, time out or are killed
stream.py               the stream and its event source mapping, by the rules of local/stream_mapping
memory_dynamodb.py, update_statement.py, unreliable_dynamodb.py  the orders table, and a client with faults
provider.py, clients.py  a payment provider that remembers, and who sends the orders
virtual_time.py, virtual_loop.py  threads, event loops and executors in virtual time

X-Ray and Powertools' decorators (the log's context, the flush of the metrics) are left out: they are one for all
environments of a process.
"""
