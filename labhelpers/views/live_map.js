// The live map. `picture` says what is drawn where, `step` how things stand and what has moved since the last step.

const LEG_MS = 520; // How long a dot takes for one link.
const FLASH_MS = 700;
const DOTS_MAX = 60;
const LAG_MAX_MS = 4000; // Later than that, a dot would no longer tell anything.
let maps = 0;

function render({ model, el }) {
  const map = new MapView(model, el, ++maps);
  return () => map.stop();
}

class MapView {
  constructor(model, el, number) {
    this.model = model;
    this.number = number;
    this.nodes = new Map();
    this.links = new Map();
    this.dots = new Set();
    this.arrivals = new Map(); // When the last dot reaches a thing: those that leave it start after that.
    this.timers = new Map(); // For each link that is lit, what puts it out.
    this.request = null;
    this.announcer = announcer(4000);
    this.frame = frame(model, el, "Live map: what is travelling where", "lv-map");
    this.build();
    this.frame.root.addEventListener("lv-ended", () => {
      setText(this.stateNode, "■ the kernel has ended");
      this.stateNode.classList.remove("lv-live");
    });
    this.paced = sparing(this.frame.root, () => this.update());
    this.stops = [
      this.frame.stop,
      listen(model, "change:picture", () => this.draw()),
      this.paced.stop,
      listen(model, "change:step", this.paced.draw),
      listen(model, "change:state", () => this.showState()),
      this.announcer.stop,
    ];
  }

  stop() {
    this.stops.forEach((stop) => stop());
    this.timers.forEach((timer) => clearTimeout(timer));
    cancelAnimationFrame(this.request);
    this.frame.root.remove();
  }

  build() {
    this.stateNode = element("span", { class: "lv-map-state" });
    this.canvas = element("div", { class: "lv-map-canvas", tabindex: "0", role: "group", "aria-label": "Map" });
    this.empty = element("p", { class: "lv-note" }, "Nothing to draw yet: buckets, functions, topics and the like appear here as they are made.");
    this.totals = {};
    const totals = ["Done", "Failed", "Running", "Waiting"].map((name) => {
      const number = element("dd", {}, "0");
      this.totals[name.toLowerCase()] = number;
      return element("div", { class: `lv-total lv-${name.toLowerCase()}` }, element("dt", {}, name), number);
    });
    this.failure = element("p", { class: "lv-map-failure" });
    this.details = element("section", { class: "lv-map-details", hidden: true, "aria-label": "Details" });
    this.frame.root.append(
      element(
        "div",
        { class: "lv-head" },
        element("h3", {}, "What is travelling where"),
        element("span", { class: "lv-note" }, legendLine(""), "a call ", legendLine("lv-event"), "an event"),
        this.stateNode,
      ),
      this.empty,
      this.canvas,
      element("dl", { class: "lv-totals", "aria-label": "Invocations" }, ...totals),
      this.failure,
      this.details,
      this.announcer.node,
    );
  }

  showState() {
    const live = this.model.get("state") === "live";
    setText(this.stateNode, live ? "● live" : "■ the lab has ended; this is how things stood last");
    this.stateNode.classList.toggle("lv-live", live);
  }

  // --- The picture ---

  draw() {
    const picture = this.model.get("picture");
    const focused = document.activeElement?.dataset?.thing;
    this.clearDots();
    this.nodes.clear();
    this.links.clear();
    this.empty.hidden = Boolean(picture.nodes?.length);
    this.canvas.hidden = !this.empty.hidden;
    if (!picture.nodes?.length) return;
    const tip = `lv-tip-${this.number}`;
    this.layer = svgElement("g", { class: "lv-dots", "aria-hidden": "true" });
    const { width, height } = picture;
    const drawing = svgElement(
      "svg",
      { viewBox: `0 0 ${width} ${height}`, style: `max-width: ${width}px` },
      svgElement("defs", {}, arrowTip(tip)),
      ...picture.arrows.map((arrow) => this.drawArrow(arrow, tip)),
      ...picture.nodes.map((node) => this.drawNode(node)),
      this.layer,
    );
    this.canvas.replaceChildren(drawing);
    if (focused && this.nodes.has(focused) && !document.activeElement?.dataset?.thing) this.nodes.get(focused).group.focus();
    this.update();
  }

