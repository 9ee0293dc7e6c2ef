"""The order page of the local run: what happens to the orders, live, and faults on purpose. It is never deployed."""
