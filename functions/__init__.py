"""The Lambda functions, one file each.

What all of them import is imported here, without garbage collection: it would find nothing, and take 10 % of a cold
start.
"""

import gc

gc.disable()

from shared import api, order_table, tracing  # noqa: E402, F401  # see above

gc.enable()
