"""`npm run simulate`: the service in virtual time, under seeded failures, and whether it keeps its promises.

__main__.py             worlds side by side, with seeds that derive from one
world.py                one world: the service, its clients, its provider and AWS
plan.py                 what happens when
injected_failures.py    which failure occurs now
promises/               what must hold at each step, and the history of each order
results.py              what became of the orders, in numbers
substitutes.py          puts the world in place of the clock, chance, AWS and the provider
provider.py             a payment provider that remembers
clients.py              who sends the orders
aws/                    Lambda, the stream and its event source mapping, and the orders table, with failures
virtual/                threads, event loops and executors in virtual time

X-Ray and Powertools' decorators (the log's context, the flush of the metrics) are left out: they are one for all
environments of a process.
"""
