// A form that calls a function. The text goes to the kernel when the button is pressed, and the answer comes as `result`.

function render({ model, el }) {
  const { root, stop } = frame(model, el, `Call the function ${model.get("function_name")}`, "lv-form");
  const id = `lv-form-${Math.random().toString(36).slice(2)}`;
  const samples = Object.entries(model.get("samples"));
  const select = element("select", { id: `${id}-sample` }, ...samples.map(([name]) => element("option", { value: name }, name)));
  const text = element("textarea", { id: `${id}-text`, class: "lv-mono", spellcheck: "false", rows: 8 });
  const invoke = element("button", { type: "button", class: "lv-main" }, "Invoke");
  const busy = element("div", { class: "lv-busy", role: "progressbar", "aria-label": "The function is running", hidden: true });
  const headline = element("p", { class: "lv-answer", role: "status" });
  const answer = element("section", { "aria-label": "Answer", hidden: true });
  const chooser = element("label", { for: `${id}-sample`, class: "lv-note" }, "Sample event");
  select.hidden = chooser.hidden = !samples.length;
  root.append(
    element("div", { class: "lv-head" }, element("h3", {}, "Call"), element("code", { class: "lv-mono" }, model.get("function_name"))),
    element("div", { class: "lv-row" }, chooser, select, invoke, element("span", { class: "lv-note" }, "or Ctrl+Enter in the event")),
    element("label", { for: `${id}-text`, class: "lv-note" }, "Event (JSON)"),
    text,
    busy,
    headline,
    answer,
  );

  const send = () => {
    if (model.get("busy")) return;
    model.set("text", text.value);
    model.save_changes();
    model.send({ type: "invoke" });
  };
  select.addEventListener("change", () => (text.value = model.get("samples")[select.value]));
  invoke.addEventListener("click", send);
  text.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      send();
    }
  });

  const stops = [
    stop,
    listen(model, "change:text", () => {
      if (text.value !== model.get("text")) text.value = model.get("text");
      text.rows = Math.min(16, Math.max(5, text.value.split("\n").length + 1));
      const chosen = samples.find(([, sample]) => sample === model.get("text"));
      if (chosen) select.value = chosen[0];
    }),
    listen(model, "change:busy", () => {
      invoke.disabled = model.get("busy");
      busy.hidden = !model.get("busy");
    }),
    listen(model, "change:result", () => showAnswer(headline, answer, model.get("result"))),
  ];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

function showAnswer(headline, section, result) {
  section.hidden = result.status === undefined;
  const failed = Boolean(result.function_error);
  setText(headline, section.hidden ? "" : `${failed ? "✗" : "✓"} ${result.headline}`);
  headline.classList.toggle("lv-failed", failed);
  if (section.hidden) return section.replaceChildren();
  const figures = Object.entries(result.figures).map(([name, value]) =>
    element("div", {}, element("dt", {}, name), element("dd", {}, value)),
  );
  section.replaceChildren(
    result.error_type ? errorPart(result) : element("pre", { class: "lv-mono lv-payload", tabindex: "0" }, result.payload),
    element("dl", { class: "lv-figures" }, ...figures),
    ...(result.log.length ? [logPart(result.log)] : []),
  );
}

function errorPart(result) {
  return element(
    "div",
    { class: "lv-error" },
    element("p", {}, element("strong", {}, `${result.error_type}: `), result.error_message),
    result.stack_trace.length
      ? element("pre", { class: "lv-mono", tabindex: "0", "aria-label": "Stack trace" }, result.stack_trace.map((line) => line.replace(/\n$/, "")).join("\n"))
      : null,
  );
}

function logPart(log) {
  const rows = log.map(({ kind, text }) =>
    element("tr", { class: `lv-log-${(kind || "line").toLowerCase()}` }, element("th", { scope: "row" }, kind || "log"), element("td", {}, text)),
  );
  return element(
    "div",
    { class: "lv-log", tabindex: "0", role: "group", "aria-label": "Log" },
    element("table", {}, element("caption", {}, "Log (its last 4 KB)"), element("tbody", {}, ...rows)),
  );
}

export default { render };
