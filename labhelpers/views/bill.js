// A bill as a table. All words come from the kernel; a row keeps its place, so that only what is new changes.

const HEADS = ["Service", "Used", "Price", "Amount"];
const INVOICE_HEADS = ["Customer", "Plan", "Keys", "Requests", "Price", "Invoice"];

function render({ model, el }) {
  const { root, stop } = frame(model, el, "What this lab would have cost", "lv-bill");
  const total = element("p", { class: "lv-amount" });
  const where = element("p", { class: "lv-note" });
  const lines = table("What this lab would have cost, by service", HEADS, "lv-lines");
  const invoices = table("Invoices of the usage plans", INVOICE_HEADS);
  const month = element("h3");
  const notes = element("div", { class: "lv-note" });
  const list = element("ul");
  const spoken = announcer(5000);
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "What this lab would have cost")),
    element("div", { class: "lv-total" }, total, where),
    lines.node,
    month,
    invoices.node,
    notes,
    element("details", { class: "lv-note" }, element("summary", {}, "Where these prices come from"), list),
    spoken.node,
  );

  const update = () => {
    const data = model.get("data");
    setText(total, data.total);
    const state = model.get("state") === "ended" ? "; the lab has ended" : "";
    setText(where, `so far, in ${data.region}, before any free tier${state}`);
    lines.fill(
      data.services.flatMap((service) => [
        { name: service.name, cells: [service.name, "", service.share, service.amount], group: true },
        ...service.lines.map((line) => ({
          name: `${service.name} ${line.what}`,
          cells: [line.what, line.used, line.rate, line.amount],
          note: line.note,
        })),
      ]),
    );
    if (data.services.length === 0) lines.fill([{ name: "", cells: ["Nothing was used yet", "", "", "$0"] }]);
    month.hidden = invoices.node.hidden = data.invoices.length === 0;
    setText(month, `Usage plans in ${data.month}`);
    invoices.fill(
      data.invoices.map((each) => ({
        name: `${each.customer} ${each.plan}`,
        cells: [each.customer, each.plan, each.keys, each.used, each.terms, each.total],
      })),
    );
    fillList(notes, data.notes, "p");
    fillList(list, data.sources, "li");
    spoken.tell(`The bill is ${data.total}.`);
  };
  const stops = [stop, spoken.stop, listen(model, "change:data change:state", update)];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

// A table that scrolls by itself where the page is narrow; `fill` takes rows of cells, the first is the row's head.
function table(caption, heads, className = false) {
  const body = element("tbody");
  const head = element("tr", {}, ...heads.map((name) => element("th", { scope: "col" }, name)));
  const made = element("table", { class: className }, element("caption", { class: "lv-unseen" }, caption), element("thead", {}, head), body);
  const node = element("div", { class: "lv-scroll", tabindex: "0", role: "region", "aria-label": caption }, made);
  let rows = [];
  const fill = (wanted) => {
    if (rows.length !== wanted.length || rows.some((row, index) => row.name !== wanted[index].name)) {
      rows = wanted.map(makeRow);
      body.replaceChildren(...rows.map((row) => row.node));
    }
    wanted.forEach(({ cells, note }, index) => {
      cells.forEach((text, column) => setText(rows[index].cells[column], text));
      setText(rows[index].note, note ?? "");
    });
  };
  return { node, fill };
}

function makeRow({ name, cells, group }) {
  const texts = cells.map(() => element("span"));
  const note = element("span", { class: "lv-note" });
  const made = texts.map((text, column) =>
    column === 0
      ? element("th", { scope: "row" }, text, note)
      : element("td", { class: column === cells.length - 1 ? "lv-number" : false }, text),
  );
  return { name, cells: texts, note, node: element("tr", { class: group ? "lv-group" : false }, ...made) };
}

function fillList(node, texts, tag) {
  while (node.children.length > texts.length) node.lastChild.remove();
  while (node.children.length < texts.length) node.append(element(tag));
  texts.forEach((text, index) => setText(node.children[index], text));
}

export default { render };
