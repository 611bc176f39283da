// A lane for each execution environment, and the curve of calls at once. All places are shares of the width, and come
// from the kernel; a stretch's shape tells its state, its colour only repeats it.

const CURVE_PX = 96;
const CURVE_TOP_PX = 20;
let drawings = 0;

function render({ model, el }) {
  const { root, stop } = frame(model, el, "Execution environments over time", "lv-environments");
  const hatch = `lv-init-${(drawings += 1)}`;
  const title = element("h3");
  const summary = element("p", { class: "lv-summary" });
  const lanes = element("ol", { class: "lv-lanes", "aria-label": "A lane for each execution environment" });
  const more = element("p", { class: "lv-note" });
  const most = element("span", { class: "lv-most" });
  const curve = svgElement("svg", { class: "lv-curve", height: CURVE_PX, role: "img" });
  const axis = svgElement("svg", { class: "lv-axis", height: 20, "aria-hidden": "true" });
  const words = element("pre", { class: "lv-mono" });
  const spoken = announcer(3000);
  root.append(
    element("div", { class: "lv-head" }, title),
    summary,
    legend(hatch),
    lanes,
    more,
    element("div", { class: "lv-lane" }, element("span", { class: "lv-name" }, most), curve),
    element("div", { class: "lv-lane" }, element("span", { class: "lv-name lv-note" }, "time"), axis),
    element("details", { class: "lv-note" }, element("summary", {}, "In words"), words),
    spoken.node,
  );

  let waiting = null;
  const draw = () => {
    waiting = null;
    const picture = model.get("picture");
    if (!picture.title) return;
    setText(title, picture.title);
    setText(summary, picture.summary);
    lanes.classList.toggle("lv-thin", picture.rows.length > 24);
    lanes.replaceChildren(...picture.rows.map((row) => lane(row, picture.folds, hatch)));
    setText(more, picture.left_out ? `and ${plural(picture.left_out, "earlier environment")}` : "");
    setText(most, picture.most ? `${picture.most} at once` : "");
    drawCurve(curve, picture);
    axis.replaceChildren(
      ...picture.ticks.map((tick) => svgElement("text", { x: percent(tick.x), y: 14, class: tick.x < 0.02 ? "lv-first" : false }, tick.label)),
    );
    setText(words, [picture.summary, ...picture.rows.map((row) => row.text)].join("\n"));
    spoken.tell(picture.summary);
  };
  const update = () => {
    if (waiting === null) waiting = requestAnimationFrame(draw);
  };
  const stops = [stop, spoken.stop, listen(model, "change:picture", update)];
  return () => {
    if (waiting !== null) cancelAnimationFrame(waiting);
    stops.forEach((end) => end());
    root.remove();
  };
}

function lane(row, folds, hatch) {
  const svg = svgElement("svg", { role: "img", "aria-label": row.text });
  svg.append(...folds.map(foldMark), ...row.bars.flatMap((bar) => drawBar(bar, hatch)));
  if (row.ended >= 0) svg.append(nested(row.ended, svgElement("rect", { x: -1, y: -5, width: 9, height: 10, class: "lv-over" })));
  return element("li", { class: "lv-lane", title: row.text }, element("span", { class: "lv-name", "aria-hidden": "true" }, row.name), svg);
}

function drawBar(bar, hatch) {
  const width = percent(bar.x1 - bar.x0);
  const box = (y, height, className, style) => svgElement("rect", { x: percent(bar.x0), width, y, height, class: className, style });
  const parts = [];
  if (bar.kind === "init") parts.push(box("10%", "80%", "lv-init", `fill: url(#${hatch})`));
  else if (bar.kind === "busy") parts.push(box("10%", "80%", "lv-busy-bar"));
  else parts.push(svgElement("line", { x1: percent(bar.x0), x2: percent(bar.x1), y1: "50%", y2: "50%", class: `lv-${bar.kind}` }));
  if (bar.failed) parts.push(nested(bar.x1, svgElement("path", { d: "M-5 -5L5 5M5 -5L-5 5", class: "lv-cross" })));
  return parts;
}

// A small drawing around the middle of a lane, at a share of the width.
function nested(x, ...shapes) {
  return svgElement("svg", { x: percent(x), y: "50%", overflow: "visible" }, ...shapes);
}

function foldMark(fold) {
  return svgElement("rect", { x: percent(fold.x0), width: percent(fold.x1 - fold.x0), y: 0, height: "100%", class: "lv-fold" });
}

function drawCurve(svg, { folds, curve, throttles, most, summary }) {
  const scale = (CURVE_PX - CURVE_TOP_PX) / Math.max(most, 1);
  svg.setAttribute("aria-label", `How many calls ran at once. ${summary}`);
  svg.replaceChildren(
    ...folds.flatMap((fold) => [
      foldMark(fold),
      svgElement("text", { x: percent((fold.x0 + fold.x1) / 2), y: 13, class: "lv-fold-label" }, fold.label),
    ]),
    ...curve.map(([x0, x1, count]) =>
      svgElement("rect", { x: percent(x0), width: percent(x1 - x0), y: CURVE_PX - count * scale, height: count * scale, class: "lv-count" }),
    ),
    svgElement("line", { x1: 0, x2: "100%", y1: CURVE_PX - 0.5, y2: CURVE_PX - 0.5, class: "lv-base" }),
    ...throttles.map(([x, number]) =>
      svgElement(
        "svg",
        { x: percent(x), y: 4, overflow: "visible" },
        svgElement("path", { d: "M0 0L6 11L-6 11Z", class: "lv-throttle" }, svgElement("title", {}, `${number} throttled`)),
      ),
    ),
  );
}

const SIGNS = [
  ["init", "INIT"],
  ["busy", "busy"],
  ["frozen", "frozen"],
  ["reset", "reset"],
];

function legend(hatch) {
  const pattern = svgElement(
    "pattern",
    { id: hatch, width: 6, height: 6, patternUnits: "userSpaceOnUse", patternTransform: "rotate(45)" },
    svgElement("rect", { width: 6, height: 6, class: "lv-hatch-ground" }),
    svgElement("rect", { width: 2.5, height: 6, class: "lv-hatch" }),
  );
  const signs = SIGNS.map(([kind, word]) => {
    const svg = svgElement("svg", { width: 34, height: 14, "aria-hidden": "true" });
    svg.append(...drawBar({ kind, x0: 0, x1: 1, failed: false }, hatch));
    return element("span", {}, svg, word);
  });
  const shapes = [
    [svgElement("path", { d: "M2 2L12 12M12 2L2 12", class: "lv-cross" }), "failed"],
    [svgElement("rect", { x: 2, y: 2, width: 9, height: 10, class: "lv-over" }), "ended"],
    [svgElement("path", { d: "M7 1L13 12L1 12Z", class: "lv-throttle" }), "throttled"],
    [svgElement("rect", { x: 1, y: 1, width: 12, height: 12, class: "lv-fold" }), "time folded: nothing ran"],
  ].map(([shape, word]) => element("span", {}, svgElement("svg", { width: 14, height: 14, "aria-hidden": "true" }, shape), word));
  return element(
    "p",
    { class: "lv-legend lv-note" },
    svgElement("svg", { width: 0, height: 0, "aria-hidden": "true" }, svgElement("defs", {}, pattern)),
    ...signs,
    ...shapes,
  );
}

function percent(share) {
  return `${(100 * share).toFixed(2)}%`;
}

export default { render };
