// Gauges. Between messages buckets fill and the lab's clock runs here; what is taken or tried comes from Python.

const TICK_MS = 100;
const SLOW_TICK_MS = 1000;
const FEW = 4; // More rows than these may be higher than their box.
const SIGNS = {
  waiting: "◷",
  running: "▶",
  succeeded: "✓",
  "dead-letter queue": "✗",
  destination: "✗",
  dropped: "✗",
  split: "⑂",
};

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Gauges", "lv-gauges");
  const clock = element("p", { class: "lv-note lv-clock" });
  const spoken = announcer(5000);
  const body = element("div", { class: "lv-sections" });
  root.append(element("div", { class: "lv-head" }, element("h3", {}, "Gauges"), clock), body, spoken.node);

  const makers = { buckets: bucketSection, quotas: quotaSection, retries: retrySection, weights: weightSection };
  let sections = null;
  let received = performance.now();
  let live = true;
  const seconds = () => (live ? (performance.now() - received) / 1000 : 0);

  const tick = () => {
    const data = model.get("data");
    if (!data.sections) return;
    const now = { real: seconds(), lab: data.lab_now + seconds() * data.speed };
    const shown = data.sections.some(([name]) => name === "quotas" || name === "retries");
    const pace = data.speed === 1 ? "" : `, ${data.speed.toLocaleString("en")} times as fast as yours`;
    setText(clock, shown ? `The lab’s clock: ${moment(now.lab)}${pace}` : "");
    sections.forEach((section) => section.tick(now));
  };
  const update = () => {
    const data = model.get("data");
    if (!data.sections) return;
    if (!sections) {
      sections = data.sections.map(([name, title, nothing]) => makers[name](title, nothing));
      body.replaceChildren(...sections.map((section) => section.node));
    }
    // What has ended stands where it was last told, not where it would be by now.
    live = model.get("state") === "live";
    received = performance.now();
    sections.forEach((section) => section.update(data));
    tick();
    spoken.tell(sections.map((section) => section.words()).filter(Boolean).join(" "));
  };
  const timer = setInterval(tick, reducedMotion() ? SLOW_TICK_MS : TICK_MS);
  root.addEventListener("lv-ended", () => clearInterval(timer));
  const stops = [stop, spoken.stop, listen(model, "change:data change:state", update)];
  return () => {
    clearInterval(timer);
    stops.forEach((end) => end());
    root.remove();
  };
}

// A section with a row for each thing; rows are kept from message to message, so that nothing flickers.
function section(title, nothing, makeRow) {
  const list = element("ul", { class: "lv-rows", "aria-label": title });
  const empty = element("p", { class: "lv-note" }, nothing);
  const more = element("p", { class: "lv-note", hidden: true });
  const node = element("section", { "aria-label": title }, element("h4", {}, title), list, empty, more);
  const rows = new Map();
  return {
    node,
    list,
    rows,
    show(things, left, spareNothing = false) {
      const wanted = things.map((thing) => {
        if (!rows.has(thing.id)) rows.set(thing.id, makeRow());
        const row = rows.get(thing.id);
        row.update(thing);
        return row.node;
      });
      const ids = new Set(things.map((thing) => thing.id));
      for (const id of [...rows.keys()]) if (!ids.has(id)) rows.delete(id);
      const same = wanted.length === list.childElementCount && wanted.every((row, i) => list.children[i] === row);
      if (!same) list.replaceChildren(...wanted);
      list.hidden = !things.length;
      if (things.length > FEW) list.setAttribute("tabindex", "0"); // It scrolls, by the keyboard too.
      else list.removeAttribute("tabindex");
      empty.hidden = things.length > 0 || spareNothing;
      more.hidden = !left;
      setText(more, left ? `and ${left.toLocaleString("en")} more` : "");
    },
    tick(now) {
      for (const row of rows.values()) row.tick(now);
    },
  };
}

