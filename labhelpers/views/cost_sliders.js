// Sliders and two bills. The page sends what is chosen, the kernel answers with the bills; nothing is computed twice.

const SLIDERS = [
  ["memory_mb", "Memory", (value) => `${value.toLocaleString("en")} MB`],
  ["billed_ms", "Billed duration", (value) => (value < 1000 ? `${value} ms` : `${(value / 1000).toLocaleString("en")} s`)],
  ["requests", "Calls a month", (value) => round(value)],
];
const WIDTH = 560;
const HEIGHT = 220;
const LEFT = 64;
const BOTTOM = 34;
const CLIP = "lv-costs-inside";

function render({ model, el }) {
  const { root, stop } = frame(model, el, "A month as a function and as a server", "lv-costs");
  const choose = (name, value) => {
    model.set("choice", { ...model.get("choice"), [name]: value });
    model.save_changes();
  };
  const controls = element("div", { class: "lv-controls" });
  const shown = {};
  for (const [name, label, write] of SLIDERS) {
    const stops = model.get("choices")[name];
    const output = element("span", { class: "lv-mono", "aria-hidden": "true" });
    const input = element("input", { type: "range", min: 0, max: stops.length - 1, step: 1, "aria-label": label });
    input.addEventListener("input", () => choose(name, stops[Number(input.value)]));
    shown[name] = (value) => {
      input.value = String(stops.indexOf(value));
      input.setAttribute("aria-valuetext", write(value));
      setText(output, write(value));
    };
    controls.append(element("label", {}, element("span", {}, label), input, output));
  }
  const select = element("select", { "aria-label": "Server" });
  select.append(...model.get("choices").instance_type.map((name) => element("option", { value: name }, name)));
  select.addEventListener("change", () => choose("instance_type", select.value));
  const free = element("input", { type: "checkbox" });
  free.addEventListener("change", () => choose("free_tier", free.checked));
  controls.append(
    element("div", { class: "lv-row" }, element("span", {}, "Server"), select, element("label", { class: "lv-free" }, free, "with Lambda's free tier")),
  );

  const funct = bill("lv-funct", "As a function");
  const server = bill("lv-server", "As a server");
  const verdict = element("p", { class: "lv-verdict", role: "status" });
  const note = element("p", { class: "lv-note" });
  const picture = svgElement("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", class: "lv-picture" });
  const list = element("ul");
  const sources = element("details", { class: "lv-note" }, element("summary", {}, "Where these prices come from"), list);
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "A month as a function and as a server")),
    controls,
    element("div", { class: "lv-cards" }, funct.node, server.node),
    verdict,
    picture,
    note,
    sources,
  );

  const update = () => {
    const data = model.get("data");
    for (const [name] of SLIDERS) shown[name](data[name]);
    select.value = data.instance_type;
    free.checked = data.free_tier;
    setText(funct.amount, dollars(data.function_dollars));
    setText(funct.line, `requests ${dollars(data.request_dollars)}, memory and time ${dollars(data.compute_dollars)}`);
    setText(server.amount, dollars(data.server_dollars));
    setText(server.line, `one ${data.instance_type}, up all month, busy or not`);
    setText(verdict, `${data.verdict} Both cost the same at ${round(data.break_even)} calls a month.`);
    const atOnce = data.at_once < 0.01 ? "less than 0.01" : data.at_once.toPrecision(3);
    setText(note, `On average ${atOnce} calls run at the same time. Can one server do that?`);
    list.replaceChildren(...data.sources.map((line) => element("li", {}, line)));
    draw(picture, data);
  };
  const stops = [stop, listen(model, "change:data", update)];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

function bill(className, title) {
  const amount = element("p", { class: "lv-amount" });
  const line = element("p", { class: "lv-note" });
  const node = element("section", { class: `lv-card ${className}`, "aria-label": title }, element("h4", {}, title), amount, line);
  return { node, amount, line };
}

// Dollars over calls: the server's line is level, the function's rises and crosses it at the break-even point.
function draw(svg, data) {
  const most = data.line.at(-1)[0];
  const highest = 1.15 * Math.max(data.function_dollars, data.server_dollars);
  const x = (calls) => LEFT + ((WIDTH - LEFT - 16) * calls) / most;
  const y = (amount) => HEIGHT - BOTTOM - ((HEIGHT - BOTTOM - 24) * amount) / highest;
  const corners = data.line.map(([calls, amount]) => `${x(calls)} ${y(amount)}`).join("L");
  const label = `Dollars a month over calls a month. The server's line is level at ${dollars(data.server_dollars)}; the function's rises and crosses it at ${round(data.break_even)} calls. Chosen are ${round(data.requests)} calls, ${dollars(data.function_dollars)}.`;
  const server = `server (${data.instance_type})`;
  const late = data.break_even > 0.5 * most; // Then the function's line is low where the server's begins.
  svg.setAttribute("aria-label", label);
  svg.replaceChildren(
    svgElement("clipPath", { id: CLIP }, svgElement("rect", { x: LEFT, y: 0, width: WIDTH - LEFT, height: HEIGHT - BOTTOM + 2 })),
    svgElement("path", { class: "lv-axis", d: `M${LEFT} 8V${HEIGHT - BOTTOM}H${WIDTH - 8}` }),
    svgElement("path", { class: "lv-line-server", d: `M${LEFT} ${y(data.server_dollars)}H${x(most)}` }),
    svgElement("path", { class: "lv-line-funct", d: `M${corners}`, "clip-path": `url(#${CLIP})` }),
    svgElement("path", { class: "lv-meet", d: `M${x(data.break_even)} ${y(data.server_dollars)}V${HEIGHT - BOTTOM}` }),
    svgElement("circle", { class: "lv-here", cx: x(data.requests), cy: y(data.function_dollars), r: 6 }),
    words(LEFT - 6, y(data.server_dollars) + 4, "end", dollars(data.server_dollars)),
    words(LEFT - 6, HEIGHT - BOTTOM + 4, "end", "$0"),
    words(x(data.break_even), HEIGHT - BOTTOM + 16, x(data.break_even) > WIDTH - 90 ? "end" : "middle", `${round(data.break_even)} calls`),
    late ? words(LEFT + 8, y(data.server_dollars) - 7, "start", server) : words(WIDTH - 12, y(data.server_dollars) - 7, "end", server),
    words(Math.min(x(data.requests) + 12, WIDTH - 70), Math.min(Math.max(y(data.function_dollars) + 16, 24), HEIGHT - BOTTOM - 6), "start", "function"),
  );
}

function words(x, y, anchor, text) {
  return svgElement("text", { x, y, "text-anchor": anchor }, text);
}

function dollars(amount) {
  const places = amount >= 0.01 || amount === 0 ? 2 : 6;
  return `$${amount.toLocaleString("en", { minimumFractionDigits: places, maximumFractionDigits: places })}`;
}

function round(number) {
  if (number >= 1e9) return `${Number((number / 1e9).toPrecision(3))} billion`;
  if (number >= 1e6) return `${Number((number / 1e6).toPrecision(3))} million`;
  return Math.round(number).toLocaleString("en");
}

export default { render };
