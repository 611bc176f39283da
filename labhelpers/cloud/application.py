"""The composition root: builds every part of the cloud in order, starts them, and closes them in reverse.

The only place that knows all parts. Called by the cloud process; tests make one in their own process.
"""

from __future__ import annotations

import asyncio
import sys
import traceback
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from labhelpers import limits
from labhelpers.clock import Clock
from labhelpers.cloud.authentication import Authenticator
from labhelpers.cloud.certificates import Certificates
from labhelpers.cloud.credentials import Keys
from labhelpers.cloud.delivery import Delivery
from labhelpers.cloud.events_service import EventsService
from labhelpers.cloud.front_door import ADDRESS, FrontDoor, Handle
from labhelpers.cloud.gateways import Gateways
from labhelpers.cloud.journal_stream import LabPages
from labhelpers.cloud.lambda_service import LambdaService
from labhelpers.cloud.lambda_service_control import ControlPlane
from labhelpers.cloud.moto_bridge import MotoBridge
from labhelpers.cloud.permissions import Permissions
from labhelpers.cloud.permissions_callers import Callers
from labhelpers.cloud.permissions_resources import Resources
from labhelpers.cloud.rds_service import DatabaseService
from labhelpers.cloud.scheduler_service import SchedulerService
from labhelpers.cloud.sns_service import SnsService
from labhelpers.cloud.sns_signing import MessageSigner
from labhelpers.cloud.xray_service import XRayService, open_daemon
from labhelpers.database.instances import Databases
from labhelpers.functions import languages
from labhelpers.functions.asynchronous import AsyncInvoker
from labhelpers.functions.call import Surroundings
from labhelpers.functions.destinations import Sender
from labhelpers.functions.event_source_mappings import EventSourceMappings
from labhelpers.functions.execution_roles import everything_allowed, may_send
from labhelpers.functions.function_metrics import FunctionMetrics
from labhelpers.functions.invoke import Invoker
from labhelpers.functions.languages import CA_BUNDLE
from labhelpers.functions.opt_folders import OptFolders
from labhelpers.functions.package import PackageStore
from labhelpers.functions.pool import Pool
from labhelpers.functions.provisioned import Provisioner
from labhelpers.functions.python_packages import make_runtime_folder
from labhelpers.functions.registry import FunctionRegistry
from labhelpers.gateway.identity import everybody_may
from labhelpers.journal import Journal
from labhelpers.metrics import MetricSums
from labhelpers.model import Account
from labhelpers.processes.spawner import Spawner
from labhelpers.triggers import sqs
from labhelpers.triggers.event_bus import NAMESPACE as EVENTS_NAMESPACE
from labhelpers.triggers.event_bus import EventBus
from labhelpers.triggers.log_subscription import LogSubscriptions
from labhelpers.triggers.mappings import MappingManager
from labhelpers.triggers.rule_schedules import RuleSchedules
from labhelpers.triggers.s3 import S3Trigger
from labhelpers.triggers.scheduler import Scheduler
from labhelpers.triggers.scheduler_settings import ScheduleStore
from labhelpers.triggers.sns import SnsTrigger
from labhelpers.triggers.streams import StreamPollers
from labhelpers.triggers.streams_delivery import StreamSurroundings
from labhelpers.triggers.watched_poller import RoleWatch

# moto computes on a thread beside the event loop: it has to give way sooner than Python's 5 ms.
_SWITCH_INTERVAL_S = 0.0005


