"""Memory and connections of DB instance classes, against figures that AWS publishes."""

import pytest

from labhelpers.database.instance_classes import max_connections, memory_bytes
from labhelpers.errors import AwsError


@pytest.mark.parametrize(
    ("name", "gib"),
    [
        ("db.t4g.micro", 1),
        ("db.t3.2xlarge", 32),
        ("db.m6i.large", 8),
        ("db.m7g.16xlarge", 256),
        ("db.r6g.xlarge", 32),
        ("db.r5.24xlarge", 768),
        ("db.x2g.large", 32),
    ],
)
def test_memory_is_that_of_aws(name: str, gib: int) -> None:
    """https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Concepts.DBInstanceClass.Summary.html."""
    assert memory_bytes(name) == gib << 30


@pytest.mark.parametrize(
    ("name", "connections"),
    [("db.t4g.micro", 112), ("db.t4g.small", 225), ("db.m6i.large", 901), ("db.r6g.4xlarge", 5000)],
)
def test_connections_follow_from_memory(name: str, connections: int) -> None:
    """LEAST(memory / 9531392, 5000)."""
    assert max_connections(name) == connections


@pytest.mark.parametrize(
    "name", ["", "db", "db.t4g", "db.t4g.", "db.t4g.nano", "db.m6i.micro", "db.t4g.micro.x", "x.t4g.micro"]
)
def test_unknown_class_is_named(name: str) -> None:
    """No class is guessed."""
    with pytest.raises(AwsError, match="Invalid DB Instance class"):
        memory_bytes(name)