// A bar with a name and a value that is also said in words.
function meter() {
  const fill = element("div", { class: "lv-fill" });
  const node = element("div", { class: "lv-meter", role: "meter", "aria-valuemin": 0 }, fill);
  return {
    node,
    set(label, value, most, words) {
      const share = most > 0 ? Math.max(0, Math.min(1, value / most)) : 0;
      fill.style.width = `${100 * share}%`;
      const told = { "aria-label": label, "aria-valuemax": most, "aria-valuenow": value, "aria-valuetext": words };
      for (const [name, text] of Object.entries(told)) {
        if (node.getAttribute(name) !== String(text)) node.setAttribute(name, text);
      }
    },
  };
}

// --- Token buckets ---

function bucketSection(title, nothing) {
  const found = section(title, nothing, bucketRow);
  return {
    node: found.node,
    tick: found.tick,
    update: (data) => found.show(data.buckets, data.more.buckets),
    words: () => {
      const empty = [...found.rows.values()].filter((row) => row.isEmpty()).length;
      return empty ? `${plural(empty, "token bucket")} empty.` : "";
    },
  };
}

function bucketRow() {
  const name = element("p", { class: "lv-name" });
  const bar = meter();
  const level = element("p", { class: "lv-value" });
  const state = element("p", { class: "lv-state" });
  const note = element("p", { class: "lv-note" });
  const node = element("li", {}, name, level, state, bar.node, note);
  let bucket = null;
  let tokens = 0;
  return {
    node,
    isEmpty: () => tokens < 1,
    update(found) {
      bucket = found;
      setText(name, bucket.scope ? `${bucket.owner}: ${bucket.scope}` : bucket.owner);
      const flow = `${bucket.rate.toLocaleString("en")} a second flow in`;
      const asked = `${bucket.passed.toLocaleString("en")} let through, ${bucket.throttled.toLocaleString("en")} throttled`;
      setText(note, `${flow} · ${asked}`);
    },
    tick({ real }) {
      tokens = bucket.rate > 0 ? Math.min(bucket.burst, bucket.level + real * bucket.rate) : 0;
      const full = tokens >= bucket.burst && bucket.burst > 0;
      const shown = full ? bucket.burst : Math.floor(10 * tokens) / 10;
      const words = `${full ? shown : shown.toFixed(1)} of ${bucket.burst.toLocaleString("en")} tokens`;
      setText(level, words);
      setText(state, full ? "● full" : tokens < 1 ? "■ empty: the next request is throttled" : "▲ filling");
      node.classList.toggle("lv-empty", tokens < 1);
      bar.set(`Tokens of ${name.textContent}`, shown, bucket.burst, words);
    },
  };
}

// --- Quotas ---

function quotaSection(title, nothing) {
  const found = section(title, nothing, quotaRow);
  return {
    node: found.node,
    tick: found.tick,
    update: (data) => found.show(data.quotas, data.more.quotas),
    words: () => {
      const empty = [...found.rows.values()].filter((row) => row.isEmpty()).length;
      return empty ? `${plural(empty, "quota")} used up.` : "";
    },
  };
}

function quotaRow() {
  const name = element("p", { class: "lv-name" });
  const bar = meter();
  const left = element("p", { class: "lv-value" });
  const state = element("p", { class: "lv-state" });
  const note = element("p", { class: "lv-note" });
  const node = element("li", {}, name, left, state, bar.node, note);
  let quota = null;
  return {
    node,
    isEmpty: () => quota.left <= 0,
    update(found) {
      quota = found;
      const words = `${quota.left.toLocaleString("en")} left of ${quota.limit.toLocaleString("en")}`;
      setText(name, quota.owner);
      setText(left, words);
      setText(state, quota.left <= 0 ? "■ used up: the next request is refused" : "");
      node.classList.toggle("lv-empty", quota.left <= 0);
      bar.set(`Quota of ${quota.owner}`, quota.left, Math.max(quota.limit, quota.left), words);
    },
    tick({ lab }) {
      const period = { DAY: "today", WEEK: "this week" }[quota.period] ?? "this month";
      const again = `begins anew in ${duration(quota.resets_at - lab)} (${moment(quota.resets_at)})`;
      setText(note, `${quota.used.toLocaleString("en")} used ${period} · ${again}`);
    },
  };
}

// --- What waits for its next try ---

