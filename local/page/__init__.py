"""The order page of the local run: what happens to the orders, live, and faults on purpose. It is never deployed.

server.py      HTTP: the page, its stream of events, its actions
table_watch.py the orders, as the table and its stream have them
deliveries.py  what the stream mapping delivers, and what becomes of it
logs.py        the functions' log lines, by order
order.py       all that is known of one order
actions.py     placing orders and causing faults
static/        the page itself
"""