  drawArrow(arrow, tip) {
    const path = svgElement("path", { d: arrow.path, class: `lv-way lv-${arrow.kind}`, "marker-end": `url(#${tip})` });
    const count = svgElement("text", { x: arrow.label_x, y: arrow.label_y + 18, class: "lv-count" });
    const label = svgElement("text", { x: arrow.label_x, y: arrow.label_y - 8, class: "lv-label" }, arrow.label);
    const group = svgElement("g", { class: "lv-link", "aria-hidden": "true" }, path, label, count);
    if (arrow.full_label) group.append(svgElement("title", {}, arrow.full_label));
    this.links.set(arrow.id, { arrow, path, count, group, points: null });
    return group;
  }

  drawNode(node) {
    const top = node.shift + (node.title.length > 1 ? -20 : -11);
    const below = top + 15 * node.title.length + 4;
    const lines = [0, 1].map((row) => svgElement("text", { y: below + 15 * row, class: "lv-status" }));
    const group = svgElement(
      "g",
      {
        class: `lv-thing lv-kind-${node.kind}`,
        transform: `translate(${node.x} ${node.y})`,
        role: "button",
        tabindex: "0",
        "aria-expanded": "false",
        "data-thing": node.id,
        onclick: () => this.select(node.id),
        onkeydown: (event) => this.onKey(event, node.id),
      },
      svgElement("title", {}, `${node.name}: ${node.note}`),
      svgElement("path", { d: node.outline, class: "lv-outline" }),
      node.lines ? svgElement("path", { d: node.lines, class: "lv-lines" }) : null,
      ...node.title.map((line, row) => svgElement("text", { y: top + 15 * row, class: "lv-title" }, line)),
      ...lines,
    );
    this.nodes.set(node.id, { node, group, lines });
    return group;
  }

  // --- How things stand ---

  update() {
    const { now, moves = [], number = 0 } = this.model.get("step");
    if (!now) return;
    for (const [id, { node, group, lines }] of this.nodes) {
      const status = now.statuses[id];
      if (!status) continue;
      lines.forEach((line, row) => setText(line, status.lines[row]));
      group.classList.toggle("lv-is-busy", status.tone === "busy");
      group.classList.toggle("lv-is-failed", status.tone === "failed");
      const told = `${node.note} ${node.name}: ${status.lines.filter(Boolean).join(", ")}`;
      if (group.getAttribute("aria-label") !== told) group.setAttribute("aria-label", told);
    }
    for (const [id, { count }] of this.links) {
      setText(count, now.travelled[id] ? now.travelled[id].toLocaleString("en") : "");
    }
    for (const name of Object.keys(this.totals)) setText(this.totals[name], now[name].toLocaleString("en"));
    this.showFailure(now);
    this.showDetails(this.model.get("step"));
    if (this.shown !== undefined && number > this.shown) this.move(moves);
    this.shown = number;
    this.announcer.tell(
      `${plural(now.done, "invocation")} done, ${now.failed} failed, ${now.running} running, ${now.waiting} waiting. ${this.failure.textContent}`,
    );
  }

  showFailure(now) {
    const failure = now.failure;
    const where = now.failed_thing ? `${now.failed_thing}: ` : "";
    setText(this.failure, failure ? `✗ Last failure ${failure.time}: ${where}${failure.text}` : "No failure so far.");
    this.failure.classList.toggle("lv-has-failure", Boolean(failure));
    this.failure.classList.toggle("lv-in-short", Boolean(now.failed_thing)); // A click on the thing shows it whole.
  }

