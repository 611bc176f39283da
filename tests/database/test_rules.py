"""What RDS accepts for a DB instance, in RDS's words, and what is refused by name."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labhelpers.database.installation import Installation, installations
from labhelpers.database.instance_classes import known_classes
from labhelpers.database.rules import NewInstance, change, check_deletion, new_instance, tags
from labhelpers.errors import NOT_EMULATED, AwsError, NotEmulated

NEW, OLD = Installation("18.4", Path("new")), Installation("16.14", Path("old"))
VALID = {
    "Engine": "postgres",
    "DBInstanceIdentifier": "db-1",
    "DBInstanceClass": "db.t4g.micro",
    "AllocatedStorage": "20",
    "MasterUsername": "bob",
    "MasterUserPassword": "correct-horse",
}


def read(**parameters: str) -> NewInstance:
    """A valid CreateDBInstance with some parameters replaced; "" leaves one out."""
    given = {name: value for name, value in (VALID | parameters).items() if value}
    return new_instance(given, [NEW, OLD])


def test_valid_request_is_read() -> None:
    """The plainest call, as a tutorial writes it."""
    new = read(DBName="shop", **{"Tags.Tag.1.Key": "team", "Tags.Tag.1.Value": "red"})
    assert (new.identifier, new.installation, new.master_username, new.database) == (
        "db-1",
        NEW,
        "bob",
        "shop",
    )
    assert new.settings == {"AllocatedStorage": "20"} and new.tags == {"team": "red"}
    assert not new.exports_log


def test_password_is_not_shown() -> None:
    """A dump of the object in a traceback or a log keeps the secret."""
    assert "correct-horse" not in repr(read())


@pytest.mark.parametrize("missing", sorted(VALID))
def test_missing_parameter_is_named(missing: str) -> None:
    """Each of the six is required."""
    with pytest.raises(AwsError, match=f"The parameter {missing} must be provided") as caught:
        read(**{missing: ""})
    assert caught.value.code == "InvalidParameterValue"


@pytest.mark.parametrize(
    ("parameters", "code", "words"),
    [
        ({"DBInstanceIdentifier": "1st"}, "InvalidParameterValue", "is not a valid identifier"),
        ({"DBInstanceIdentifier": "db_1"}, "InvalidParameterValue", "is not a valid identifier"),
        ({"DBInstanceIdentifier": "db--1"}, "InvalidParameterValue", "is not a valid identifier"),
        ({"DBInstanceIdentifier": "db-"}, "InvalidParameterValue", "is not a valid identifier"),
        ({"DBInstanceIdentifier": "d" * 64}, "InvalidParameterValue", "is not a valid identifier"),
        (
            {"MasterUsername": "admin"},
            "InvalidParameterValue",
            "admin cannot be used as it is a reserved word",
        ),
        ({"MasterUsername": "User"}, "InvalidParameterValue", "User cannot be used as it is a reserved word"),
        ({"MasterUsername": "rdsadmin"}, "InvalidParameterValue", "reserved word"),
        (
            {"MasterUsername": "pg_boss"},
            "InvalidParameterValue",
            'role names starting with "pg_" are reserved',
        ),
        ({"MasterUsername": "1bob"}, "InvalidParameterValue", "must begin with a letter"),
        ({"MasterUsername": "b" * 64}, "InvalidParameterValue", "must begin with a letter"),
        ({"MasterUserPassword": "7letter"}, "InvalidParameterValue", "shorter than 8 characters"),
        ({"MasterUserPassword": "x" * 129}, "InvalidParameterValue", "longer than 128 characters"),
        ({"MasterUserPassword": "with a space"}, "InvalidParameterValue", "Only printable ASCII characters"),
        ({"MasterUserPassword": "with@sign"}, "InvalidParameterValue", "Only printable ASCII characters"),
        ({"MasterUserPassword": 'with"quote'}, "InvalidParameterValue", "Only printable ASCII characters"),
        ({"MasterUserPassword": "with/slash"}, "InvalidParameterValue", "Only printable ASCII characters"),
        ({"MasterUserPassword": "pässword"}, "InvalidParameterValue", "Only printable ASCII characters"),
        ({"DBName": "my-shop"}, "InvalidParameterValue", "DBName must begin with a letter"),
        ({"DBName": "template1"}, "InvalidParameterValue", "DBName template1 cannot be used"),
        ({"AllocatedStorage": "19"}, "InvalidParameterCombination", "postgres and storage type gp2: 19"),
        ({"AllocatedStorage": "65537"}, "InvalidParameterCombination", "storage type gp2: 65537"),
        ({"AllocatedStorage": "much"}, "InvalidParameterCombination", "storage type gp2: much"),
        ({"Iops": "1000"}, "InvalidParameterCombination", "storage type io1: 20"),
        ({"StorageType": "tape"}, "InvalidParameterValue", "Invalid storage type: tape"),
        (
            {"DBInstanceClass": "db.t9.micro"},
            "InvalidParameterValue",
            "Invalid DB Instance class: db.t9.micro",
        ),
        ({"DBInstanceClass": "t4g.micro"}, "InvalidParameterValue", "Invalid DB Instance class: t4g.micro"),
        ({"DBInstanceClass": "db.t2.micro"}, "InvalidParameterCombination", "DBInstanceClass=db.t2.micro"),
        ({"EngineVersion": "9.6"}, "InvalidParameterCombination", "Cannot find version 9.6 for postgres"),
        ({"EngineVersion": "18.1"}, "InvalidParameterCombination", "this lab runs 18.4 and 16.14"),
        ({"Engine": "postgresql"}, "InvalidParameterValue", "Invalid DB engine: postgresql"),
        ({"Port": "80"}, "InvalidParameterValue", "80"),
        ({"LicenseModel": "license-included"}, "InvalidParameterCombination", "license-included"),
        ({"BackupRetentionPeriod": "36"}, "InvalidParameterValue", "between 0 and 35"),
        (
            {"EnableCloudwatchLogsExports.member.1": "slowquery"},
            "InvalidParameterCombination",
            "You cannot use the log types 'slowquery'",
        ),
    ],
)
def test_wrong_parameter_is_refused_as_rds_does(parameters: dict[str, str], code: str, words: str) -> None:
    """RDS's code, and words that name the value."""
    with pytest.raises(AwsError) as caught:
        read(**parameters)
    assert caught.value.code == code and words in caught.value.message
    assert caught.value.status == 400