class Application:
    """A running cloud: `async with Application(folder) as cloud`. `folder` is the lab's own, and must exist.

    `port` 0 picks a free one. `clock_speed` is how many times faster than real the lab's clock runs (1 to 3,600).
    With `iam` the policies of roles and users decide what they may do. `concurrency` is the account's limit of calls
    at once.
    """

    def __init__(
        self,
        folder: Path,
        *,
        port: int = 0,
        clock_speed: float = 1.0,
        iam: bool = False,
        concurrency: int = limits.CONCURRENT_EXECUTIONS,
        account: Account | None = None,
    ) -> None:
        self.account = account or Account()
        self.journal = Journal()
        self.clock = Clock(clock_speed)
        self.keys = Keys(self.account)
        self.endpoint_url = ""
        self.ca_bundle = ""
        self._folder = folder
        self._port = port
        self._concurrency = concurrency
        self._iam = iam
        self.permissions: Permissions | None = None
        self._handlers: dict[str, Handle] = {}
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Application:
        sys.setswitchinterval(_SWITCH_INTERVAL_S)
        asyncio.get_running_loop().set_exception_handler(self._note_failure)
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        self.journal.append(
            "lab.started", endpoint_url=self.endpoint_url, now=self.clock.now(), speed=self.clock.speed
        )
        return self

    def _note_failure(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        """What fails in the loop, and nobody waits for."""
        error = context.get("exception")
        trace = "".join(traceback.format_exception(error)) if error is not None else ""
        self.journal.failure(f"{context['message']}: {error!r}", traceback=trace)

    async def __aexit__(self, *exc: object) -> None:
        await self._stack.aclose()

    async def _start(self, stack: AsyncExitStack) -> None:
        runtime = languages.RuntimeFolders(
            self._folder / "runtime", make_runtime_folder(self._folder / "runtime")
        )
        certificates = Certificates(runtime.packages / CA_BUNDLE)
        self.ca_bundle = str(certificates.bundle)
        spawner = Spawner(self._folder, runtime.packages)
        stack.push_async_callback(spawner.close)
        await spawner.start()
        self.bridge = MotoBridge(self.account, self.keys, self.journal, self.clock)
        stack.push_async_callback(self.bridge.close)
        metrics = FunctionMetrics(self.bridge.put_metrics, self.clock.now)
        self.bridge.before_metrics.append(metrics.flush)
        packages = PackageStore(self._folder / "packages", journal=self.journal)
        self.registry = FunctionRegistry(
            packages, account=self.account, journal=self.journal, concurrency=self._concurrency
        )
        self.permissions = await self._make_permissions() if self._iam else None
        allows = self.permissions.role_allows if self.permissions else everything_allowed
        self._xray = XRayService(self.journal, self.account)
        daemon, xray_address = await open_daemon(self._xray, self.journal)
        stack.callback(daemon.close)
        surroundings = Surroundings(
            spawner=spawner,
            journal=self.journal,
            log_sink=self.bridge.write_logs,
            allows=allows,
            log_group_exists=self.bridge.log_group_exists,
            credentials=self.keys,
            endpoint_url=lambda: self.endpoint_url,
            region=self.account.region,
            folders=runtime,
            opt_folder=OptFolders(self._folder / "opt").of,
            xray_daemon=lambda: xray_address,
            metrics=metrics,
        )
        pool = Pool(surroundings, self.clock)
        stack.push_async_callback(pool.close)
        self.registry.on_change.append(
            lambda arn: pool.retire(arn, self.registry.revisions(arn.split(":")[6]))
        )
        provisioner = Provisioner(self.registry, pool, self.journal)
        self.registry.on_change.append(provisioner.function_changed)
        metrics.set_apart = self.registry.total_reserved
        self.registry.on_provisioned_change.append(provisioner.setting_changed)
        invoker = Invoker(self.registry, pool, self.journal, metrics)
        packages.in_use, invoker.on_version_over = invoker.runs_from, packages.sweep
        deliver = Delivery(self.bridge, self.account)
        asynchronous = AsyncInvoker(
            invoker, self.registry, self.journal, self.clock, deliver, metrics=metrics
        )
        stack.push_async_callback(asynchronous.close)
        self.registry.on_change.append(asynchronous.function_changed)
        self._events_service = self._connect_event_bus(stack, asynchronous, deliver)
        trigger = self._connect_s3(asynchronous, deliver)
        stack.push_async_callback(trigger.close)
        self.mappings = EventSourceMappings(self.account, self.journal, self.clock.now)
        self.mappings.authorize = allows
        manager = self._connect_mappings(invoker, deliver, metrics)
        stack.push_async_callback(manager.close)
        if self.permissions is not None:
            self._watch_roles(stack, self.permissions, manager, asynchronous)
        topics = self._connect_sns(asynchronous, deliver)
        logs = LogSubscriptions(self.registry, asynchronous.submit, self.journal, self.account)
        self.bridge.check_log_subscription, self.bridge.on_logs = logs.check, logs.deliver
        stack.push_async_callback(topics.close)
        schedules = ScheduleStore(self.account, self.clock.now)
        scheduler = Scheduler(schedules, asynchronous.submit, deliver, self.journal, self.clock, self.account)
        stack.push_async_callback(scheduler.close)
        scheduler.allows = allows
        self._scheduler_service = SchedulerService(schedules, self.account, self.bridge.role_trusts)
        databases = Databases(
            self._folder / "databases",
            spawner,
            self.journal,
            self.account.id,
            write_logs=self.bridge.write_logs,
        )
        stack.push_async_callback(databases.close)
        control = ControlPlane(
            self.registry,
            packages,
            self.bridge.object_bytes,
            runnable=languages.check_runnable,
            check_role=self.bridge.check_function_role,
            allows=allows,
            progress=provisioner.progress,
            runtime_arn=lambda runtime: languages.runtime_version(runtime)[1],
            mappings=self.mappings,
        )
        functions = LambdaService(control, invoker, asynchronous)
        authenticator = Authenticator(self.keys, self.account.region)
        gateways = Gateways(
            self.account,
            self.journal,
            self.clock,
            self.bridge,
            self.registry,
            invoker,
            authenticator,
            lambda: self.endpoint_url,
            certificates,
            self.keys,
            self.permissions.may_call if self.permissions else everybody_may,
        )
        stack.push_async_callback(gateways.close)
        await self._open_door(
            stack, authenticator, functions, DatabaseService(databases), gateways, certificates
        )

    def _connect_mappings(
        self, invoker: Invoker, deliver: Delivery, metrics: FunctionMetrics
    ) -> MappingManager:
        manager = MappingManager(self.mappings, self.registry, self.journal)
        self.registry.on_change.append(manager.function_changed)
        queues = sqs.Surroundings(self.bridge.queues, invoker.invoke, self.mappings, self.journal, self.clock)
        manager.factories["sqs"], self.mappings.source_checks["sqs"] = queues.poller, queues.check
        streams = StreamPollers(
            self.bridge.streams.find,
            StreamSurroundings(
                invoker.invoke,
                Sender(deliver, self.journal, self.clock),
                self.mappings,
                self.journal,
                self.clock,
                role_of=lambda function: self.registry.resolve(function).version.role,
                records_read=metrics.records_read,
            ),
        )
        for service in ("kinesis", "dynamodb"):
            manager.factories[service], self.mappings.source_checks[service] = streams.make, streams.check
        return manager

    def _connect_event_bus(
        self, stack: AsyncExitStack, asynchronous: AsyncInvoker, deliver: Delivery
    ) -> EventsService:
        metrics = MetricSums(EVENTS_NAMESPACE, self.bridge.put_metrics, self.clock.now)
        self.bridge.before_metrics.append(metrics.flush)
        self.event_bus = EventBus(
            self.registry, asynchronous.submit, deliver, self.journal, self.clock, self.account, metrics
        )
        stack.push_async_callback(self.event_bus.close)
        service = EventsService(self.bridge, self.event_bus, self.account, self.clock)
        self.event_bus.archive, deliver.put_event = service.archive, service.put_by_aws
        rule_schedules = RuleSchedules(self.event_bus, self.journal, self.clock, self.account)
        stack.push_async_callback(rule_schedules.close)
        return service

    async def _make_permissions(self) -> Permissions:
        callers = Callers(
            self.account,
            self.keys,
            await self.bridge.ready_policies(),
            self.bridge.unique_id,
            lambda name: self.registry.arn(name) if self.registry.find(name) else "",
        )
        resources = Resources(
            self.account, self.registry, lambda name: self._handlers.get(name, self.bridge.handle)
        )
        return Permissions(self.account, callers, resources, self.journal, self.clock)

    def _watch_roles(
        self,
        stack: AsyncExitStack,
        permissions: Permissions,
        manager: MappingManager,
        asynchronous: AsyncInvoker,
    ) -> None:
        """Have polls and deliveries ask the execution role."""
        watch = RoleWatch(permissions.role_allows, self.registry, self.mappings, self.journal)
        stack.push_async_callback(watch.close)
        manager.wrap = watch.wrap
        permissions.on_change.append(watch.look)
        self.registry.on_change.append(lambda _: watch.look())
        asynchronous.may_send = lambda arn, target: may_send(
            permissions.role_allows, self.registry.resolve(arn).version.role, target
        )

    def _connect_s3(self, asynchronous: AsyncInvoker, deliver: Delivery) -> S3Trigger:
        trigger = S3Trigger(
            self.registry,
            asynchronous.submit,
            self.bridge.s3_notifications,
            self.journal,
            self.clock,
            self.account,
            deliver=deliver,
        )
        self.bridge.on_s3_event = trigger.on_object_event
        self.bridge.validate_notifications = trigger.validate_notifications
        return trigger

    def _connect_sns(self, asynchronous: AsyncInvoker, deliver: Delivery) -> SnsTrigger:
        self._signer = MessageSigner(lambda: self.endpoint_url)
        service = SnsService(
            self.bridge.sns, self.bridge.run, self.bridge.ask_moto, self._signer, self.clock, self.account
        )
        trigger = SnsTrigger(
            self.registry,
            asynchronous.submit,
            deliver.to_queue,
            self._signer,
            self.journal,
            self.clock,
            lambda: self.endpoint_url,
        )
        service.deliver = trigger.deliver
        self.bridge.on_sns = service.handle
        return trigger

    async def _open_door(
        self,
        stack: AsyncExitStack,
        authenticator: Authenticator,
        functions: LambdaService,
        databases: DatabaseService,
        gateways: Gateways,
        certificates: Certificates,
    ) -> None:
        pages = LabPages(self.keys, authenticator, self.journal, self.clock)
        pages.packages = functions.code
        pages.certificate = self._signer.certificate
        handlers = {
            "lambda": functions.handle,
            "rds": databases.handle,
            "scheduler": self._scheduler_service.handle,
            "events": self._events_service.handle,
            "xray": self._xray.handle,
            **gateways.services,
        }
        gateways.aws_services.update(handlers)
        gateways.aws_calls.guard = self.permissions.answer if self.permissions else None
        self._handlers.update(handlers)
        door = FrontDoor(
            authenticator,
            self.bridge.handle,
            handlers,
            pages,
            self.journal,
            region=self.account.region,
            data_plane=gateways.data_plane,
            guard=self.permissions.answer if self.permissions else None,
            tls=certificates.context,
        )
        stack.push_async_callback(door.close)
        port = await door.start(self._port)
        self.endpoint_url = f"http://{ADDRESS}:{port}"
