// Plays recorded moves: a dot for each thing on its way, a number for what is at each place.

const STRIDE = { moves: 5, stays: 4 };
const SPEEDS = [0.25, 0.5, 1, 2, 4, 8, 16];
const [FIRST, AGAIN, REPLY] = [0, 1, 2];
const COLOURS = { [FIRST]: "#2E9BD6", [AGAIN]: "#D55E00", [REPLY]: "#009E73" };
const ROW = 64; // pixels from one place to the one below it
const SQUARES = 10; // the most things at a place that are drawn one by one

function make(tag, properties = {}, ...children) {
  const element = Object.assign(document.createElement(tag), properties);
  element.append(...children);
  return element;
}

// The rows of a table of numbers. They are copied, for a Float32Array has to begin at its own.
function columns(view, stride) {
  const bytes = view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
  const numbers = new Float32Array(bytes);
  const rows = numbers.length / stride;
  return Array.from({ length: stride }, (_, column) =>
    Float32Array.from({ length: rows }, (_, row) => numbers[row * stride + column]),
  );
}

// How many of these, which are in order, are at most `value`.
function upTo(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= value) low = middle + 1;
    else high = middle;
  }
  return low;
}

// How many things of a sort are at a place, at any instant.
function counter([starts, ends, places, sorts], place, sort) {
  const here = (column) =>
    column.filter((_, row) => places[row] === place && sorts[row] === sort).sort();
  const [come, gone] = [here(starts), here(ends)];
  return (time) => upTo(come, time) - upTo(gone, time);
}

function inSeconds(time) {
  return `${time.toLocaleString("en", { maximumSignificantDigits: 4 })} s`;
}