function retrySection(title, nothing) {
  const found = section(title, nothing, retryRow);
  const ended = section("Ended", "", retryRow);
  const summary = element("summary");
  const old = element("details", { class: "lv-ended-ones" }, summary, ended.list);
  found.node.append(old);
  let waiting = 0;
  return {
    node: found.node,
    tick: (now) => found.tick(now),
    update(data) {
      waiting = data.waiting.length;
      found.show(data.waiting, data.more.waiting);
      ended.show(data.ended, 0, true);
      old.hidden = !data.ended.length;
      const last = data.ended[0];
      setText(summary, last ? `Ended lately: ${data.ended.length}; the newest: ${last.end}` : "");
    },
    words: () => (waiting ? `${plural(waiting, "thing")} to be tried again.` : ""),
  };
}

function retryRow() {
  const name = element("p", { class: "lv-name" });
  const when = element("p", { class: "lv-value" });
  const why = element("p", { class: "lv-note" });
  const node = element("li", {}, name, when, why);
  let retry = null;
  return {
    node,
    update(found) {
      retry = found;
      setText(name, `${retry.source} ${retry.what} → ${retry.target}`);
      const tried = `tried ${retry.tries === 1 ? "once" : `${retry.tries} times`}`;
      setText(why, retry.reason ? `${tried} · the last failure: ${retry.reason}` : tried);
      node.dataset.state = retry.state;
      if (retry.end) setText(when, `${SIGNS[retry.state]} ${retry.end}`);
    },
    tick({ lab }) {
      if (retry.state === "running") setText(when, `${SIGNS.running} try ${retry.tries} runs`);
      if (retry.state !== "waiting") return;
      const next = `${SIGNS.waiting} try ${retry.tries + 1}`;
      const due = retry.due === null || retry.due <= lab;
      setText(when, due ? `${next} is due` : `${next} in ${duration(retry.due - lab)}`);
    },
  };
}

// --- Weights ---

function weightSection(title, nothing) {
  const found = section(title, nothing, weightRow);
  return {
    node: found.node,
    tick: () => {},
    update: (data) => found.show(data.weights, data.more.weights),
    words: () => "",
  };
}

function weightRow() {
  const name = element("p", { class: "lv-name" });
  const calls = element("p", { class: "lv-value" });
  const bars = element("div", { class: "lv-bars", "aria-hidden": "true" });
  const list = element("ul", { class: "lv-shares" });
  const node = element("li", {}, name, calls, bars, list);
  return {
    node,
    update(weights) {
      const all = weights.shares.reduce((sum, share) => sum + share.calls, 0);
      setText(name, weights.owner);
      setText(calls, plural(all, "call"));
      const drawn = (label, shares) =>
        element(
          "div",
          { class: "lv-bar-row" },
          element("span", { class: "lv-note" }, label),
          element(
            "div",
            { class: "lv-bar" },
            ...shares.map((share, i) => {
              const part = element("div", { class: `lv-part lv-part-${Math.min(i, 2)}` });
              part.style.width = `${100 * share}%`;
              return part;
            }),
          ),
        );
      bars.replaceChildren(
        drawn("set", weights.shares.map((share) => share.configured)),
        drawn("got", weights.shares.map((share) => (all ? share.calls / all : 0))),
      );
      list.replaceChildren(
        ...weights.shares.map((share, i) =>
          element(
            "li",
            {},
            element("span", { class: `lv-key lv-part-${Math.min(i, 2)}`, "aria-hidden": "true" }),
            `${share.name}: set to ${percent(share.configured)}, got ${share.calls.toLocaleString("en")}`,
            all ? ` (${percent(share.calls / all)})` : "",
          ),
        ),
      );
    },
  };
}

function percent(share) {
  return `${Math.round(1000 * share) / 10}%`;
}

function moment(seconds) {
  return `${new Date(1000 * seconds).toISOString().slice(0, 19).replace("T", " ")} UTC`;
}

function duration(seconds) {
  const left = Math.max(0, Math.ceil(seconds));
  const [days, hours, minutes] = [Math.floor(left / 86400), Math.floor(left / 3600) % 24, Math.floor(left / 60) % 60];
  if (days) return `${days} d ${hours} h`;
  if (hours) return `${hours} h ${minutes} min`;
  return minutes ? `${minutes} min ${left % 60} s` : `${left} s`;
}

export default { render };