  onKey(event, id) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      this.select(id);
    } else if (event.key === "Escape" && this.model.get("selected")) {
      this.select(this.model.get("selected"));
    }
  }

  select(id) {
    const selected = this.model.get("selected") === id ? "" : id;
    this.model.set("selected", selected);
    this.model.save_changes();
    this.showDetails({});
  }

  // What is selected: its settings, the last thing that it got, the last thing that went wrong, its logs.
  showDetails({ recent = [], event = "", failure = "" }) {
    const selected = this.model.get("selected");
    for (const [id, { group }] of this.nodes) group.setAttribute("aria-expanded", String(id === selected));
    const found = this.nodes.get(selected);
    this.details.hidden = !found;
    if (!found) return;
    const { node } = found;
    const facts = [["Kind", node.note], ...node.facts].flatMap(([name, value]) => [element("dt", {}, name), element("dd", {}, value)]);
    const told = JSON.stringify([selected, facts.map((fact) => fact.textContent), recent, event, failure]);
    if (told === this.told) return; // What somebody reads, or has scrolled, stays as it is.
    this.told = told;
    const lines = recent.map((line) => element("li", {}, line));
    this.details.replaceChildren(
      element("h3", {}, node.name),
      element("dl", {}, ...facts),
      ...(failure ? [element("h4", {}, "Last failure"), element("p", { class: "lv-said" }, failure)] : []),
      ...(event ? [element("h4", {}, "Last event"), element("pre", { class: "lv-mono", tabindex: "0", "aria-label": "Last event" }, event)] : []),
      element("h4", {}, "Logs and what happened"),
      element("p", { class: "lv-note" }, lines.length ? "Newest last:" : "Nothing has happened here yet."),
      element("ol", { class: "lv-mono" }, ...lines),
    );
  }

  // --- What moves ---

  move(moves) {
    for (const { link, number, text } of moves) {
      const found = this.links.get(link);
      if (!found) continue;
      this.flash(found.group);
      if (!reducedMotion()) this.addDot(found, number, text);
    }
  }

  flash(group) {
    group.classList.add("lv-hot");
    clearTimeout(this.timers.get(group));
    const putOut = () => {
      this.timers.delete(group);
      group.classList.remove("lv-hot");
    };
    this.timers.set(group, setTimeout(putOut, FLASH_MS));
  }

  addDot(link, number, text) {
    const now = performance.now();
    const { source, target } = link.arrow;
    const start = Math.max(now, this.arrivals.get(source) ?? 0);
    if (start - now > LAG_MAX_MS || this.dots.size >= DOTS_MAX) return;
    this.arrivals.set(target, start + LEG_MS);
    link.points ??= pointsOn(link.path);
    const crowded = start < (link.labelled ?? 0); // A name on top of another could not be read.
    const label = number > 1 ? `× ${number.toLocaleString("en")}` : shortened(text);
    if (!crowded) link.labelled = start + LEG_MS;
    const group = svgElement(
      "g",
      { class: "lv-dot", visibility: "hidden" },
      svgElement("circle", { r: number > 1 ? 8 : 6 }),
      crowded ? null : svgElement("text", { y: -12 }, label),
    );
    this.layer.append(group);
    this.dots.add({ group, start, points: link.points });
    this.request ??= requestAnimationFrame((time) => this.animate(time));
  }

  animate(time) {
    for (const dot of this.dots) {
      const part = (time - dot.start) / LEG_MS;
      if (part >= 1) {
        dot.group.remove();
        this.dots.delete(dot);
      } else if (part >= 0) {
        const { x, y } = between(dot.points, part);
        dot.group.setAttribute("transform", `translate(${x} ${y})`);
        dot.group.setAttribute("visibility", "visible");
      }
    }
    this.request = this.dots.size ? requestAnimationFrame((later) => this.animate(later)) : null;
  }

  clearDots() {
    for (const dot of this.dots) dot.group.remove();
    this.dots.clear();
    this.arrivals.clear();
  }
}

function shortened(text) {
  return text.length > 13 ? `${text.slice(0, 6)}…${text.slice(-6)}` : text;
}

function legendLine(kind) {
  return svgElement(
    "svg",
    { viewBox: "0 0 30 10", class: "lv-legend", "aria-hidden": "true" },
    svgElement("path", { d: "M1 5H22", class: `lv-way ${kind}` }),
    svgElement("path", { d: "M21 1L29 5L21 9Z", class: "lv-tip" }),
  );
}

function arrowTip(id) {
  const box = { viewBox: "0 0 10 10", refX: 8, refY: 5, markerWidth: 9, markerHeight: 9, markerUnits: "userSpaceOnUse", orient: "auto" };
  return svgElement("marker", { id, ...box }, svgElement("path", { d: "M0 0L10 5L0 10Z", class: "lv-tip" }));
}

function pointsOn(path) {
  const length = path.getTotalLength();
  return Array.from({ length: 33 }, (_, index) => path.getPointAtLength((length * index) / 32));
}

function between(points, part) {
  const at = part * (points.length - 1);
  const index = Math.min(Math.floor(at), points.length - 2);
  const [a, b] = [points[index], points[index + 1]];
  return { x: a.x + (b.x - a.x) * (at - index), y: a.y + (b.y - a.y) * (at - index) };
}

export default { render };
