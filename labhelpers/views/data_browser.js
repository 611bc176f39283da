// Sources on the left, rows of the chosen one on the right, the whole of one row below.

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Data of the lab", "lv-data");
  const choice = element("select", { "aria-label": "What to look into" });
  const receive = element("button", { type: "button" }, "Receive up to ten messages");
  const head = element("div", { class: "lv-head" }, element("h3", {}, "Data"), choice, receive);
  const note = element("p", { class: "lv-note", role: "status" });
  const table = element("table");
  const pane = element("div", { class: "lv-pane", tabindex: "0", role: "region", "aria-label": "Rows" }, table);
  const detail = element("pre", { tabindex: "0", "aria-label": "The whole row", hidden: true });
  root.append(head, note, pane, detail);

  choice.addEventListener("change", () => {
    model.set("selected", choice.value);
    model.save_changes();
  });
  receive.addEventListener("click", () => model.send({ receive: true }));

  const update = () => {
    const sources = model.get("sources");
    const wanted = sources.map((source) => source.id);
    if (wanted.join("\n") !== [...choice.options].map((option) => option.value).join("\n")) {
      choice.replaceChildren(
        ...sources.map((source) => element("option", { value: source.id }, `${source.kind} ${source.name}`)),
      );
    }
    if (choice.value !== model.get("selected")) choice.value = model.get("selected");
    const listing = model.get("listing");
    const end = model.get("state") === "ended" ? " The lab has ended." : "";
    setText(note, wanted.length ? `${listing.note ?? ""}${end}` : `Nothing holds data now.${end}`);
    receive.hidden = !listing.receives;
    pane.hidden = !(listing.columns ?? []).length;
    if (!pane.hidden) drawTable(table, listing, (row) => model.send({ row }));
    detail.hidden = !model.get("detail");
    setText(detail, model.get("detail"));
  };
  const stops = [
    stop,
    listen(model, "change:sources change:selected change:listing change:detail change:state", update),
  ];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

function drawTable(table, listing, open) {
  const focused = [...table.querySelectorAll("button")].indexOf(document.activeElement);
  const head = element("tr", {}, ...listing.columns.map((name) => element("th", { scope: "col" }, name)));
  const rows = listing.rows.map((row, index) => {
    const cells = row.map((text, column) => {
      if (column || !listing.opens) return element("td", {}, text);
      const button = element("button", { type: "button", class: "lv-open", "aria-label": `Open ${text}` }, text);
      button.addEventListener("click", () => open(index));
      return element("td", {}, button);
    });
    return element("tr", {}, ...cells);
  });
  table.replaceChildren(element("thead", {}, head), element("tbody", {}, ...rows));
  if (focused >= 0) table.querySelectorAll("button")[focused]?.focus();
}

export default { render };
