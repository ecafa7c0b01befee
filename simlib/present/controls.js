// A labelled native input; what it means is the kernel's business.

let count = 0;

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

function send(model, name, value) {
  model.set(name, value);
  model.save_changes();
}

// Calls `show` now and at each change of these traits; returns what ends that.
function follow(model, names, show) {
  const events = names.map((name) => `change:${name}`);
  events.forEach((event) => model.on(event, show));
  show();
  return () => events.forEach((event) => model.off(event, show));
}

function slider(model, id) {
  const texts = model.get("texts");
  const types = model.get("typed") !== "";
  const range = make("input", { type: "range", id, min: 0, max: texts.length - 1, step: 1 });
  const readout = types ? box(model, `${id}-box`) : make("output", { className: "control-readout" });
  const say = (text) => {
    range.setAttribute("aria-valuetext", text);
    if (types) readout.value = text;
    else readout.textContent = text;
  };
  range.addEventListener("input", () => say(texts[range.value]));
  range.addEventListener("change", () => send(model, "position", Number(range.value)));
  const show = () => {
    range.value = model.get("position");
    say(types ? model.get("typed") : texts[model.get("position")]);
  };
  if (types) readout.setAttribute("aria-label", `${model.get("label")}, typed`);
  return { parts: [range, readout], end: follow(model, ["position", "typed"], show) };
}

function box(model, id) {
  const input = make("input", { type: "text", id, autocomplete: "off" });
  if (model.get("kind") !== "text") input.inputMode = "decimal";
  const enter = () => send(model, "typed", input.value);
  input.addEventListener("change", enter);
  input.addEventListener("keydown", (event) => event.key === "Enter" && enter());
  return input;
}

function number(model, id) {
  const input = box(model, id);
  const show = () => (input.value = model.get("typed"));
  return { parts: [input], end: follow(model, ["typed"], show) };
}

function choice(model, id) {
  const options = model.get("texts").map((text) => make("option", { textContent: text }));
  const select = make("select", { id }, ...options);
  select.addEventListener("change", () => send(model, "position", select.selectedIndex));
  const show = () => (select.selectedIndex = model.get("position"));
  return { parts: [select], end: follow(model, ["position"], show) };
}

const KINDS = { slider, choice, box: number, text: number };

function render({ model, el }) {
  const id = `simlib-control-${++count}`;
  const { parts, end } = KINDS[model.get("kind")](model, id);
  const label = make("label", { htmlFor: id, textContent: model.get("label") });
  const note = make("div", { className: "control-note", id: `${id}-note`, role: "alert" });
  label.title = model.get("hint");
  // Or JupyterLab takes the keys: it looks for the mark first, and listens further up the page.
  el.dataset.lmSuppressShortcuts = "true";
  el.addEventListener("keydown", (event) => event.stopPropagation());
  el.classList.add("control");
  el.append(label, make("div", { className: "control-parts" }, ...parts), note);
  const typing = parts.find((part) => part.type === "text");
  const endNote = follow(model, ["note"], () => {
    note.textContent = model.get("note");
    typing?.setAttribute("aria-invalid", String(note.textContent !== ""));
    typing?.setAttribute("aria-describedby", note.id);
  });
  return () => {
    end();
    endNote();
  };
}

export default { render };
