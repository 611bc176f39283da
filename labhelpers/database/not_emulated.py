"""What a call about a DB instance may ask that this lab refuses by name, rather than seem to do it; pure."""

from __future__ import annotations

import re

from labhelpers.database.installation import Installation
from labhelpers.database.parameters import ENGINE, INVALID_VALUE, Parameters, family
from labhelpers.errors import AwsError, NotEmulated

# Engines of RDS other than ours; for any other word RDS itself answers that there is no such engine.
_OTHER_ENGINES = re.compile(
    r"aurora|aurora-(mysql|postgresql)|mysql|mariadb|neptune|docdb|(custom-)?(oracle|sqlserver|db2)-[a-z0-9-]+"
)

# Settings that would promise something which is not there. Value: what the learner asked for, in words.
_NOT_EMULATED = {
    "DBClusterIdentifier": "DB clusters of RDS (DBClusterIdentifier)",
    "DBPortNumber": "changing the port of a DB instance (DBPortNumber)",
    "DBSubnetGroupName": "DB subnet groups (DBSubnetGroupName): databases here are on this machine's own address",
    "DBSystemId": "RDS Custom (DBSystemId)",
    "CustomIamInstanceProfile": "RDS Custom (CustomIamInstanceProfile)",
    "Domain": "Active Directory domains of RDS (Domain)",
    "DomainFqdn": "Active Directory domains of RDS (DomainFqdn)",
    "EnableIAMDatabaseAuthentication": "IAM authentication to databases (EnableIAMDatabaseAuthentication)",
    "EnablePerformanceInsights": "Performance Insights of RDS (EnablePerformanceInsights)",
    "FinalDBSnapshotIdentifier": "DB snapshots of RDS (FinalDBSnapshotIdentifier); delete with SkipFinalSnapshot=True",
    "DBSnapshotIdentifier": "DB snapshots of RDS (DBSnapshotIdentifier)",
    "ForceFailover": "Multi-AZ deployments of RDS (ForceFailover)",
    "ManageMasterUserPassword": "passwords in Secrets Manager (ManageMasterUserPassword); give MasterUserPassword",
    "RotateMasterUserPassword": "passwords in Secrets Manager (RotateMasterUserPassword)",
    "MonitoringInterval": "Enhanced Monitoring of RDS (MonitoringInterval)",
    "MultiAZ": "Multi-AZ deployments of RDS (MultiAZ)",
    "MasterUserAuthenticationType": "IAM authentication to databases (MasterUserAuthenticationType)",
    "NewDBInstanceIdentifier": "renaming a DB instance (NewDBInstanceIdentifier)",
}
_NOTHING = ("", "false", "0", "password")
# The same for parameters that are lists.
_LISTS_NOT_EMULATED = {
    "AdditionalStorageVolumes": "additional storage volumes of RDS (AdditionalStorageVolumes)",
    "DBSecurityGroups": "DB security groups (DBSecurityGroups)",
    "ProcessorFeatures": "processor features of RDS (ProcessorFeatures)",
    "VpcSecurityGroupIds": "VPC security groups (VpcSecurityGroupIds): databases here are open to this machine alone",
}


def check_engine(engine: str) -> None:
    """Only PostgreSQL runs here: NotEmulated for RDS's other engines, AwsError for what RDS does not know either."""
    if engine == ENGINE:
        return
    if _OTHER_ENGINES.fullmatch(engine):
        raise NotEmulated(f'the RDS engine "{engine}"; Engine="postgres" starts a real PostgreSQL')
    raise AwsError(INVALID_VALUE, f"Invalid DB engine: {engine}")


def refuse_not_emulated(parameters: Parameters) -> None:
    """NotEmulated for the first setting that the lab can't keep its word on."""
    for name, what in _NOT_EMULATED.items():
        if parameters.get(name, "").lower() not in _NOTHING:
            raise NotEmulated(what)
    for name, what in _LISTS_NOT_EMULATED.items():
        if any(parameter.startswith(f"{name}.") for parameter in parameters):
            raise NotEmulated(what)


def refuse_groups(parameters: Parameters, installation: Installation) -> None:
    """NotEmulated for any parameter group or option group but the default ones."""
    defaults = {
        "DBParameterGroupName": ("DB parameter groups", f"default.{family(installation)}"),
        "OptionGroupName": ("option groups", f"default:{ENGINE}-{installation.major}"),
    }
    for name, (what, default) in defaults.items():
        if parameters.get(name, default) != default:
            raise NotEmulated(f"{what} of RDS ({name}) other than {default}")
