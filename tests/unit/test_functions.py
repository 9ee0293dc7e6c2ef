"""What all the functions share when Lambda imports them."""

import gc

import functions


def test_garbage_collection_goes_on_after_the_import() -> None:
    assert functions
    assert gc.isenabled()