@pytest.mark.parametrize(
    "engine",
    "mysql mariadb aurora-postgresql aurora-mysql oracle-se2 oracle-ee-cdb sqlserver-ex db2-se neptune docdb".split(),
)
def test_other_engine_is_refused_by_name(engine: str) -> None:
    """No other database is pretended."""
    with pytest.raises(NotEmulated, match=f'the RDS engine "{engine}"'):
        read(Engine=engine)


@pytest.mark.parametrize(
    "parameters",
    [
        {"MultiAZ": "true"},
        {"ManageMasterUserPassword": "true"},
        {"EnableIAMDatabaseAuthentication": "true"},
        {"EnablePerformanceInsights": "true"},
        {"MonitoringInterval": "60"},
        {"DBClusterIdentifier": "cluster-1"},
        {"DBSubnetGroupName": "private"},
        {"VpcSecurityGroupIds.VpcSecurityGroupId.1": "sg-1"},
        {"DBParameterGroupName": "mine"},
        {"OptionGroupName": "mine"},
        {"Domain": "d-1"},
    ],
)
def test_promise_that_cannot_be_kept_is_refused_by_name(parameters: dict[str, str]) -> None:
    """The refusal names the parameter, so that a learner knows which to leave out."""
    with pytest.raises(NotEmulated) as caught:
        read(**parameters)
    assert caught.value.code == NOT_EMULATED
    assert next(iter(parameters)).partition(".")[0] in caught.value.message


@pytest.mark.parametrize(
    "parameters",
    [
        {"MultiAZ": "false", "MonitoringInterval": "0", "EnablePerformanceInsights": "false"},
        {"DBParameterGroupName": "default.postgres18", "OptionGroupName": "default:postgres-18"},
        {"Port": "5432", "LicenseModel": "postgresql-license", "BackupRetentionPeriod": "0"},
        {"AllocatedStorage": "100", "Iops": "1000", "StorageType": "io1"},
    ],
)
def test_default_may_be_spelled_out(parameters: dict[str, str]) -> None:
    """What is said without being asked for anything new passes."""
    assert read(**parameters).identifier == "db-1"


