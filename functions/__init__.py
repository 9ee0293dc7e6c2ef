"""The Lambda functions, a file each."""

import gc

# Imports make a hundred thousand objects and no garbage: to look for some all the while is a tenth of a cold start.
gc.set_threshold(200_000)
