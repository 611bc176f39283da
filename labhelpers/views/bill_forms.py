"""The bill in words, and as a table for a page without a kernel; pure."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from labhelpers.pricing import REGION
from labhelpers.views.bill_data import BillData, invoice_words, line_words, money

_CELL = "text-align: left; vertical-align: top"
_NUMBER = "text-align: right; vertical-align: top"


def bill_text(data: BillData) -> str:
    """The bill and the invoices as plain text."""
    found = [f"What this lab would have cost in {REGION}: {money(data.dollars)}"]
    for service in data.services:
        share = f", {found_share}" if (found_share := data.share(service)) else ""
        found.append(f"{service.name}: {money(service.dollars)}{share}")
        for words in map(line_words, service.lines):
            note = f" ({words['note']})" if words["note"] else ""
            amount = "" if words["amount"] == "–" else f" = {words['amount']}"
            found.append(f"  {words['what']}: {words['used']}, {words['rate']}{amount}{note}")
    if data.invoices:
        found.append(f"Usage plans in {data.month}:")
    found += [
        f"  {words['customer']}, plan {words['plan']}, keys {words['keys']}: "
        f"{words['used']} requests, {words['terms']} = {words['total']}"
        for words in map(invoice_words, data.invoices)
    ]
    return "\n".join([*found, *data.notes, *data.sources])


def bill_html(data: BillData) -> str:
    """The same as tables; all text is escaped."""
    parts = [f"<h3>What this lab would have cost in {REGION}: {money(data.dollars)}</h3>"]
    rows = []
    for service in data.services:
        rows.append(_row((service.name, "", data.share(service), money(service.dollars)), head=True))
        for words in map(line_words, service.lines):
            note = f" ({words['note']})" if words["note"] else ""
            rows.append(_row((words["what"] + note, words["used"], words["rate"], words["amount"])))
    parts.append(_table(("Service", "Used", "Price", "Amount"), rows))
    if data.invoices:
        columns = ("customer", "plan", "keys", "used", "terms", "total")
        made = [[words[name] for name in columns] for words in map(invoice_words, data.invoices)]
        parts.append(f"<h3>Usage plans in {html.escape(data.month)}</h3>")
        parts.append(_table([name.capitalize() for name in columns], [_row(cells) for cells in made]))
    parts += [f"<p>{html.escape(line)}</p>" for line in (*data.notes, *data.sources)]
    return "\n".join(parts)


def _table(heads: Sequence[str], rows: Iterable[str]) -> str:
    cells = "".join(f'<th scope="col" style="{_CELL}">{html.escape(head)}</th>' for head in heads)
    return f"<table><thead><tr>{cells}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _row(cells: Sequence[str], *, head: bool = False) -> str:
    first = f'<th scope="{"rowgroup" if head else "row"}" style="{_CELL}">{html.escape(cells[0])}</th>'
    between = "".join(f'<td style="{_CELL}">{html.escape(cell)}</td>' for cell in cells[1:-1])
    return f'<tr>{first}{between}<td style="{_NUMBER}">{html.escape(cells[-1])}</td></tr>'