def test_identifier_is_kept_in_small_letters() -> None:
    """As RDS stores it."""
    assert read(DBInstanceIdentifier="My-DB").identifier == "my-db"


@pytest.mark.parametrize(
    ("asked", "runs"), [("", NEW), ("18", NEW), ("18.4", NEW), ("16", OLD), ("16.14", OLD)]
)
def test_version_is_the_one_that_runs(asked: str, runs: Installation) -> None:
    """A major version is short for the one that is here; none means the newest."""
    assert read(EngineVersion=asked).installation is runs


def test_database_postgres_needs_no_making() -> None:
    """It is in every instance, so asking for it asks for nothing more."""
    assert read(DBName="postgres").database == ""


@given(
    st.text(
        st.characters(min_codepoint=33, max_codepoint=126, exclude_characters='/@"'), min_size=8, max_size=128
    )
)
def test_every_printable_password_is_accepted(password: str) -> None:
    """Quotes, backslashes and dollars included."""
    assert read(MasterUserPassword=password).master_password == password


def test_machine_has_the_versions_of_the_wheel() -> None:
    """The programs are found without importing the package that brings them, newest first."""
    found = installations()
    assert [each.major for each in found] == sorted({each.major for each in found}, reverse=True)
    assert all(Path(each.program(name)).exists() for each in found for name in ("initdb", "postgres", "psql"))


def test_known_classes_are_accepted() -> None:
    """Every class that the lab lists as orderable can be ordered."""
    assert all(read(DBInstanceClass=name).instance_class == name for name in known_classes())


def test_change_is_read() -> None:
    """What ModifyDBInstance may carry at once."""
    read_change = change(
        {
            "MasterUserPassword": "another-horse",
            "DBInstanceClass": "db.t4g.small",
            "ApplyImmediately": "true",
            "AllocatedStorage": "40",
            "CloudwatchLogsExportConfiguration.EnableLogTypes.member.1": "postgresql",
        },
        NEW,
        20,
    )
    assert (read_change.master_password, read_change.instance_class) == ("another-horse", "db.t4g.small")
    assert read_change.at_once and read_change.exports_log is True
    assert read_change.settings == {"AllocatedStorage": "40"}


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"AllocatedStorage": "20"}, "now 40, asked for 20"),
        ({"MasterUserPassword": "short"}, "shorter than 8"),
        ({"DBInstanceClass": "db.none"}, "Invalid DB Instance class: db.none"),
        ({"EngineVersion": "16"}, "upgrading a DB instance from PostgreSQL 18.4 to 16"),
        ({"NewDBInstanceIdentifier": "db-2"}, "renaming"),
        ({"MultiAZ": "true"}, "MultiAZ"),
    ],
)
def test_wrong_change_is_refused(parameters: dict[str, str], words: str) -> None:
    """Before anything of the instance changes."""
    with pytest.raises(AwsError, match=words):
        change(parameters, NEW, 40)


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({}, "FinalDBSnapshotIdentifier is required unless SkipFinalSnapshot is specified"),
        ({"SkipFinalSnapshot": "true", "FinalDBSnapshotIdentifier": "last"}, "cannot specify both"),
        ({"FinalDBSnapshotIdentifier": "last"}, "does not emulate DB snapshots of RDS"),
    ],
)
def test_deletion_needs_a_word_about_the_snapshot(parameters: dict[str, str], words: str) -> None:
    """RDS's safeguard against losing data; the lab has no snapshots and says so."""
    with pytest.raises(AwsError, match=words):
        check_deletion(parameters)
    check_deletion({"SkipFinalSnapshot": "true"})


def test_tags_are_read_in_any_list_spelling() -> None:
    """Clients name the members of a list `Tag` or `member`."""
    assert tags({"Tags.member.1.Key": "a", "Tags.member.1.Value": "1", "Tags.member.2.Key": "b"}) == {
        "a": "1",
        "b": "",
    }
