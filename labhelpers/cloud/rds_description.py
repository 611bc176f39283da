"""DB instances, engine versions and instance classes as RDS describes them: the members of its answers. Pure.

https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_DBInstance.html
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from labhelpers.cloud.rds_query import Items
from labhelpers.database.installation import Installation
from labhelpers.database.instance import InstanceView
from labhelpers.database.parameters import ENGINE, LOG_TYPES, family

LICENSE = "postgresql-license"
_AUTHORITY = "rds-ca-rsa2048-g1"


def db_instance(view: InstanceView, region: str) -> dict[str, Any]:
    """The members of `DBInstance`. `Endpoint` comes with the first time that it is available, as on AWS."""
    given, version = view.settings, view.new.installation
    endpoint = {"Address": view.address, "Port": view.port, "HostedZoneId": None} if view.port else None
    pending = {"DBInstanceClass": view.pending_class} if view.pending_class else {}
    return {
        "DBInstanceIdentifier": view.new.identifier,
        "DBInstanceClass": view.instance_class,
        "Engine": ENGINE,
        "DBInstanceStatus": view.state.value,
        "MasterUsername": view.new.master_username,
        "DBName": view.new.database or None,
        "Endpoint": endpoint,
        "AllocatedStorage": given["AllocatedStorage"],
        "InstanceCreateTime": timestamp(view.created_at),
        "PreferredBackupWindow": given.get("PreferredBackupWindow", "03:00-03:30"),
        "BackupRetentionPeriod": given.get("BackupRetentionPeriod", "1"),
        "DBSecurityGroups": Items("DBSecurityGroup", ()),
        "VpcSecurityGroups": Items("VpcSecurityGroupMembership", ()),
        "DBParameterGroups": Items(
            "DBParameterGroup",
            [{"DBParameterGroupName": f"default.{family(version)}", "ParameterApplyStatus": "in-sync"}],
        ),
        "AvailabilityZone": given.get("AvailabilityZone", f"{region}a"),
        "PreferredMaintenanceWindow": given.get("PreferredMaintenanceWindow", "sun:04:00-sun:04:30"),
        "PendingModifiedValues": pending,
        "MultiAZ": False,
        "EngineVersion": version.version,
        "AutoMinorVersionUpgrade": given.get("AutoMinorVersionUpgrade", "true"),
        "ReadReplicaDBInstanceIdentifiers": Items("ReadReplicaDBInstanceIdentifier", ()),
        "LicenseModel": LICENSE,
        "Iops": given.get("Iops"),
        "StorageThroughput": given.get("StorageThroughput"),
        "OptionGroupMemberships": Items(
            "OptionGroupMembership",
            [{"OptionGroupName": f"default:{ENGINE}-{version.major}", "Status": "in-sync"}],
        ),
        "PubliclyAccessible": given.get("PubliclyAccessible", "false"),
        "StorageType": given.get("StorageType", "io1" if given.get("Iops") else "gp2"),
        "DbInstancePort": 0,
        "StorageEncrypted": given.get("StorageEncrypted", "false"),
        "KmsKeyId": given.get("KmsKeyId"),
        "DbiResourceId": view.resource_id,
        "CACertificateIdentifier": given.get("CACertificateIdentifier", _AUTHORITY),
        "DomainMemberships": Items("DomainMembership", ()),
        "CopyTagsToSnapshot": given.get("CopyTagsToSnapshot", "false"),
        "MonitoringInterval": 0,
        "DBInstanceArn": view.arn,
        "IAMDatabaseAuthenticationEnabled": False,
        "PerformanceInsightsEnabled": False,
        "EnabledCloudwatchLogsExports": Items("member", [LOG_TYPES[0]] if view.exports_log else ()),
        "DeletionProtection": given.get("DeletionProtection", "false"),
        "AssociatedRoles": Items("DBInstanceRole", ()),
        "MaxAllocatedStorage": given.get("MaxAllocatedStorage"),
        "TagList": tag_list(view.tags),
        "CustomerOwnedIpEnabled": False,
        "NetworkType": "IPV4",
    }


def tag_list(tags: Mapping[str, str]) -> Items:
    """The members of `TagList`."""
    return Items("Tag", [{"Key": key, "Value": value} for key, value in tags.items()])


def engine_version(installation: Installation) -> dict[str, Any]:
    """The members of `DBEngineVersion`."""
    return {
        "Engine": ENGINE,
        "MajorEngineVersion": installation.major,
        "EngineVersion": installation.version,
        "DBParameterGroupFamily": family(installation),
        "DBEngineDescription": "PostgreSQL",
        "DBEngineVersionDescription": f"PostgreSQL {installation.version}",
        "ValidUpgradeTarget": Items("UpgradeTarget", ()),
        "ExportableLogTypes": Items("member", LOG_TYPES),
        "SupportsLogExportsToCloudwatchLogs": True,
        "SupportsReadReplica": False,
        "SupportedFeatureNames": Items("member", ()),
        "Status": "available",
        "SupportsGlobalDatabases": False,
        "TagList": tag_list({}),
    }


def orderable_option(installation: Installation, instance_class: str, region: str) -> dict[str, Any]:
    """The members of `OrderableDBInstanceOption`."""
    return {
        "Engine": ENGINE,
        "EngineVersion": installation.version,
        "DBInstanceClass": instance_class,
        "LicenseModel": LICENSE,
        "AvailabilityZones": Items("AvailabilityZone", [{"Name": f"{region}a"}]),
        "MultiAZCapable": False,
        "ReadReplicaCapable": False,
        "Vpc": True,
        "SupportsStorageEncryption": True,
        "StorageType": "gp2",
        "SupportsIops": False,
        "SupportsEnhancedMonitoring": False,
        "SupportsIAMDatabaseAuthentication": False,
        "SupportsPerformanceInsights": False,
        "MinStorageSize": 20,
        "MaxStorageSize": 65536,
        "OutpostCapable": False,
    }


def timestamp(moment: float) -> str:
    """Epoch seconds as RDS writes a time."""
    return datetime.fromtimestamp(moment, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
