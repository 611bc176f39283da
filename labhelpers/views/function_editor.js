// An editor for a handler. Tab indents, so the way out by keyboard is Escape and then Tab; the hint says so.

const INDENT = "    ";

function render({ model, el }) {
  const name = model.get("function_name");
  const { root, stop } = frame(model, el, `Edit the code of the function ${name}`, "lv-editor");
  const id = `lv-editor-${Math.random().toString(36).slice(2)}`;
  const numbers = element("pre", { class: "lv-mono lv-numbers", "aria-hidden": "true" });
  const text = element("textarea", {
    id,
    class: "lv-mono",
    spellcheck: "false",
    autocapitalize: "off",
    autocomplete: "off",
    wrap: "off",
    "aria-describedby": `${id}-hint`,
  });
  const deploy = element("button", { type: "button", class: "lv-main" }, "Save and deploy");
  const reload = element("button", { type: "button" }, "Reload");
  const state = element("span", { class: "lv-note lv-edit-state" });
  const busy = element("div", { class: "lv-busy", role: "progressbar", "aria-label": "Deploying", hidden: true });
  const result = element("p", { class: "lv-result", role: "status" });
  root.append(
    element(
      "div",
      { class: "lv-head" },
      element("h3", {}, "Edit"),
      element("label", { for: id, class: "lv-mono" }, model.get("path")),
      element("span", { class: "lv-note" }, `code of the function ${name}`),
      state,
    ),
    element("div", { class: "lv-sheet" }, numbers, text),
    busy,
    element(
      "div",
      { class: "lv-row" },
      deploy,
      reload,
      element("span", { class: "lv-note", id: `${id}-hint` }, "Tab indents; Esc, then Tab, leaves the editor. Ctrl+Enter deploys."),
    ),
    result,
  );

  const changed = () => {
    const lines = text.value.split("\n").length;
    setText(numbers, Array.from({ length: lines }, (_, index) => index + 1).join("\n"));
    text.rows = Math.min(26, Math.max(6, lines + 1));
    const deployed = model.get("deployed_code");
    const fresh = deployed === null ? model.get("code") : deployed;
    setText(state, text.value === fresh ? (deployed === null ? "" : "deployed") : "● changed, not deployed");
  };
  const send = (type) => {
    if (model.get("busy")) return;
    // Also before a reload: only a text that the kernel knows of is replaced by the file's.
    model.set("code", text.value);
    model.save_changes();
    model.send({ type });
  };
  text.addEventListener("input", changed);
  text.addEventListener("scroll", () => (numbers.scrollTop = text.scrollTop));
  keepIndent(text, () => send("deploy"));
  deploy.addEventListener("click", () => send("deploy"));
  reload.addEventListener("click", () => send("reload"));

  const stops = [
    stop,
    listen(model, "change:code", () => {
      if (text.value !== model.get("code")) text.value = model.get("code");
      changed();
    }),
    listen(model, "change:deployed_code", changed),
    listen(model, "change:result", () => setText(result, model.get("result") && `✓ ${model.get("result")}`)),
    listen(model, "change:busy", () => {
      deploy.disabled = reload.disabled = model.get("busy");
      busy.hidden = !model.get("busy");
    }),
  ];
  return () => {
    stops.forEach((end) => end());
    root.remove();
  };
}

// Tab and Shift+Tab indent the line or the selected lines, Enter keeps the indent; Escape gives Tab back to the page once.
function keepIndent(text, onDeploy) {
  let leaving = false;
  text.addEventListener("blur", () => (leaving = false));
  text.addEventListener("keydown", (event) => {
    if (event.key === "Escape") {
      leaving = true;
      return;
    }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) {
      event.preventDefault();
      onDeploy();
    } else if (event.key === "Tab" && !leaving && !event.ctrlKey && !event.altKey) {
      event.preventDefault();
      if (event.shiftKey || text.value.slice(text.selectionStart, text.selectionEnd).includes("\n")) shiftLines(text, event.shiftKey);
      else type(text, INDENT);
    } else if (event.key === "Enter") {
      event.preventDefault();
      const before = text.value.slice(0, text.selectionStart).split("\n").pop();
      const deeper = before.trimEnd().endsWith(":") ? INDENT : "";
      type(text, `\n${before.match(/^[ \t]*/)[0]}${deeper}`);
    }
    if (event.key !== "Shift" && event.key !== "Tab") leaving = false;
  });
}

// Put words in at the cursor as if typed, so that the browser's undo knows of them.
function type(text, words) {
  if (!document.execCommand("insertText", false, words)) {
    text.setRangeText(words, text.selectionStart, text.selectionEnd, "end");
    text.dispatchEvent(new Event("input"));
  }
}

function shiftLines(text, outwards) {
  const { selectionStart, selectionEnd, value } = text;
  const from = value.lastIndexOf("\n", selectionStart - 1) + 1;
  const lines = value.slice(from, selectionEnd).split("\n");
  const shifted = lines.map((line) => (outwards ? line.replace(/^ {1,4}|^\t/, "") : line ? INDENT + line : line));
  text.setSelectionRange(from, selectionEnd);
  type(text, shifted.join("\n"));
  if (lines.length > 1) text.setSelectionRange(from, from + shifted.join("\n").length);
}

export default { render };
