// A request on top, its answer below. The kernel sends it; the form goes there when the button is pressed.

const METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];

function render({ model, el }) {
  const { root, stop } = frame(model, el, "API console", "lv-api-console");
  const id = `lv-api-${Math.random().toString(36).slice(2)}`;
  const labelled = (name, text, control) => {
    control.id = `${id}-${name}`;
    return element("div", { class: `lv-field lv-${name}` }, element("label", { for: control.id, class: "lv-note" }, text), control);
  };
  const api = element("select");
  const stage = element("select");
  const route = element("select");
  const method = element("select", {}, ...METHODS.map((name) => element("option", { value: name }, name)));
  const path = element("input", { type: "text", class: "lv-mono", spellcheck: "false", autocomplete: "off" });
  const headers = element("textarea", { class: "lv-mono", rows: 3, spellcheck: "false", placeholder: "Name: value" });
  const key = element("input", { type: "text", class: "lv-mono", spellcheck: "false", autocomplete: "off" });
  const body = element("textarea", { class: "lv-mono", rows: 3, spellcheck: "false" });
  const send = element("button", { type: "button", class: "lv-main" }, "Send");
  const hint = element("p", { class: "lv-note" });
  const more = element(
    "details",
    {},
    element("summary", {}, "Headers, API key, body"),
    element(
      "div",
      { class: "lv-more" },
      labelled("headers", "Headers, one on each line", headers),
      labelled("body", "Body", body),
      labelled("key", "API key (sent as x-api-key)", key),
    ),
  );
  const busy = element("div", { class: "lv-busy", role: "progressbar", "aria-label": "Waiting for the answer", hidden: true });
  const headline = element("p", { class: "lv-headline", role: "status" });
  const answer = element("section", { "aria-label": "Answer", hidden: true });
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "API console"), hint),
    element("div", { class: "lv-row" }, labelled("api", "API", api), labelled("stage", "Stage", stage), labelled("route", "Route", route)),
    element("div", { class: "lv-row" }, labelled("method", "Method", method), labelled("path", "Path below the stage, with the query", path), send),
    more,
    busy,
    headline,
    answer,
  );

  const chosenApi = () => model.get("apis").find((each) => each.id === model.get("chosen").api);
  const routeOf = () => chosenApi()?.routes[Number(route.value)];
  const takeRoute = () => {
    const chosen = routeOf();
    if (!chosen) return;
    method.value = chosen.method === "ANY" ? "GET" : chosen.method;
    path.value = chosen.path || "/";
    if (chosen.needs_key || ["POST", "PUT", "PATCH"].includes(method.value)) more.open = true;
    showHint();
  };
  const ended = () => model.get("state") === "ended";
  const showHint = () => {
    const chosen = chosenApi();
    if (ended()) return setText(hint, "The lab has ended.");
    if (!model.get("apis").length) return setText(hint, "There is no REST or HTTP API yet; those that you make appear here.");
    if (chosen && !chosen.stages.length) return setText(hint, "This API has no stage: it is not published, so nobody can call it.");
    setText(hint, routeOf()?.needs_key ? "This method asks for an API key." : "");
  };
  const choose = (values) => {
    model.set("chosen", { ...model.get("chosen"), ...values });
    model.save_changes();
  };
  const post = () => {
    if (model.get("busy") || send.disabled) return;
    const form = { method: method.value, path: path.value, headers: headers.value, key: key.value, body: body.value };
    model.send({ type: "send", form });
  };
  api.addEventListener("change", () => {
    const found = model.get("apis").find((each) => each.id === api.value);
    choose({ api: api.value, stage: found?.stages[0]?.name ?? "" });
    takeRoute();
  });
  stage.addEventListener("change", () => choose({ stage: stage.value }));
  route.addEventListener("change", takeRoute);
  send.addEventListener("click", post);
  root.addEventListener("keydown", (event) => {
    const inPath = event.key === "Enter" && event.target === path;
    if (!inPath && !(event.key === "Enter" && (event.ctrlKey || event.metaKey))) return;
    event.preventDefault();
    post();
  });

  let untouched = true;
  // The route that the form's method and path take, as far as the page can tell.
  const showRoute = () => {
    const { method: name, path: asked } = model.get("form");
    const pieces = asked.split("?")[0].split("/");
    const fits = (each) => {
      const wanted = each.path.split("/");
      const same = wanted.every((piece, n) => (piece.startsWith("{") ? pieces[n] : piece === pieces[n]));
      return ["ANY", name].includes(each.method) && same && (wanted.length === pieces.length || each.path.endsWith("+}"));
    };
    const found = chosenApi()?.routes.findIndex(fits) ?? -1;
    if (found >= 0) route.value = String(found);
  };
  function updateChoice() {
    const chosen = chosenApi();
    setOptions(api, model.get("apis").map((each) => [each.id, `${each.name} (${each.kind}, ${each.id})`]), model.get("chosen").api);
    setOptions(stage, (chosen?.stages ?? []).map(({ name }) => [name, name]), model.get("chosen").stage);
    const routes = (chosen?.routes ?? []).map((each, index) => [String(index), each.path ? `${each.method} ${each.path}` : "$default"]);
    setOptions(route, routes, route.value);
    send.disabled = ended() || model.get("busy") || !chosen?.stages.length;
    if (untouched && routes.length && model.get("form").path === "/") takeRoute();
    if (routes.length) untouched = false;
    if (model.get("form").path !== "/") showRoute();
    showHint();
  }
  const stops = [
    stop,
    listen(model, "change:form", () => {
      const form = model.get("form");
      for (const [name, control] of Object.entries({ method, path, headers, key, body })) {
        if (control.value !== form[name]) control.value = form[name];
      }
      if (form.headers || form.key || form.body) more.open = true;
      updateChoice();
    }),
    listen(model, "change:apis change:chosen change:state", updateChoice),
    listen(model, "change:busy", () => {
      busy.hidden = !model.get("busy");
      send.disabled = ended() || model.get("busy") || !chosenApi()?.stages.length;
    }),
    listen(model, "change:shown", () => showExchange(headline, answer, model.get("shown"))),
  ];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

