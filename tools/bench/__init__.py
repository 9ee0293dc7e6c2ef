"""The benchmark: how fast and how cheap the service is, as ratios that hold on any machine.

__main__.py      `npm run bench`: measures one thing after the other and shows it
environment.py   a Lambda environment's process: started, invoked, slowed down, ended
runtime.py       what runs in that process: Lambda's Python runtime, as far as it matters here
stand.py         what all measurements share: package, DynamoDB Local, X-Ray, orders
peers/           what we compare with: the least that a function can do, and ProcessPayment as it is usually written
cold.py, warm.py, batch.py, round_trip.py, units.py    the measurements
cost.py          what a million orders cost, from what was measured and AWS's list prices
scale.py         `npm run bench -- --scale`: from 1 to 10,000 orders a second
results.py       medians, ratios, the table, and the picture
"""
