"""The order page of the local run: shows the orders live, and injects failures on demand. It is never deployed."""
