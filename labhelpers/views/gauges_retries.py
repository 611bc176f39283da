"""What waits for its next try, and how it ended: events, batches, messages, deliveries and schedules; pure.

Each source names its tries in its own way; `Retries` reads them all into `Retry`. Due times are on the lab's clock.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-retries.html
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from typing import Any

from labhelpers.views.gauges_clock import LabClock
from labhelpers.views.gauges_retry_list import Recent, Retry, RetryList, State

_MESSAGE = "message"

Entry = Mapping[str, Any]


class Retries(RetryList):
    """All of a lab. `add` takes the journal's entries in their order."""

    def __init__(self, clock: LabClock) -> None:
        super().__init__()
        self.dead_letters: Collection[str] = ()  # ARNs that functions have as their dead-letter queues.
        self._clock = clock
        # By request id: the number of an event's try, the messages of a batch, the batch that an invocation runs.
        self._tries: Recent[int] = Recent()
        self._messages: Recent[list[str]] = Recent()
        self._batches: Recent[str] = Recent()
        self._read: dict[str, Callable[[Entry], bool]] = {
            "invoke.attempt": self._attempt,
            "invoke.retry_in": self._event_waits,
            "invoke.ended": self._ended_call,
            "invoke.dropped": self._event_dropped,
            "invoke.delivered": self._event_told,
            "sqs.poll": self._messages_taken,
            "sqs.batch": self._messages_done,
            "sqs.dead_letter": self._message_dead,
            "mapping.deleted": self._mapping_gone,
            "failure": self._failure,
        }
        for service in ("kinesis", "dynamodb"):
            self._read |= {
                f"{service}.poll": self._batch_taken,
                f"{service}.retry_in": self._batch_waits,
                f"{service}.bisect": self._batch_split,
                f"{service}.window_lost": self._window_lost,
                f"{service}.destination": self._batch_told,
            }
        for service in ("events", "scheduler"):
            self._read |= {
                f"{service}.retry_in": self._delivery_waits,
                f"{service}.notification": self._delivered,
                f"{service}.dead_letter": self._delivery_dead,
            }

    def add(self, entry: Entry) -> bool:
        """Take an entry; whether there is anything new to see."""
        read = self._read.get(entry["kind"])
        return read is not None and read(entry)

    def _due(self, entry: Entry) -> float:
        return self._clock.lab_time(float(entry["at"])) + float(entry["detail"]["seconds"])

    # --- Asynchronous events ---

    def _attempt(self, entry: Entry) -> bool:
        id_, number = entry["request_id"], int(entry["detail"]["n"])
        self._tries.put(id_, number)
        return id_ in self._waiting and self.change(id_, State.RUNNING, due=None, tries=number)

    def _event(self, entry: Entry) -> Retry:
        id_ = entry["request_id"]
        name = name_of(entry["resource"])
        return self.find(id_) or Retry(id_, "asynchronous event", id_[:8], name, self._tries.get(id_, 1))

    def _event_waits(self, entry: Entry) -> bool:
        reason = str(entry["detail"]["reason"])
        return self.put(replace(self._event(entry), state=State.WAITING, due=self._due(entry), reason=reason))

    def _ended_call(self, entry: Entry) -> bool:
        if entry["detail"]["status"] != "success":
            return False
        id_ = self._batches.get(entry["request_id"], entry["request_id"])
        known = self._waiting.get(id_)
        if known is None or known.state is not State.RUNNING or known.source == _MESSAGE:
            return False
        return self.change(id_, State.SUCCEEDED, end=_succeeded(known.tries))

    def _event_dropped(self, entry: Entry) -> bool:
        tries, condition = int(entry["detail"]["attempts"]), entry["detail"]["condition"]
        end = f"dropped after {_tries(tries)} ({condition})"
        return self.put(replace(self._event(entry), state=State.DROPPED, due=None, tries=tries, end=end))

    def _event_told(self, entry: Entry) -> bool:
        known = self.find(entry["request_id"])
        target = str(entry["detail"]["destination"])
        if known is None or not known.state.is_end:
            return False
        dead = target in self.dead_letters
        state = known.state
        if state is State.DROPPED:
            state = State.DEAD_LETTER if dead else State.DESTINATION
        what = "the event is in dead-letter queue" if dead else "the record is at destination"
        return self.put(replace(known, state=state, end=f"{known.end}; {what} {name_of(target)}"))

    # --- Batches of streams ---

    def _batch_taken(self, entry: Entry) -> bool:
        """An invocation begins; it may be the next try of a batch that waits, which has come due first."""
        detail = entry["detail"]
        waits = [
            retry
            for retry in self._waiting.values()
            if retry.state is State.WAITING and retry.id.startswith(_lane(detail))
        ]
        if not waits:
            return False
        size = f"of {detail['batch_size']} "
        next_ = min(waits, key=lambda retry: (not retry.what.startswith(size), retry.due or 0.0))
        self._batches.put(entry["request_id"], next_.id)
        return self.change(next_.id, State.RUNNING, due=None, tries=next_.tries + 1)

    def _batch(self, entry: Entry) -> Retry:
        detail = entry["detail"]
        id_ = self._batches.get(entry["request_id"], "")
        known = self.find(id_) if id_ else None
        if known is None:
            id_ = f"{_lane(detail)}{entry['request_id']}"
            self._batches.put(entry["request_id"], id_)
        number = int(detail.get("batch_size") or 0)
        what = f"of {number} record{'' if number == 1 else 's'} from {name_of(entry['resource'])}"
        if known is not None:
            return replace(known, what=what) if number else known
        return Retry(id_, "batch", what, name_of(str(detail["function"])), 1)

    def _batch_waits(self, entry: Entry) -> bool:
        reason = str(entry["detail"]["reason"])
        return self.put(
            replace(self._batch(entry), state=State.WAITING, due=self._due(entry), reason=reason, end="")
        )

    def _batch_split(self, entry: Entry) -> bool:
        reason = str(entry["detail"]["reason"])
        end = "split in two halves, which are tried by themselves"
        return self.put(replace(self._batch(entry), state=State.SPLIT, due=None, reason=reason, end=end))

    def _window_lost(self, entry: Entry) -> bool:
        end = "dropped: the window's last call failed"
        return self.put(replace(self._batch(entry), state=State.DROPPED, due=None, end=end))

    def _batch_told(self, entry: Entry) -> bool:
        known = self.find(self._batches.get(entry["request_id"], ""))
        if known is None:
            return False
        target = name_of(str(entry["detail"]["destination"]))
        end = f"{known.end}; the record is at destination {target}"
        return self.put(replace(known, state=State.DESTINATION, end=end))

    # --- Messages of queues ---

    def _messages_taken(self, entry: Entry) -> bool:
        messages = list(entry["detail"].get("messages") or ())
        self._messages.put(entry["request_id"], messages)
        known = [retry for message in messages if (retry := self._waiting.get(f"sqs {message}"))]
        for retry in known:
            self.put(replace(retry, state=State.RUNNING, due=None, tries=retry.tries + 1))
        return bool(known)

    def _messages_done(self, entry: Entry) -> bool:
        detail = entry["detail"]
        taken = self._messages.pop(entry["request_id"], [])
        back = list(detail.get("returned_messages") or ())
        for message in back:
            known = self.find(f"sqs {message}") or Retry(
                f"sqs {message}",
                _MESSAGE,
                f"{message[:8]} in queue {name_of(entry['resource'])}",
                name_of(str(detail["destination"])),
                1,
            )
            due, reason = float(detail["visible_at"]), str(detail["reason"])
            self.put(replace(known, state=State.WAITING, due=due, reason=reason))
        done = [message for message in taken if message not in back and f"sqs {message}" in self._waiting]
        if int(detail["returned"]) <= len(back):  # Else some went back that the entry does not name.
            for message in done:
                tries = self._waiting[f"sqs {message}"].tries
                self.change(f"sqs {message}", State.SUCCEEDED, due=None, end=_succeeded(tries))
        return bool(back or done)

    def _message_dead(self, entry: Entry) -> bool:
        target = name_of(str(entry["detail"]["destination"]))
        end = f"moved to dead-letter queue {target}"
        id_ = f"sqs {entry['detail']['message_id']}"
        known = self.find(id_)
        if known is not None:
            end = f"{end} after {_tries(known.tries)}"
        return self.change(id_, State.DEAD_LETTER, due=None, end=end)

    def _mapping_gone(self, entry: Entry) -> bool:
        """Nobody reads the source any more: its messages stay in their queue, its batches are gone."""
        detail, queue = entry["detail"], f" in queue {name_of(entry['resource'])}"
        target = name_of(str(detail["destination"]))
        left = [
            retry
            for retry in self._waiting.values()
            if retry.id.startswith(f"{detail['uuid']} ")
            or (retry.source == _MESSAGE and retry.target == target and retry.what.endswith(queue))
        ]
        for retry in left:
            stays = "left in the queue" if retry.source == _MESSAGE else "given up"
            end = f"{stays} after {_tries(retry.tries)}: the mapping was deleted"
            self.put(replace(retry, state=State.DROPPED, due=None, end=end))
        return bool(left)

    # --- EventBridge's rules and schedules ---

    @staticmethod
    def _delivery(entry: Entry) -> Retry:
        """A delivery as it is at its first try."""
        detail = entry["detail"]
        target = name_of(str(detail["destination"]))
        if "execution" in detail:
            id_, name = str(detail["execution"]), name_of(entry["resource"])
            return Retry(id_, "run", f"{id_[:8]} of schedule {name}", target, 1)
        id_ = f"{detail['event']} {detail['rule']} {detail['destination']}"
        rule = name_of(str(detail["rule"]))
        return Retry(id_, "event", f"{detail['event'][:8]} by rule {rule}", target, 1)

    def _next_delivery(self, entry: Entry) -> Retry:
        """A delivery at the try that this entry tells of: nothing tells when that began."""
        made = self._delivery(entry)
        known = self.find(made.id)
        return replace(known, tries=known.tries + 1, due=None) if known else made

    def _delivery_waits(self, entry: Entry) -> bool:
        reason = str(entry["detail"]["reason"])
        made = self._next_delivery(entry)
        return self.put(replace(made, state=State.WAITING, due=self._due(entry), reason=reason))

    def _delivered(self, entry: Entry) -> bool:
        made = self._next_delivery(entry)
        if made.tries == 1:
            return False  # It was never tried again.
        return self.put(replace(made, state=State.SUCCEEDED, end=_succeeded(made.tries)))

    def _delivery_dead(self, entry: Entry) -> bool:
        made = self._next_delivery(entry)
        queue = name_of(str(entry["detail"]["queue"]))
        end = f"in dead-letter queue {queue} after {_tries(made.tries)}"
        reason = str(entry["detail"].get("code") or made.reason)
        return self.put(replace(made, state=State.DEAD_LETTER, reason=reason, end=end))

    # --- What nobody takes ---

    def _failure(self, entry: Entry) -> bool:
        """A batch that is given up, or a delivery that has no dead-letter queue; other failures are not tried again."""
        detail = entry["detail"]
        if "shard" in detail and "condition" in detail:
            end = f"given up after {_tries(int(detail['attempts']))} ({detail['condition']})"
            return self.put(replace(self._batch(entry), state=State.DROPPED, due=None, end=end))
        if "destination" not in detail or not ({"rule", "event"} <= set(detail) or "execution" in detail):
            return False
        made = self._next_delivery(entry)
        return self.put(replace(made, state=State.DROPPED, end=f"dropped after {_tries(made.tries)}"))


def _lane(detail: Mapping[str, Any]) -> str:
    return f"{detail['mapping']} {detail['shard']} "


def _tries(number: int) -> str:
    return "1 try" if number == 1 else f"{number} tries"


def _succeeded(tries: int) -> str:
    return f"succeeded at try {tries}"


def name_of(arn: str) -> str:
    """What a person calls the thing that an ARN names."""
    if ":dynamodb:" in arn:
        return arn.split("/")[1]
    if ":lambda:" in arn:
        return ":".join(arn.split(":")[6:])
    return arn.rpartition(":")[2].rpartition("/")[2]
