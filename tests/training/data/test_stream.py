import threading
import time

import pytest
from diffsfsr.training.data.stream import ahead


def test_items_come_in_order_and_are_made_ahead_of_their_use():
    made = []
    stream = ahead((made.append(i) or i for i in range(6)), count=2)
    assert next(stream) == 0
    for _ in range(100):
        if len(made) >= 3:
            break
        time.sleep(0.02)
    assert made[:3] == [0, 1, 2] and list(stream) == [1, 2, 3, 4, 5]


def test_what_making_raises_is_raised_where_it_is_used():
    def items():
        yield 1
        raise ValueError("no more")

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="no more"):
        next(stream)


def test_closed_it_leaves_no_thread_behind():
    before = threading.active_count()
    stream = ahead(iter(int, 1))  # endless
    next(stream)
    stream.close()
    assert threading.active_count() == before