function render({ model, el }) {
  const moves = columns(model.get("moves"), STRIDE.moves);
  const stays = columns(model.get("stays"), STRIDE.stays);
  const [starts, ends, origins, targets, sorts] = moves;
  const places = model.get("places");
  const [since, duration, longest] = ["since", "duration", "longest"].map((n) => model.get(n));
  const counters = places.map((_, place) => [FIRST, AGAIN].map((s) => counter(stays, place, s)));
  const middles = starts.map((start, row) => (start + ends[row]) / 2).sort();
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");

  let time = 0;
  let playing = null; // the frame that is asked for
  let last = null; // when the frame before was drawn (ms)
  const frames = []; // ms from one frame to the next, the latest thousand
  let drawings = 0;

  const canvas = make("canvas", { tabIndex: 0, className: "flow-picture" });
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", model.get("alt"));
  const play = make("button", { className: "flow-play" });
  const step = make("button", { className: "flow-step", textContent: "Step" });
  step.title = "to the next move";
  const speed = make("select", { className: "flow-speed" });
  for (const each of SPEEDS) speed.append(make("option", { value: each, textContent: `${each}×` }));
  speed.value = 1;
  const range = make("input", { type: "range", min: 0, max: duration, step: "any" });
  range.className = "flow-time";
  const when = make("span", { className: "flow-now", ariaHidden: "true" });
  const said = make("p", { className: "flow-said" });
  said.setAttribute("aria-live", "polite");
  const note = make("p", { className: "flow-note", textContent: model.get("caption") });
  const line = make(
    "div",
    { className: "panel-line" },
    play,
    step,
    make("label", {}, "speed ", speed),
    make("label", { className: "flow-when" }, "instant ", range, when),
  );
  // Or JupyterLab takes the keys: it looks for the mark first, and listens further up the page.
  el.dataset.lmSuppressShortcuts = "true";
  el.classList.add("simlib", "flow");
  el.append(canvas, line, said, note);

  let ink = "#000";
  let paper = "#fff";
  function look() {
    const style = getComputedStyle(el);
    ink = style.color;
    paper = style.getPropertyValue("--jp-layout-color1").trim() || "#fff";
    draw();
  }

  const rows = Math.max(...places.map((place) => place.rows));
  const at = (place, width) => [
    width * (0.09 + 0.82 * places[place].x),
    ROW * (0.5 + places[place].y * rows),
  ];

  function draw() {
    const begun = performance.now();
    const [width, height] = [canvas.clientWidth, ROW * rows];
    const scale = window.devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    canvas.style.height = `${height}px`;
    const to = canvas.getContext("2d");
    to.setTransform(scale, 0, 0, scale, 0, 0);
    to.clearRect(0, 0, width, height);
    const [x, y] = [0, 1].map((axis) => places.map((_, place) => at(place, width)[axis]));
    to.globalAlpha = 0.35;
    to.strokeStyle = ink;
    for (const [from, there] of model.get("ways")) {
      to.beginPath();
      to.moveTo(x[from], y[from]);
      to.lineTo(x[there], y[there]);
      to.stroke();
    }
    to.globalAlpha = 1;
    let drawn = 0;
    for (let row = upTo(starts, time - longest); row < starts.length; row++) {
      if (starts[row] > time) break;
      if (ends[row] <= time) continue;
      const part = (time - starts[row]) / (ends[row] - starts[row]);
      const [from, there] = [origins[row], targets[row]];
      // What comes back has a way of its own, beside that of what goes.
      const aside = x[there] < x[from] ? 7 : -7;
      to.fillStyle = COLOURS[sorts[row]];
      to.fillRect(
        x[from] + part * (x[there] - x[from]) - 5,
        y[from] + part * (y[there] - y[from]) - 5 + aside,
        10,
        10,
      );
      drawn++;
    }
    const wide = Math.min(132, (0.86 * width) / Math.max(1, model.get("columns")));
    places.forEach((place, number) => box(to, place, number, x[number], y[number], wide));
    drawings++;
    el.dataset.t = time;
    el.dataset.drawn = drawn;
    el.dataset.drawings = drawings;
    el.dataset.drawing = performance.now() - begun;
  }

  function box(to, place, number, x, y, wide) {
    const [first, again] = counters[number].map((count) => count(time));
    to.fillStyle = paper;
    to.strokeStyle = ink;
    to.lineWidth = 1.5;
    to.beginPath();
    to.roundRect(x - wide / 2, y - 24, wide, 48, place.role === "keeper" ? 2 : 10);
    to.fill();
    to.stroke();
    to.fillStyle = ink;
    to.font = `${wide < 100 ? 11 : 13}px sans-serif`;
    to.textAlign = "center";
    to.fillText(place.name, x, y - 7, wide - 8);
    if (place.role === "end") {
      to.fillText(again && first ? `${first} + ${again} again` : first + again, x, y + 14, wide - 8);
      return;
    }
    if (place.role !== "exchange") to.fillText(first + again, x - wide / 2 + 16, y + 14);
    for (let each = 0; each < Math.min(first + again, SQUARES); each++) {
      to.fillStyle = COLOURS[each < first ? FIRST : AGAIN];
      to.fillRect(x - wide / 2 + 30 + (each * (wide - 36)) / SQUARES, y + 5, 7, 9);
    }
  }

  function tell() {
    const here = places
      .map(({ name }, number) => [counters[number].map((count) => count(time)), name])
      .map(([[first, again], name]) => [first + again, `${first + again} at ${name}`])
      .filter(([there]) => there)
      .map(([, words]) => words);
    const ways = new Map();
    for (let row = upTo(starts, time - longest); row < starts.length; row++) {
      if (starts[row] > time) break;
      if (ends[row] <= time) continue;
      const way = `from ${places[origins[row]].name} to ${places[targets[row]].name}`;
      ways.set(way, (ways.get(way) || 0) + 1);
    }
    const going = [...ways].map(([way, times]) => `${times} ${way}`).join(", ");
    const staying = here.join(", ") || "nothing anywhere";
    said.textContent = `${inSeconds(since + time)}: ${staying}.${going && ` On the way: ${going}.`}`;
  }

  function show() {
    range.value = time;
    range.setAttribute("aria-valuetext", inSeconds(since + time));
    when.textContent = inSeconds(since + time);
    draw();
  }

  function go(there) {
    time = Math.min(Math.max(there, 0), duration);
    show();
    tell();
  }

  function stop() {
    if (playing !== null) cancelAnimationFrame(playing);
    playing = last = null;
    el.dataset.frame = [...frames].sort((a, b) => a - b)[frames.length >> 1] ?? "";
    label();
  }

  function frame(now) {
    if (last !== null) {
      frames.push(now - last);
      if (frames.length > 1000) frames.shift();
      el.dataset.frames = Number(el.dataset.frames || 0) + 1;
      // Away for long, as when the page was not in front, it does not jump ahead.
      const passed = Math.min(now - last, 250) / 1000;
      time += (passed * Number(speed.value) * duration) / model.get("seconds");
    }
    last = now;
    if (time >= duration) {
      stop();
      go(duration);
      return;
    }
    show();
    playing = requestAnimationFrame(frame);
  }

  function toggle() {
    if (calm.matches) onward();
    else if (playing !== null) {
      stop();
      tell();
    } else {
      if (time >= duration) time = 0;
      playing = requestAnimationFrame(frame);
      label();
    }
  }

  function onward() {
    stop();
    const next = upTo(middles, time);
    go(next < middles.length ? middles[next] : duration);
  }

  function back() {
    stop();
    let before = upTo(middles, time) - 1;
    while (before >= 0 && middles[before] >= time) before--;
    go(before >= 0 ? middles[before] : 0);
  }

  // Where less motion is asked for nothing moves by itself: there is Step, and no Play.
  function label() {
    play.hidden = calm.matches;
    play.textContent = playing === null ? "Play" : "Pause";
  }

  function calmed() {
    stop();
    tell();
  }

  const KEYS = {
    " ": toggle,
    ArrowRight: onward,
    ArrowLeft: back,
    Home: () => (stop(), go(0)),
    End: () => (stop(), go(duration)),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  el.addEventListener("keydown", (event) => event.stopPropagation());
  play.onclick = toggle;
  step.onclick = onward;
  range.addEventListener("input", () => {
    stop();
    time = Number(range.value);
    show();
  });
  range.addEventListener("change", tell);
  calm.addEventListener("change", calmed);
  const resized = new ResizeObserver(draw);
  resized.observe(canvas);
  const themed = new MutationObserver(look);
  themed.observe(document.body, { attributes: true });
  label();
  show();
  look();
  tell();
  return () => {
    stop();
    resized.disconnect();
    themed.disconnect();
    calm.removeEventListener("change", calmed);
  };
}

export default { render };
