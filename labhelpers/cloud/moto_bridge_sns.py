"""SNS in moto: reads its topics and subscriptions for deliveries, which moto itself must never make.

Runs on moto's thread only. What moto would refuse or do otherwise than AWS is decided before by `sns_service`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from labhelpers.model import Account
from labhelpers.triggers.sns import Subscription


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with its subscriptions. `by_content`: ContentBasedDeduplication."""

    arn: str
    fifo: bool
    by_content: bool
    subscriptions: list[Subscription]


class SnsState:
    """moto's topics of one account."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._backends: Any = None

    def load(self) -> None:
        """Import moto's SNS and take from it what is done elsewhere: deliveries and the reading of filter policies."""
        if self._backends is None:
            models: Any = import_module("moto.sns.models")
            models.Subscription.publish = _never
            models.SNSBackend._validate_filter_policy = lambda *_, **__: None
            # moto never counts them. (The spelling is moto's.)
            models.Topic.subscriptions_confimed = property(_confirmed, lambda *_: None)
            self._backends = models.sns_backends

    def topic(self, arn: str) -> Topic | None:
        """A topic as it is now; None if there is none of that ARN."""
        backend = self._backend()
        topic = backend.topics.get(arn)
        if topic is None:
            return None
        found = [_read(each) for each in backend.subscriptions.values() if each.topic is topic]
        return Topic(arn, bool(topic.fifo_topic), bool(topic.content_based_deduplication), found)

    def attributes(self, subscription_arn: str) -> dict[str, Any] | None:
        """The attributes of a subscription; None if there is none of that ARN."""
        found = self._backend().subscriptions.get(subscription_arn)
        return None if found is None else dict(found.attributes)

    def find(self, topic_arn: str, protocol: str, endpoint: str) -> dict[str, Any] | None:
        """The attributes of the subscription of that endpoint to that topic."""
        for each in self._backend().subscriptions.values():
            if (each.topic.arn, each.protocol, each.endpoint) == (topic_arn, protocol, endpoint):
                return dict(each.attributes)
        return None

    def set_principal(self, subscription_arn: str, principal: str) -> None:
        """Note who made a subscription, which moto does not keep."""
        found = self._backend().subscriptions.get(subscription_arn)
        if found is not None:
            found.attributes.setdefault("SubscriptionPrincipal", principal)

    def _backend(self) -> Any:
        self.load()
        return self._backends[self._account.id][self._account.region]


def _read(subscription: Any) -> Subscription:
    attributes = subscription.attributes
    redrive = attributes.get("RedrivePolicy")
    return Subscription(
        subscription.arn,
        subscription.protocol,
        subscription.endpoint,
        _is_true(attributes.get("RawMessageDelivery")),
        attributes.get("FilterPolicy") or "",
        attributes.get("FilterPolicyScope") or "MessageAttributes",
        str(json.loads(redrive).get("deadLetterTargetArn", "")) if redrive else "",
    )


def _confirmed(topic: Any) -> str:
    return str(sum(1 for each in topic.sns_backend.subscriptions.values() if each.topic is topic))


def _is_true(value: Any) -> bool:
    return str(value).lower() == "true"


def _never(*_: Any, **__: Any) -> None:
    raise AssertionError("moto does not deliver SNS messages in this lab")
