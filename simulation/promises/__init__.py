"""What must hold: of each order at each step, and of RecoverOrders; and the history of an order that shows a breach."""
