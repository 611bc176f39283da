"""What a lab would have cost on AWS, line by line, from what it has used; pure.

A line is as on AWS's own bill: how much of a unit, at which price, makes which amount. What has no price in `pricing`
keeps its count and says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from labhelpers.pricing import FREE_GB_SECONDS, FREE_REQUESTS, MILLION, PRICES, REGION
from labhelpers.views.bill_invoices import Invoice
from labhelpers.views.bill_lines import Facts, Line, Service, service_lines
from labhelpers.views.bill_usage import Usage

FREE_TIER = (
    f"Before any free tier. Lambda's always free part is {FREE_REQUESTS:,} requests and "
    f"{FREE_GB_SECONDS:,.0f} GB-seconds a month; provisioned concurrency has none."
)
NOT_PRICED = "not priced here"


@dataclass(frozen=True, slots=True)
class BillData:
    """The bill, and what the owner of usage plans can charge with it in `month`.

    `missed` entries of the journal are not on it.
    """

    services: tuple[Service, ...]
    invoices: tuple[Invoice, ...] = ()
    month: str = ""
    missed: int = 0

    @property
    def dollars(self) -> float:
        """All that has a price."""
        return sum(service.dollars or 0.0 for service in self.services)

    def share(self, service: Service) -> str:
        """How much of the bill one service makes, in words; "" if it has no price."""
        if service.dollars is None or not self.dollars:
            return ""
        percent = 100 * service.dollars / self.dollars
        return "less than 0.1% of the bill" if percent < 0.1 else f"{percent:.1f}% of the bill"

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the whole."""
        lost = f"The journal has forgotten {self.missed:,} entries: what they used is missing."
        storage = "Without data transfer, and without storage other than databases'."
        return (FREE_TIER, storage, *([lost] if self.missed else []))

    @property
    def sources(self) -> tuple[str, ...]:
        """Where the prices on it come from, and when they were seen."""
        names = {line.price_name for service in self.services for line in service.lines} - {""}
        found = {(PRICES[name].page, PRICES[name].source, PRICES[name].seen) for name in names}
        return tuple(f"{source}, seen {seen}; today's price: {page}" for page, source, seen in sorted(found))

    def as_json(self) -> dict[str, Any]:
        """For the page: all as it is shown."""
        return {
            "total": money(self.dollars),
            "region": REGION,
            "services": [
                {
                    "name": each.name,
                    "amount": money(each.dollars),
                    "share": self.share(each),
                    "lines": [line_words(line) for line in each.lines],
                }
                for each in self.services
            ],
            "month": self.month,
            "invoices": [invoice_words(each) for each in self.invoices],
            "notes": list(self.notes),
            "sources": list(self.sources),
        }


def build_bill(
    usage: Usage, now: float, facts: Facts | None = None, invoices: Iterable[Invoice] = ()
) -> BillData:
    """The bill at `now`, a lab time in epoch seconds."""
    services = tuple(each for each in service_lines(usage, now, facts or Facts()) if each.lines)
    month = datetime.fromtimestamp(now, UTC).strftime("%B %Y")
    return BillData(services, tuple(invoices), month, usage.missed)


# --- How it is said ---


def money(dollars: float | None) -> str:
    """An amount with the digits that matter: cents from a dollar on, else three that are not 0."""
    if dollars is None:
        return "–"
    if dollars == 0:
        return "$0"
    if dollars >= 1:
        return f"${dollars:,.2f}"
    return f"${dollars:.{2 - math.floor(math.log10(dollars))}f}"


def quantity(number: float, unit: str) -> str:
    """So many of a unit, with the digits that matter."""
    if number == int(number):
        shown = f"{int(number):,}"
    elif number >= 100:
        shown = f"{number:,.1f}"
    else:
        shown = f"{number:.{max(0, 2 - math.floor(math.log10(number)))}f}"
    return f"{shown} {unit if number == 1 else _plural(unit)}"


def rate(name: str) -> str:
    """A price of the table as a bill tells it: `$0.20 per million requests`."""
    known = PRICES[name]
    per = (
        1
        if known.unit == "GB-second" or known.dollars > 1e-4
        else 1_000
        if name.startswith("s3.")
        else MILLION
    )
    dollars = round(known.dollars * per, 10)
    shown = f"{dollars:.2f}" if dollars == round(dollars, 2) else f"{dollars:.10f}".rstrip("0")
    many = {1: known.unit, 1_000: f"1,000 {_plural(known.unit)}", MILLION: f"million {_plural(known.unit)}"}
    return f"${shown} per {many[per]}"


def _plural(unit: str) -> str:
    """Of the noun that a unit begins with."""
    if unit == "GB":
        return unit
    noun, of, rest = unit.partition(" of ")
    return f"{noun}{'es' if noun.endswith('sh') else 's'}{of}{rest}"


def line_words(line: Line) -> dict[str, str]:
    """A line as the page, the text and the static form show it."""
    free = "free" if line.dollars == 0 and not line.price_name else NOT_PRICED
    return {
        "what": line.what,
        "used": quantity(line.quantity, line.unit),
        "rate": rate(line.price_name) if line.price_name else free,
        "amount": money(line.dollars),
        "note": line.note,
    }


def invoice_words(invoice: Invoice) -> dict[str, str]:
    """An invoice in the same way."""
    return {
        "customer": invoice.customer,
        "plan": invoice.plan,
        "keys": ", ".join(invoice.keys),
        "used": f"{invoice.used:,}",
        "terms": invoice.terms,
        "total": "–" if invoice.total is None else f"${invoice.total:,.2f}",
    }
