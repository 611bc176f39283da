"""Token buckets."""

from hypothesis import given
from hypothesis import strategies as st

from labhelpers.gateway.throttle import Throttle, Throttles, TokenBucket


def test_burst_passes_at_once_and_no_more() -> None:
    """A full bucket holds its burst."""
    bucket = TokenBucket(Throttle(1.0, 3), 0.0)
    assert [bucket.take(0.0) for _ in range(5)] == [True, True, True, False, False]


def test_bucket_fills_at_its_rate_up_to_its_burst() -> None:
    """Half a second at 4 a second gives two; a long wait no more than the burst."""
    bucket = TokenBucket(Throttle(4.0, 3), 0.0)
    for _ in range(3):
        bucket.take(0.0)
    assert [bucket.take(0.5) for _ in range(3)] == [True, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]


def test_rate_or_burst_of_zero_lets_nothing_through() -> None:
    """Zero is a switch."""
    assert not TokenBucket(Throttle(0.0, 5), 0.0).take(10.0)
    assert not TokenBucket(Throttle(5.0, 0), 0.0).take(10.0)


def test_keys_have_buckets_of_their_own() -> None:
    """One key's requests take none of another's tokens."""
    throttles = Throttles(lambda: 0.0)
    limit = Throttle(1.0, 1)
    admitted = [
        throttles.admits(key, limit) for key in (("a", "GET"), ("a", "GET"), ("a", "PUT"), ("b", "GET"))
    ]
    assert admitted == [True, False, True, True]


def test_changed_limit_begins_with_a_full_bucket() -> None:
    """An update takes effect at once."""
    throttles = Throttles(lambda: 0.0)
    throttles.admits("k", Throttle(1.0, 1))
    assert not throttles.admits("k", Throttle(1.0, 1)) and throttles.admits("k", Throttle(1.0, 2))


def test_forgotten_api_begins_anew() -> None:
    """Buckets go with their API."""
    throttles = Throttles(lambda: 0.0)
    throttles.admits(("a", "x"), Throttle(1.0, 1))
    throttles.forget("a")
    assert throttles.admits(("a", "x"), Throttle(1.0, 1))


@given(
    st.floats(0.1, 1000),
    st.integers(1, 50),
    st.lists(st.floats(0, 1), min_size=1, max_size=200),
)
def test_never_more_than_burst_and_rate_allow(rate: float, burst: int, gaps: list[float]) -> None:
    """In any time t at most burst + rate * t pass."""
    bucket, now, passed = TokenBucket(Throttle(rate, burst), 0.0), 0.0, 0
    for gap in gaps:
        now += gap
        passed += bucket.take(now)
        assert passed <= burst + rate * now + 1e-6
