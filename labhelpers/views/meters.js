// Two meters. Between messages the server's meter runs here, by the clock; the function's only moves when it is called.

const TICK_MS = 200;

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Two meters on the same work", "lv-meters");
  const server = card("lv-server", "Always-on server");
  const funct = card("lv-funct", "Function");
  const pace = element("p", { class: "lv-pace" });
  const sources = element("details", { class: "lv-note" }, element("summary", {}, "Where these prices come from"));
  const list = element("ul");
  sources.append(list);
  const spoken = announcer(5000);
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "Two meters on the same work")),
    element("div", { class: "lv-cards" }, server.node, funct.node),
    pace,
    sources,
    spoken.node,
  );

  let received = performance.now();
  const tick = () => {
    const data = model.get("data");
    const running = data.server.running && model.get("state") === "live";
    const up = data.server.up_s + (running ? (performance.now() - received) / 1000 : 0);
    const cost = (data.server.dollars_per_hour * up) / 3600;
    setText(server.amount, money(cost));
    setText(server.lines[0], `charged for ${up.toFixed(1)} s up, busy or not`);
    const most = Math.max(cost, data.function.dollars, 1e-12);
    server.bar.style.width = `${(100 * cost) / most}%`;
    funct.bar.style.width = `${(100 * data.function.dollars) / most}%`;
    setText(pace, paceText(data, up));
  };
  const update = () => {
    const { server: machine, function: used, sources: from } = model.get("data");
    received = performance.now();
    setText(server.name, `${machine.instance_type}, ${money(machine.dollars_per_hour)} an hour`);
    const stopped = model.get("state") === "stopped" ? "■ meter stopped" : "";
    setState(server, machine.running, "● up: the meter runs", stopped || "■ down: the meter stands");
    setText(server.lines[1], machine.requests === null ? "" : plural(machine.requests, "request"));
    setText(funct.name, used.names.join(", "));
    setText(funct.amount, money(used.dollars));
    setState(funct, used.running > 0, "● running", stopped || "■ not running: the meter stands");
    setText(funct.lines[0], `${plural(used.calls, "call")}: ${money(used.request_dollars)}`);
    setText(funct.lines[1], `${used.gb_seconds.toFixed(6)} GB-seconds: ${money(used.compute_dollars)}`);
    list.replaceChildren(...from.map((line) => element("li", {}, line)));
    tick();
    spoken.tell(`Server ${server.amount.textContent}, function ${funct.amount.textContent}.`);
  };
  const timer = setInterval(tick, reducedMotion() ? 1000 : TICK_MS);
  root.addEventListener("lv-ended", () => clearInterval(timer));
  const stops = [stop, spoken.stop, listen(model, "change:data change:state", update)];
  return () => {
    clearInterval(timer);
    stops.forEach((end) => end());
    root.remove();
  };
}

function card(className, title) {
  const parts = {
    name: element("p", { class: "lv-mono lv-name" }),
    amount: element("p", { class: "lv-amount" }),
    state: element("p", { class: "lv-meter-state" }),
    bar: element("div", { class: "lv-bar" }),
    lines: [element("p", { class: "lv-note" }), element("p", { class: "lv-note" })],
  };
  const track = element("div", { class: "lv-track", "aria-hidden": "true" }, parts.bar);
  parts.node = element(
    "section",
    { class: `lv-card ${className}`, "aria-label": title },
    element("h4", {}, title),
    parts.name,
    parts.amount,
    track,
    parts.state,
    ...parts.lines,
  );
  return parts;
}

function paceText({ function: used, month, break_even_calls: breakEven }, up) {
  if (!used.calls || up < 1) return "Call the function, and here stands what a month like this would cost.";
  const times = month.seconds / up;
  const both = breakEven ? ` Both cost the same at ${round(breakEven)} such calls a month.` : "";
  return `A month that went on like this: server ${money(month.server_dollars)}, function ${money(used.dollars * times)} for ${round(used.calls * times)} calls.${both}`;
}

function setState(part, running, yes, no) {
  setText(part.state, running ? yes : no);
  part.state.classList.toggle("lv-on", running);
}

function money(dollars) {
  if (dollars >= 1) return `$${dollars.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  return dollars >= 0.01 ? `$${dollars.toFixed(4)}` : `$${dollars.toFixed(8)}`;
}

function round(number) {
  if (number >= 1e6) return `${(number / 1e6).toPrecision(3)} million`;
  return Math.round(number).toLocaleString("en");
}

export default { render };
