// Clients side by side. They run in the kernel; the page gets their frames in batches and keeps the last ones.

const STATES = {
  idle: "○ not connected",
  connecting: "… connecting",
  open: "● open",
  closed: "■ closed",
  refused: "✗ refused",
};
const WAYS = { in: ["←", "received"], out: ["→", "sent"], note: ["·", "note"] };

function render({ model, el }) {
  const { root, stop } = frame(model, el, "WebSocket console", "lv-websocket-console");
  const id = `lv-ws-${Math.random().toString(36).slice(2)}`;
  const address = element("select", { id: `${id}-address` });
  const note = element("p", { class: "lv-note", role: "status" });
  const cards = element("div", { class: "lv-cards" });
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "WebSocket console"), element("label", { for: address.id, class: "lv-note" }, "Address"), address),
    note,
    cards,
  );
  address.addEventListener("change", () => {
    model.set("address", address.value);
    model.save_changes();
  });
  const parts = model.get("names").map((name, index) => card(model, name, index, `${id}-${index}`));
  cards.append(...parts.map((part) => part.node));

  let frames = [];
  let drawing = 0;
  const draw = () => {
    drawing = 0;
    parts.forEach((part, index) => part.draw(frames.filter((each) => each[2] === index)));
  };
  const take = (content) => {
    if (content.all) frames = content.all;
    else if (content.frames) frames.push(...content.frames);
    else return;
    frames = frames.slice(-model.get("kept"));
    drawing ||= requestAnimationFrame(draw);
  };
  model.on("msg:custom", take);
  model.send({ ask: "all" });
  const stops = [
    stop,
    listen(model, "change:addresses change:address", () => {
      const found = model.get("addresses");
      address.replaceChildren(...found.map(([url, name]) => element("option", { value: url }, name)));
      address.value = model.get("address");
      address.disabled = found.length < 2;
      setText(note, model.get("address") || "There is no WebSocket API with a stage yet; those that you make appear here.");
    }),
    listen(model, "change:states", () => parts.forEach((part, index) => part.setState(model.get("states")[index]))),
    listen(model, "change:queries", () => parts.forEach((part, index) => part.setQuery(model.get("queries")[index]))),
  ];
  return () => {
    cancelAnimationFrame(drawing);
    model.off("msg:custom", take);
    stops.forEach((end) => end());
    root.remove();
  };
}

function card(model, name, index, id) {
  const state = element("p", { class: "lv-state", role: "status" });
  const query = element("input", { type: "text", id: `${id}-query`, class: "lv-mono", spellcheck: "false", autocomplete: "off", placeholder: "name=Ada" });
  const headers = element("textarea", { id: `${id}-headers`, class: "lv-mono", rows: 2, spellcheck: "false", placeholder: "Name: value" });
  const toggle = element("button", { type: "button", class: "lv-main" }, "Connect");
  const text = element("input", { type: "text", class: "lv-mono", "aria-label": `Message of ${name}`, spellcheck: "false", autocomplete: "off", placeholder: "message" });
  const send = element("button", { type: "button" }, "Send");
  const ping = element("button", { type: "button" }, "Ping");
  const list = element("ol");
  const pane = element("div", { class: "lv-frames", tabindex: "0", role: "log", "aria-label": `Frames of ${name}` }, list);
  const node = element(
    "section",
    { class: "lv-card", "aria-label": name },
    element("div", { class: "lv-row" }, element("h4", {}, name), state),
    element("div", { class: "lv-row" }, element("label", { for: query.id, class: "lv-note" }, "Query"), query, toggle),
    element("details", {}, element("summary", { class: "lv-note" }, "Headers"), element("label", { for: headers.id, class: "lv-unseen" }, `Headers of ${name}`), headers),
    pane,
    element("div", { class: "lv-row" }, text, send, ping),
  );
  let open = false;
  const say = () => {
    if (!open) return;
    model.send({ type: "say", client: index, text: text.value });
    text.select();
  };
  toggle.addEventListener("click", () => {
    if (open) model.send({ type: "disconnect", client: index });
    else model.send({ type: "connect", client: index, query: query.value, headers: headers.value });
  });
  query.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && !open) toggle.click();
  });
  send.addEventListener("click", say);
  ping.addEventListener("click", () => model.send({ type: "ping", client: index }));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter") say();
  });
  return {
    node,
    setQuery(value) {
      if (query.value !== value) query.value = value;
    },
    setState(value) {
      open = value === "open";
      setText(state, STATES[value] ?? value);
      state.className = `lv-state lv-is-${value}`;
      setText(toggle, open ? "Disconnect" : "Connect");
      toggle.classList.toggle("lv-main", !open);
      toggle.disabled = value === "connecting";
      send.disabled = ping.disabled = !open;
    },
    // Only new frames are added, and only those that are gone taken away: a reader's place is kept.
    draw(frames) {
      const atEnd = pane.scrollTop + pane.clientHeight >= pane.scrollHeight - 8;
      const first = frames[0]?.[0] ?? Infinity;
      while (list.firstChild && Number(list.firstChild.dataset.number) < first) list.firstChild.remove();
      const last = Number(list.lastChild?.dataset.number ?? 0);
      list.append(...frames.filter((each) => each[0] > last).map(frameLine));
      if (atEnd) pane.scrollTop = pane.scrollHeight;
    },
  };
}

function frameLine([number, at, , way, kind, text, size]) {
  const [arrow, word] = WAYS[way];
  const moment = new Date(at * 1000);
  const time = `${moment.toLocaleTimeString([], { hour12: false })}.${String(moment.getMilliseconds()).padStart(3, "0")}`;
  const about = way === "note" ? "" : kind === "text" ? "" : `${kind} `;
  const node = element(
    "li",
    { class: `lv-frame lv-way-${way}`, title: way === "note" ? null : `${word}, ${kind}, ${plural(size, "byte")}` },
    element("span", { class: "lv-when" }, `#${number} ${time}`),
    element("span", { class: "lv-way", "aria-hidden": "true" }, arrow),
    element("span", { class: "lv-unseen" }, word),
    element("span", { class: "lv-text" }, about ? element("strong", {}, about) : null, text),
  );
  node.dataset.number = number;
  return node;
}

export default { render };
