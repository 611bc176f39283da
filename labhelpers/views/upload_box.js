// The upload box. A file goes to the kernel in pieces, a few ahead of what the kernel says that it has.

const PIECE_BYTES = 1024 * 1024;
const AHEAD_BYTES = 4 * PIECE_BYTES;
const PATIENCE_MS = 1500; // Without an answer for so long, the kernel is busy with a cell.

function render({ model, el }) {
  const box = new UploadView(model, el);
  return () => box.stop();
}

class UploadView {
  constructor(model, el) {
    this.model = model;
    this.sending = new Map();
    this.queue = [];
    this.frame = frame(model, el, `Upload to the bucket ${model.get("bucket")}`, "lv-upload");
    this.build();
    this.frame.root.addEventListener("lv-ended", () => this.giveUp());
    this.onMessage = (message) => this.hear(message);
    model.on("msg:custom", this.onMessage);
    this.stops = [this.frame.stop, this.announcer.stop, listen(model, "change:uploads", () => this.list())];
  }

  stop() {
    for (const [id, { timer }] of this.sending) {
      clearTimeout(timer);
      this.model.send({ type: "cancel", id });
    }
    this.model.off("msg:custom", this.onMessage);
    this.stops.forEach((stop) => stop());
    this.frame.root.remove();
  }

  build() {
    const { bucket, prefix } = { bucket: this.model.get("bucket"), prefix: this.model.get("prefix") };
    const megabytes = Math.floor(this.model.get("max_bytes") / 1024 ** 2);
    this.input = element("input", { type: "file", multiple: true, class: "lv-unseen", tabindex: "-1", "aria-hidden": "true" });
    this.input.addEventListener("change", () => this.choose(this.input.files));
    this.zone = element(
      "div",
      { class: "lv-drop" },
      element("button", { type: "button", class: "lv-main", onclick: () => this.input.click() }, "Choose files…"),
      element("span", { class: "lv-note" }, `or drop them here, up to ${megabytes} MB each`),
      this.input,
    );
    for (const type of ["dragenter", "dragover"]) this.zone.addEventListener(type, (event) => this.drag(event, true));
    for (const type of ["dragleave", "drop"]) this.zone.addEventListener(type, (event) => this.drag(event, false));
    this.zone.addEventListener("drop", (event) => this.choose(event.dataTransfer.files));
    this.progress = element("div", { class: "lv-sending" });
    this.announcer = announcer(300);
    this.rows = element("tbody");
    this.table = element(
      "table",
      {},
      element("caption", { class: "lv-unseen" }, "Uploads of this box, newest first"),
      element("thead", {}, element("tr", {}, ...["Time", "Key", "Size", "Result"].map((name) => element("th", { scope: "col" }, name)))),
      this.rows,
    );
    this.frame.root.append(
      element("div", { class: "lv-head" }, element("h3", {}, "Upload to"), element("code", { class: "lv-mono" }, `s3://${bucket}/${prefix}`)),
      this.zone,
      this.progress,
      this.table,
      this.announcer.node,
    );
  }

  drag(event, over) {
    event.preventDefault();
    event.stopPropagation();
    this.zone.classList.toggle("lv-over", over);
  }

  list() {
    const uploads = this.model.get("uploads");
    this.table.hidden = !uploads.length;
    if (this.shown && uploads.length) this.announcer.tell(`${uploads[0].key}: ${uploads[0].error || "uploaded"}`);
    this.shown = true;
    this.rows.replaceChildren(
      ...uploads.map((upload) =>
        element(
          "tr",
          { class: upload.error ? "lv-failed" : "lv-stored" },
          element("td", {}, upload.at),
          element("td", { class: "lv-mono" }, upload.key),
          element("td", { class: "lv-number" }, bytesText(upload.size)),
          element("td", {}, upload.error ? `✗ ${upload.error}` : "✓ uploaded"),
        ),
      ),
    );
  }

  // --- Sending: one file after the other ---

  choose(files) {
    this.queue.push(...files);
    this.input.value = "";
    this.next();
  }

  next() {
    if (this.sending.size || !this.queue.length) return;
    const file = this.queue.shift();
    if (file.size > this.model.get("max_bytes")) return this.refuse(file);
    const id = `${Date.now()}-${Math.random()}`;
    const bar = element("progress", { max: Math.max(1, file.size), value: 0, "aria-label": `Sending ${file.name}` });
    const note = element("span", { class: "lv-note" });
    const cancel = element("button", { type: "button", onclick: () => this.cancel(id) }, "Cancel");
    const row = element("div", { class: "lv-file" }, element("span", { class: "lv-mono" }, file.name), bar, note, cancel);
    this.progress.append(row);
    this.sending.set(id, { file, bar, note, row, sent: 0, received: 0, reading: false, timer: null });
    this.model.send({ type: "begin", id, name: file.name, size: file.size });
    this.wait(id);
  }

  refuse(file) {
    const megabytes = Math.floor(this.model.get("max_bytes") / 1024 ** 2);
    const text = `${file.name} has ${bytesText(file.size)}, and this box takes up to ${megabytes} MB; larger files go to S3 in parts: boto3's upload_file does that.`;
    const gone = () => note.remove();
    const note = element("div", { class: "lv-file lv-refused", role: "alert" }, text, element("button", { type: "button", onclick: gone }, "Dismiss"));
    this.progress.append(note);
    this.next();
  }

  wait(id) {
    const item = this.sending.get(id);
    clearTimeout(item.timer);
    item.timer = setTimeout(() => setText(item.note, "waiting for the kernel, which is busy…"), PATIENCE_MS);
  }

  async hear(message) {
    const item = this.sending.get(message.id);
    if (!item) return;
    if (message.type !== "received") return this.done(message.id);
    item.bar.value = message.bytes;
    setText(item.note, message.bytes < item.file.size ? `${bytesText(message.bytes)} of ${bytesText(item.file.size)}` : "storing in S3…");
    clearTimeout(item.timer);
    if (message.bytes < item.file.size) this.wait(message.id);
    item.received = message.bytes;
    if (!item.reading) await this.send(message.id, item);
  }

  async send(id, item) {
    item.reading = true;
    while (item.sent < item.file.size && item.sent - item.received < AHEAD_BYTES) {
      const piece = await item.file.slice(item.sent, item.sent + PIECE_BYTES).arrayBuffer();
      if (!this.sending.has(id)) return;
      item.sent += piece.byteLength;
      this.model.send({ type: "piece", id }, undefined, [piece]);
    }
    item.reading = false;
  }

  cancel(id) {
    this.model.send({ type: "cancel", id });
    this.done(id);
  }

  // Nobody is there to take the rest.
  giveUp() {
    this.queue = [];
    for (const { timer } of this.sending.values()) clearTimeout(timer);
    for (const { file } of this.sending.values()) this.announcer.tell(`${file.name}: not uploaded`);
    this.sending.clear();
    this.progress.replaceChildren();
    this.zone.hidden = true;
  }

  done(id) {
    const { row, timer } = this.sending.get(id);
    clearTimeout(timer);
    row.remove();
    this.sending.delete(id);
    this.next();
  }
}

function bytesText(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  if (bytes < 1024 ** 2) return `${(bytes / 1024).toFixed(1)} KB`;
  return `${(bytes / 1024 ** 2).toFixed(1)} MB`;
}

export default { render };
