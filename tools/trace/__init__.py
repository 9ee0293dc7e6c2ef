"""`npm run trace`: an order's trace, from its request to its settled payment, as a waterfall."""
