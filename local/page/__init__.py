"""The order page of the local run: what happens to the orders, live, and buttons that inject failures. It is never deployed."""
