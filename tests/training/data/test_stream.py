import threading

import pytest
from diffsfsr.training.data.stream import ahead


def test_items_come_in_order_and_are_made_ahead_of_their_use():
    third = threading.Event()

    def items():
        for i in range(6):
            if i == 2:
                third.set()
            yield i

    stream = ahead(items(), count=2)
    assert next(stream) == 0
    assert third.wait(60)  # it is made though only the first was asked for
    assert list(stream) == [1, 2, 3, 4, 5]


def test_what_making_raises_is_raised_where_it_is_used():
    def items():
        yield 1
        raise ValueError("no more")

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no more"):
        next(stream)


def test_closed_it_leaves_no_thread_behind():
    before = set(threading.enumerate())
    stream = ahead(iter(int, 1))  # endless
    next(stream)
    begun = set(threading.enumerate()) - before
    stream.close()
    assert begun and not any(thread.is_alive() for thread in begun)
