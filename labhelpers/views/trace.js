// A list of traces and the waterfall of the chosen one; a step opens to show the event that was handed over there.

const MARKS = { good: "●", bad: "✗", waiting: "○", mark: "·" };

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Traces", "lv-trace");
  const choice = element("select", { "aria-label": "Trace" });
  const follow = element("button", { type: "button" }, "Follow the newest");
  const head = element("div", { class: "lv-head" }, element("h3", {}, "Trace"), choice, follow);
  const body = element("tbody");
  const table = element(
    "table",
    {},
    element(
      "thead",
      {},
      element("tr", {}, ...["Who", "What", "When"].map((name) => element("th", { scope: "col" }, name))),
    ),
    body,
  );
  const note = element("p", { class: "lv-note" });
  const spoken = announcer(5000);
  root.append(head, note, table, spoken.node);
  const opened = new Set();
  let chosen = "";

  choice.addEventListener("change", () => {
    model.set("selected", choice.value);
    model.save_changes();
  });
  follow.addEventListener("click", () => {
    model.set("selected", "");
    model.save_changes();
  });

  const update = () => {
    const data = model.get("data");
    if (!data.traces) return;
    if (data.chosen !== chosen) opened.clear();
    chosen = data.chosen;
    fillChoice(choice, data.traces, chosen);
    const trace = data.traces.find((one) => one.key === chosen);
    follow.hidden = !model.get("selected");
    table.hidden = !trace;
    const end = model.get("state") === "ended" ? " The lab has ended." : "";
    setText(
      note,
      trace
        ? `${plural(data.rows.length, "step")} in ${trace.duration_s.toFixed(3)} s, ${trace.state}.${end}`
        : `No trace yet: send a request, or upload a file.${end}`,
    );
    drawRows(body, data.rows, opened);
    if (trace) spoken.tell(`${trace.title}: ${trace.state}, ${plural(data.rows.length, "step")}.`);
  };
  const paced = sparing(root, update);
  const stops = [stop, paced.stop, spoken.stop, listen(model, "change:data change:state change:selected", paced.draw)];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

// The newest trace is the first option. Options that are there stay: to make a hundred anew takes long.
function fillChoice(choice, traces, chosen) {
  const there = new Map([...choice.options].map((option) => [option.value, option]));
  let before = null;
  for (const trace of traces) {
    const option = there.get(trace.key) ?? element("option", { value: trace.key });
    there.delete(trace.key);
    setText(option, `${clockTime(trace.at)} ${trace.title} (${trace.state})`);
    if (before ? before.nextSibling !== option : choice.firstChild !== option) {
      before ? before.after(option) : choice.prepend(option);
    }
    before = option;
  }
  for (const option of there.values()) option.remove();
  if (choice.value !== chosen) choice.value = chosen;
}

function drawRows(body, rows, opened) {
  const total = Math.max(...rows.map((row) => row.end_s), 1e-6);
  body.replaceChildren(
    ...rows.flatMap((row, index) => {
      const bar = element("div", { class: `lv-bar lv-${row.kind}` });
      bar.style.marginLeft = `min(${(100 * row.start_s) / total}%, 100% - 3px)`; // A bar has three pixels at least.
      bar.style.width = `${(100 * (row.end_s - row.start_s)) / total}%`;
      const seconds = row.end_s - row.start_s;
      const when = `${row.start_s.toFixed(3)} s${seconds > 0.0005 ? ` + ${seconds.toFixed(3)} s` : ""}`;
      const lane = element("td", { class: "lv-lane" }, element("div", { class: "lv-track", "aria-hidden": "true" }, bar), when);
      const what = element("td", {}, `${MARKS[row.kind]} ${row.what}`);
      const line = element("tr", { class: `lv-step lv-step-${row.kind}` }, element("th", { scope: "row" }, row.who), what, lane);
      if (!row.event) return [line];
      const open = opened.has(index);
      const button = element("button", { type: "button", "aria-expanded": String(open) }, open ? "Hide event" : "Event");
      const detail = element(
        "tr",
        { class: "lv-event", hidden: !open },
        element("td", { colspan: "3" }, element("pre", { tabindex: "0", "aria-label": `Event of ${row.who}` }, row.event)),
      );
      button.addEventListener("click", () => {
        const shown = opened.has(index);
        if (shown) opened.delete(index);
        else opened.add(index);
        detail.hidden = shown;
        button.setAttribute("aria-expanded", String(!shown));
        setText(button, shown ? "Event" : "Hide event");
      });
      what.append(" ", button);
      return [line, detail];
    }),
  );
}

export default { render };
