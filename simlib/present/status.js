// Reset and Stop, a bar, and a line that is read aloud when it changes.

function render({ model, el }) {
  const make = (tag, properties) => Object.assign(document.createElement(tag), properties);
  const reset = make("button", { className: "panel-reset", textContent: "Reset" });
  reset.title = "back to where the controls stood";
  reset.onclick = () => model.send("reset");
  const stop = make("button", { className: "panel-stop", textContent: "Stop" });
  stop.title = "end this run";
  // A message would wait until the run is over; an interrupt does not.
  stop.onclick = () => model.widget_manager.kernel?.interrupt();
  const bar = make("progress", { max: 1, ariaHidden: "true" });
  const status = make("span", { className: "panel-status", role: "status" });
  el.classList.add("panel-line");
  el.append(...(model.get("stops") ? [reset, stop, bar, status] : [reset, status]));
  const show = () => {
    stop.disabled = !model.get("running");
    bar.value = model.get("part");
    status.textContent = model.get("value");
  };
  const events = ["change:running", "change:part", "change:value"];
  events.forEach((event) => model.on(event, show));
  show();
  return () => events.forEach((event) => model.off(event, show));
}

export default { render };
