# SPDX-License-Identifier: Apache-2.0
"""The queue is bounded, keeps order, and a flood without acknowledgement displaces nothing."""

import threading
import time

from cloud_bridge.inbox import CAPACITY, UNACKNOWLEDGED_SHARE, Inbox, Received


def message(number, qos=1, connection=1):
    return Received("topic", b"%d" % number, qos, number, connection)


def test_messages_come_out_in_order_and_in_portions():
    inbox = Inbox()
    for number in range(10):
        inbox.put(message(number))
    assert [item.mid for item in inbox.take(4, 0)] == [0, 1, 2, 3]
    assert [item.mid for item in inbox.take(100, 0)] == [4, 5, 6, 7, 8, 9]
    assert inbox.take(100, 0.01) == []
    assert inbox.dropped == 0


def test_take_waits_for_the_first_message():
    inbox = Inbox()
    thread = threading.Timer(0.1, inbox.put, [message(1)])
    thread.start()
    began = time.monotonic()
    assert len(inbox.take(1, 30)) == 1
    assert time.monotonic() - began < 20
    thread.join()


def test_a_flood_without_acknowledgement_is_dropped_and_leaves_room():
    inbox = Inbox()
    for number in range(100_000):
        inbox.put(message(number, qos=0))
    assert inbox.dropped == 100_000 - UNACKNOWLEDGED_SHARE
    inbox.put(message(7, qos=1))
    assert inbox.dropped == 100_000 - UNACKNOWLEDGED_SHARE
    assert len(inbox.take(1000, 0)) == UNACKNOWLEDGED_SHARE + 1


def test_a_full_queue_holds_up_the_sender_and_drops_nothing():
    inbox, count = Inbox(), 3 * CAPACITY
    sender = threading.Thread(
        target=lambda: [inbox.put(message(number)) for number in range(count)], daemon=True
    )
    sender.start()
    found = []
    while len(found) < count:
        batch = inbox.take(100, 30)
        assert batch
        assert len(inbox._waiting) <= CAPACITY
        found += [item.mid for item in batch]
    sender.join(30)
    assert found == list(range(count))
    assert inbox.dropped == 0


def test_closing_lets_a_waiting_sender_go():
    inbox = Inbox()
    for number in range(CAPACITY):
        inbox.put(message(number))
    sender = threading.Thread(target=inbox.put, args=[message(CAPACITY)], daemon=True)
    sender.start()
    sender.join(0.2)
    assert sender.is_alive()  # the control: it does wait
    inbox.close()
    sender.join(30)
    assert not sender.is_alive()
    assert len(inbox._waiting) == CAPACITY


def test_what_the_broker_sends_again_is_forgotten():
    inbox = Inbox()
    inbox.put(message(1, qos=1))
    inbox.put(message(2, qos=0))
    inbox.forget_redelivered()
    assert [item.mid for item in inbox.take(10, 0)] == [2]