function setOptions(select, options, value) {
  const wanted = options.map(([key, text]) => `${key}\n${text}`).join("\n\n");
  if (select.dataset.options !== wanted) {
    select.dataset.options = wanted;
    select.replaceChildren(...options.map(([key, text]) => element("option", { value: key }, text)));
    select.disabled = !options.length;
  }
  if (options.some(([key]) => key === value)) select.value = value;
}

function showExchange(headline, section, shown) {
  const { answer } = shown;
  const failed = answer && answer.status >= 400;
  setText(headline, answer ? `${failed ? "✗" : "✓"} ${answer.headline}` : "");
  headline.classList.toggle("lv-failed", Boolean(failed));
  section.hidden = !answer;
  if (!answer) return section.replaceChildren();
  const closed = new Set([...section.querySelectorAll("details:not([open])")].map((part) => part.dataset.part));
  const part = (name, title, ...children) => {
    const node = element("details", { open: !closed.has(name) }, element("summary", {}, title), ...children);
    node.dataset.part = name;
    return node;
  };
  const block = (label, text) => element("pre", { class: "lv-mono", tabindex: "0", role: "region", "aria-label": label }, text);
  const rows = answer.headers.map(([name, value]) => element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, value)));
  const event = shown.event
    ? part("event", `The event that ${shown.function} got${shown.event_is_cut ? " (its beginning)" : ""}`, block("Event", shown.event))
    : element("p", { class: "lv-note" }, "No function has got an event of this request.");
  section.replaceChildren(
    element("p", { class: "lv-mono lv-sent" }, shown.request),
    element(
      "div",
      { class: "lv-halves" },
      element(
        "div",
        {},
        part("body", "Body", answer.body ? block("Body of the answer", answer.body) : element("p", { class: "lv-note" }, "empty")),
        part("headers", "Headers", element("table", {}, element("tbody", {}, ...rows))),
      ),
      element(
        "div",
        {},
        event,
        part("steps", "What the journal says", block("Steps", shown.steps.join("\n") || "nothing yet")),
        shown.log === null ? null : part("log", "Execution log", block("Execution log", shown.log.join("\n") || "nothing of this request")),
      ),
    ),
  );
}

export default { render };
