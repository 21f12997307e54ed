from local.template import Rate
from local.throttling import TokenBucket


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_burst_passes_and_then_the_rate_rules() -> None:
    clock = _Clock()
    bucket = TokenBucket(Rate(per_second=2, burst=3), clock=clock)

    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    clock.now = 0.5
    assert [bucket.take() for _ in range(2)] == [True, False]


def test_waiting_long_does_not_save_up_more_than_the_burst() -> None:
    clock = _Clock()
    bucket = TokenBucket(Rate(per_second=100, burst=2), clock=clock)
    clock.now = 3600.0

    assert [bucket.take() for _ in range(3)] == [True, True, False]
