"""The Lambda functions, one file each.

What all of them need is imported here with garbage collection off: collecting garbage during imports frees nothing, and
costs about 10 % of a cold start.
"""

import gc

gc.disable()

from shared import order_table  # noqa: E402, F401  # see above

gc.enable()
