// A tail of logs. All lines are kept here, but only those in sight are in the page, so that 100,000 cost no more than 30.

const LINE_PX = 20;
const SPARE_LINES = 10;
const PAUSE_MS = 200; // Between two drawings while lines rain.

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Logs of functions", "lv-logs");
  const filter = element("input", { type: "search", "aria-label": "Filter lines", placeholder: "Filter", spellcheck: "false" });
  const only = element("select", { "aria-label": "Function" }, element("option", { value: "" }, "all functions"));
  const platform = element("input", { type: "checkbox", checked: true });
  const tail = element("input", { type: "checkbox", checked: true });
  const head = element(
    "div",
    { class: "lv-head" },
    element("h3", {}, "Logs"),
    only,
    filter,
    element("label", {}, platform, " AWS's own lines"),
    element("label", {}, tail, " follow"),
  );
  const sheet = element("div", { class: "lv-sheet" });
  const pane = element("div", { class: "lv-pane", tabindex: "0", role: "region", "aria-label": "Log lines" }, sheet);
  const note = element("p", { class: "lv-note" });
  const spoken = announcer(5000);
  root.append(head, pane, note, spoken.node);

  let lines = [];
  let shown = [];
  const functions = new Set();
  let rows = new Map(); // The lines in the page: those that stay in sight are not made again.
  let drawing = 0;
  let drawn = 0;

  const fits = (line) =>
    (!only.value || line[1] === only.value) &&
    (platform.checked || line[2] === "LOG" || line[2] === "ERROR") &&
    (!filter.value || line[3].toLowerCase().includes(filter.value.toLowerCase()));
  const draw = () => {
    drawing = 0;
    drawn = performance.now();
    const height = shown.length * LINE_PX;
    sheet.style.height = `${height}px`;
    if (tail.checked) pane.scrollTop = height;
    const first = Math.max(0, Math.floor(pane.scrollTop / LINE_PX) - SPARE_LINES);
    const last = Math.min(shown.length, first + Math.ceil(pane.clientHeight / LINE_PX) + 2 * SPARE_LINES);
    const inSight = new Map(shown.slice(first, last).map((line) => [line, rows.get(line) ?? drawLine(line)]));
    for (const [line, row] of rows) if (!inSight.has(line)) row.remove();
    rows = inSight;
    let top = first * LINE_PX;
    let before = null;
    for (const row of rows.values()) {
      row.style.top = `${top}px`;
      top += LINE_PX;
      if (row.parentNode !== sheet) before ? before.after(row) : sheet.prepend(row);
      before = row;
    }
    sheet.classList.toggle("lv-one", Boolean(only.value));
    const end = model.get("state") === "ended" ? " The lab has ended." : "";
    const all = shown.length === lines.length ? "" : ` of ${plural(lines.length, "line")}`;
    setText(note, `${plural(shown.length, "line")}${all}.${end}`);
  };
  const paced = sparing(root, () => {
    drawing ||= setTimeout(() => requestAnimationFrame(draw), Math.max(0, drawn + PAUSE_MS - performance.now()));
  });
  const redraw = paced.draw;
  const choose = () => {
    shown = lines.filter(fits);
    redraw();
  };
  const add = (more) => {
    for (const line of more) {
      if (functions.has(line[1])) continue;
      functions.add(line[1]);
      only.append(element("option", { value: line[1] }, line[1]));
    }
    lines.push(...more);
    const over = lines.length - model.get("kept");
    if (over > 0) {
      lines = lines.slice(over);
      shown = lines.filter(fits);
    } else {
      shown.push(...more.filter(fits));
    }
    redraw();
    const errors = more.filter((line) => line[2] === "ERROR").length;
    spoken.tell(`${plural(more.length, "new line")}${errors ? `, ${plural(errors, "error")}` : ""}.`);
  };
  const take = (content) => {
    if (content.all) {
      lines = [];
      shown = [];
      add(content.all);
    } else if (content.lines) {
      add(content.lines);
    }
  };
  model.on("msg:custom", take);
  model.send({ ask: "all" });
  pane.addEventListener("scroll", () => {
    if (pane.scrollTop + pane.clientHeight < sheet.offsetHeight - 2 * LINE_PX) tail.checked = false;
    redraw();
  });
  for (const control of [filter, only, platform]) control.addEventListener("input", choose);
  tail.addEventListener("input", redraw);
  const stops = [stop, paced.stop, spoken.stop, listen(model, "change:state", redraw)];
  return () => {
    clearTimeout(drawing);
    model.off("msg:custom", take);
    stops.forEach((end) => end());
    root.remove();
  };
}

function drawLine([at, name, kind, message]) {
  return element(
    "div",
    { class: `lv-line lv-kind-${kind.toLowerCase().replace("_", "-")}`, title: message },
    element("span", { class: "lv-time" }, clockTime(at)),
    element("span", { class: "lv-name" }, name),
    element("span", { class: "lv-kind" }, kind === "LOG" ? "" : kind),
    element("span", { class: "lv-message" }, message.replaceAll("\t", "  ").replaceAll("\n", " ⏎ ")),
  );
}

export default { render };
