import threading

import pytest

from workers.turnstile import Turnstile


def test_a_ring_during_a_run_causes_exactly_one_more_run() -> None:
    inside, go_on, runs = threading.Event(), threading.Event(), []

    def work() -> None:
        runs.append(1)
        inside.set()
        assert go_on.wait(5)

    turnstile = Turnstile(work)
    first = threading.Thread(target=turnstile.ring)
    first.start()
    assert inside.wait(5)
    assert [turnstile.ring() for _ in range(5)] == [False] * 5
    go_on.set()
    first.join(5)
    assert len(runs) == 2


def test_a_failed_run_leaves_the_turnstile_open() -> None:
    answers = iter([RuntimeError("database away"), None])

    def work() -> None:
        answer = next(answers)
        if answer:
            raise answer

    turnstile = Turnstile(work)
    with pytest.raises(RuntimeError):
        turnstile.ring()
    assert turnstile.ring() is True


def test_work_is_never_done_by_two_threads_at_once() -> None:
    inside, most = 0, 0
    guard = threading.Lock()

    def work() -> None:
        nonlocal inside, most
        with guard:
            inside += 1
            most = max(most, inside)
        threading.Event().wait(0.002)
        with guard:
            inside -= 1

    turnstile = Turnstile(work)
    threads = [threading.Thread(target=turnstile.ring) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
