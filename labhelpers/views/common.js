// What all views share. Text from the lab only ever becomes text nodes, never HTML.

const SVG_NAMESPACE = "http://www.w3.org/2000/svg";

// element("p", { class: "lv-note" }, "some text", anotherNode)
function element(tag, attributes = {}, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

function svgElement(tag, attributes = {}, ...children) {
  return filled(document.createElementNS(SVG_NAMESPACE, tag), attributes, children);
}

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (name.startsWith("on")) node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// A frame for a view: it tells JupyterLab to leave its keys alone, and has a place for errors.
function frame(model, el, label, className) {
  const problem = element("p", { class: "lv-problem", role: "alert", hidden: true });
  const root = element(
    "div",
    { class: `lv-root ${className}`, role: "group", "aria-label": label, "data-lm-suppress-shortcuts": "true" },
    problem,
  );
  const stopKeys = (event) => {
    if (event.target.closest("input, textarea, select, button, summary, [tabindex]")) event.stopPropagation();
  };
  root.addEventListener("keydown", stopKeys);
  const stop = listen(model, "change:problem", () => {
    setText(problem, model.get("problem"));
    problem.hidden = !model.get("problem");
  });
  el.append(root);
  const stopWatching = onKernelEnd(model, () => {
    root.classList.add("lv-ended");
    root.append(element("p", { class: "lv-end", role: "status" }, "■ The kernel has ended: run this cell again."));
    for (const control of root.querySelectorAll("button, select, input, textarea")) control.disabled = true;
    root.dispatchEvent(new CustomEvent("lv-ended"));
  });
  const stopAll = () => {
    stop();
    stopWatching();
  };
  return { root, problem, stop: stopAll };
}

// Call `tell` once when the kernel of a widget has ended or begun anew; returns the way to stop.
// Jupyter says so in three ways: the widget's comm is dead, the kernel changes its status, or its connection is disposed.
function onKernelEnd(model, tell) {
  let told = false;
  const once = () => {
    if (told) return;
    told = true;
    stop();
    tell();
  };
  const manager = model.widget_manager;
  const kernel = manager?.kernel ?? manager?.context?.sessionContext?.session?.kernel;
  const onStatus = (_, status) => {
    if (["dead", "restarting", "autorestarting", "terminating"].includes(status)) once();
  };
  const stop = () => {
    model.off("comm_live_update", once);
    kernel?.statusChanged?.disconnect(onStatus);
    kernel?.disposed?.disconnect(once);
  };
  model.on("comm_live_update", once);
  kernel?.statusChanged?.connect(onStatus);
  kernel?.disposed?.connect(once);
  return stop;
}

// Run `update` now and at each such event; returns the way to stop.
function listen(model, events, update) {
  model.on(events, update);
  update();
  return () => model.off(events, update);
}

function reducedMotion() {
  return window.matchMedia("(prefers-reduced-motion: reduce)").matches;
}

function plural(number, word) {
  return `${number.toLocaleString("en")} ${word}${number === 1 ? "" : "s"}`;
}

// Tell a screen reader how things stand, but at most once in `pauseMs`.
function announcer(pauseMs) {
  const node = element("div", { class: "lv-unseen", role: "status" });
  let timer = null;
  let waiting = "";
  const say = () => {
    timer = null;
    setText(node, waiting);
  };
  return {
    node,
    tell(text) {
      waiting = text;
      if (timer === null) timer = setTimeout(say, pauseMs);
    },
    stop: () => clearTimeout(timer),
  };
}

const CLOCK = new Intl.DateTimeFormat([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
let lastClock = [NaN, ""];

// Epoch seconds as a clock shows them. To format a time is slow, and most are of the same second as the one before.
function clockTime(seconds) {
  const whole = Math.floor(seconds);
  if (whole !== lastClock[0]) lastClock = [whole, CLOCK.format(whole * 1000)];
  return lastClock[1];
}

// `draw` at once while the view is in sight, and once a second while nobody can see it; returns that, and its stop.
function sparing(root, draw) {
  let seen = true;
  let timer = null;
  const drawNow = () => {
    clearTimeout(timer);
    timer = null;
    draw();
  };
  const observer = new IntersectionObserver((entries) => {
    seen = entries.at(-1).isIntersecting;
    if (seen && timer !== null) drawNow();
  });
  observer.observe(root);
  return {
    draw: () => {
      if (seen && !document.hidden) drawNow();
      else timer ??= setTimeout(drawNow, 1000);
    },
    stop: () => {
      observer.disconnect();
      clearTimeout(timer);
    },
  };
}
