// The importance curve: an SVG drawn in CSS pixels, so it is crisp at any size, and drawn again on resize.

// Enough digits to tell scores apart: two for most, more for products of stages, which are small and close together.
const scoreDigits = (() => {
  const [low, high] = data.scores.reduce(
    ([a, b], value) => (value === null ? [a, b] : [Math.min(a, value), Math.max(b, value)]),
    [Infinity, -Infinity],
  );
  const spread = high > low ? high - low : Math.abs(high);
  return spread > 0 && spread < Infinity ? Math.max(2, 1 - Math.floor(Math.log10(spread))) : 2;
})();
const score = (value) => {
  if (value === null || value === undefined) return "unknown";
  return scoreDigits > 6 ? value.toExponential(2) : value.toFixed(scoreDigits);
};
const image = (index) => `data:image/jpeg;base64,${data.thumbs[index]}`;

// First index whose value is greater than x, in a sorted list.
function after(values, x, of = (value) => value) {
  let low = 0;
  let high = values.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(values[middle]) > x) high = middle;
    else low = middle + 1;
  }
  return low;
}

const shotAt = (seconds) => Math.max(0, after(data.shots, seconds, (shot) => shot.start) - 1);

// Index of the piece that plays at a time of the original, -1 where none does.
function pieceAt(seconds) {
  const index = after(data.pieces, seconds, (piece) => piece.start) - 1;
  return index >= 0 && seconds <= data.pieces[index].end + 1e-3 ? index : -1;
}

// What a click at a time plays: the piece there, or the part of the shot that lies between pieces.
function entryAt(seconds) {
  const piece = data.pieces[pieceAt(seconds)];
  if (piece) return piece;
  const next = after(data.pieces, seconds, (each) => each.start);
  const shot = data.shots[shotAt(seconds)];
  const start = Math.max(shot.start, data.pieces[next - 1]?.end ?? 0);
  const end = Math.min(shot.end, data.pieces[next]?.start ?? Infinity);
  return { ...shot, start, end, key: Math.min(Math.max(shot.key, start), end), selected: false };
}
const pickAt = (seconds) => Math.max(0, after(data.seconds, seconds) - 1);

function limits(values) {
  let low = Infinity;
  let high = -Infinity;
  for (const value of values) {
    if (value === null) continue;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low > high) return [0, 1];
  if (low >= 0 && low <= high / 2) low = 0;
  const room = (high - low) * 0.08 || 0.5;
  return [low === 0 && high > 0 ? 0 : low - room, high + room];
}

// Two to five round values between the ends of a scale.
function ticks(low, high, most = 5) {
  const rough = (high - low) / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * [1, 2, 5, 10].find((each) => each * power >= rough);
  const result = [];
  for (let value = Math.ceil(low / step) * step; value < high; value += step) result.push(value);
  return result;
}

// Points of a curve in pixels, at most two a pixel column when there are many: the lowest and the highest, so that no peak is lost.
function points(values, x, y, width) {
  const columns = new Map();
  const dense = values.length > 2 * width;
  const result = [];
  values.forEach((value, index) => {
    if (value === null) return;
    const px = x(data.seconds[index]);
    if (!dense) return void result.push([px, y(value)]);
    const column = columns.get(Math.round(px));
    if (!column) columns.set(Math.round(px), [index, index]);
    else if (value < values[column[0]]) column[0] = index;
    else if (value > values[column[1]]) column[1] = index;
  });
  for (const pair of columns.values()) {
    for (const index of new Set(pair[0] < pair[1] ? pair : [pair[1], pair[0]])) {
      result.push([x(data.seconds[index]), y(values[index])]);
    }
  }
  // A score holds from its pick to the next one, the last one to the end.
  if (result.length) result.push([x(data.duration), result[result.length - 1][1]]);
  return result;
}

const path = (list) => list.map(([px, py], i) => `${i ? "L" : "M"}${px.toFixed(1)} ${py.toFixed(1)}`).join("");

function drawLine(svg, values, x, y, width, bottom, id) {
  const list = points(values, x, y, width);
  if (!list.length) return;
  const line = path(list);
  const clip = node("clipPath", { id }, node("defs", {}, svg));
  for (const { start, end } of data.pieces) {
    node("rect", { x: x(start), y: -20, width: Math.max(1, x(end) - x(start)), height: bottom + 40 }, clip);
  }
  const area = `${line}L${list[list.length - 1][0].toFixed(1)} ${bottom}L${list[0][0].toFixed(1)} ${bottom}Z`;
  node("path", { d: area, class: "area", "clip-path": `url(#${id})` }, svg);
  node("path", { d: line, class: "line" }, svg);
  node("path", { d: line, class: "line selected", "clip-path": `url(#${id})` }, svg);
}

function drawAxis(svg, x, top, width) {
  const room = Math.max(2, Math.floor(width / 72));
  const step = TICKS.find((tick) => data.duration / tick <= room) || TICKS[TICKS.length - 1];
  for (let i = 0; i * step <= data.duration + 1e-6; i++) {
    const px = x(i * step);
    const anchor = i === 0 ? "start" : px > width - 16 ? "end" : "middle";
    node("text", { x: px, y: top, "text-anchor": anchor }, svg, clock(i * step, step < 1));
  }
}

function drawScale(svg, values, y, width) {
  for (const value of values) node("text", { x: width - 1, y: y(value) - 3, "text-anchor": "end", class: "scale" }, svg, score(value));
}

function drawStrip(svg, x, top, height, width) {
  const tile = height * data.aspect;
  const count = Math.max(1, Math.round(width / tile));
  const actual = width / count;
  const stripSeconds = data.strip.map((entry) => entry[0]);
  for (let i = 0; i < count; i++) {
    const middle = ((i + 0.5) / count) * data.duration;
    const right = Math.min(after(stripSeconds, middle), stripSeconds.length - 1);
    const left = Math.max(0, right - 1);
    const nearest = middle - stripSeconds[left] < stripSeconds[right] - middle ? left : right;
    node("image", {
      href: image(data.strip[nearest][1]), x: i * actual, y: top, width: actual + 0.5, height,
      preserveAspectRatio: "xMidYMid slice", class: "strip-image", "aria-hidden": "true",
    }, svg);
  }
  let from = 0;
  for (const { start, end } of [...data.pieces, { start: data.duration, end: data.duration }]) {
    node("rect", { x: x(from), y: top, width: Math.max(0, x(start) - x(from)), height, class: "veil" }, svg);
    from = end;
  }
}

function drawShots(svg, x, height, width) {
  const banded = width / data.shots.length >= 4; // finer bands would be a grey blur
  return data.shots.map((shot, index) => {
    const look = shot.selected ? "chosen" : banded && index % 2 === 0 ? "odd" : "";
    const chosen = shot.selected ? ", in the summary" : "";
    return node("rect", {
      x: x(shot.start), y: 0, width: Math.max(0.5, x(shot.end) - x(shot.start)), height,
      class: `shot ${look}`, role: "button", tabindex: index ? -1 : 0, "data-shot": index,
      "aria-label": `Shot ${index + 1}, ${clock(shot.start)} to ${clock(shot.end)}, score ${score(shot.score)}${chosen}`,
    }, svg);
  });
}

// The big curve. `play(entry)` is called when a moment or a shot is chosen; returns what moves the playhead.
function mainChart(host, readout, play) {
  let x = () => 0;
  let y = () => 0;
  let rects = [];
  let head = null;
  let hairline = null;
  let hovered = -1;
  let seconds = 0;

  function draw() {
    const width = Math.max(120, host.clientWidth);
    const small = width < 600;
    const plot = small ? 150 : 190;
    const strip = data.strip.length ? (small ? 34 : 50) : 0;
    const bottom = plot + (strip ? strip + 8 : 0);
    const focused = rects.indexOf(document.activeElement);
    const stop = Math.max(0, rects.findIndex((rect) => rect.getAttribute("tabindex") === "0"));
    const [low, high] = limits(data.scores);
    x = (time) => (data.duration > 0 ? time / data.duration : 0) * width;
    y = (value) => plot - ((value - low) / (high - low)) * plot;
    const svg = node("svg", {
      viewBox: `0 0 ${width} ${bottom + 22}`, height: bottom + 22, role: "group",
      "aria-label": "Importance over time. Arrow keys move between shots, Enter plays one.",
    });
    rects = drawShots(svg, x, bottom, width);
    rects.forEach((rect, index) => rect.setAttribute("tabindex", index === stop ? 0 : -1));
    const scale = ticks(low, high);
    for (const value of scale) node("line", { x1: 0, x2: width, y1: y(value), y2: y(value), class: "gridline" }, svg);
    for (const [start, end] of data.avoided) {
      node("rect", { x: x(start), y: plot, width: Math.max(1, x(end) - x(start)), height: 4, class: "avoided" }, svg);
    }
    for (const { start, end } of data.pieces) {
      const whole = x(end) - x(start);
      const size = whole > 6 ? whole - 1.5 : Math.max(1, whole); // neighbours stay two
      node("rect", { x: x(start), y: 0, width: size, height: plot, class: "segment" }, svg);
      node("rect", { x: x(start), y: plot, width: size, height: 4, class: "segment-foot" }, svg);
    }
    drawLine(svg, data.scores, x, y, width, plot, "clip-main");
    drawScale(svg, scale, y, width);
    if (strip) drawStrip(svg, x, plot + 8, strip, width);
    drawAxis(svg, x, bottom + 18, width);
    hairline = node("line", { y1: 0, y2: bottom, class: "hairline", visibility: "hidden" }, svg);
    head = node("g", { class: "playhead", id: "playhead" }, svg);
    node("line", { y1: -2, y2: bottom }, head);
    node("circle", { r: 5.5 }, head);
    host.replaceChildren(svg);
    if (focused >= 0) rects[focused].focus();
    move(seconds);
  }

  function move(time) {
    seconds = time;
    if (!head) return;
    head.setAttribute("transform", `translate(${x(time).toFixed(2)} 0)`);
    head.dataset.seconds = time.toFixed(3);
    head.querySelector("circle").setAttribute("cy", y(data.scores[pickAt(time)] ?? 0).toFixed(1));
  }

  function tell(time, index) {
    rects[hovered]?.classList.remove("hover");
    hovered = index;
    rects[index].classList.add("hover");
    hairline.setAttribute("x1", x(time));
    hairline.setAttribute("x2", x(time));
    hairline.setAttribute("visibility", "visible");
    const strong = document.createElement("strong");
    strong.textContent = clock(time, true);
    const value = score(data.scores[pickAt(time)]);
    const why = data.avoided.filter(([start, end]) => start <= time && time < end).map((stretch) => stretch[2]);
    const chosen = data.pieces[pieceAt(time)] ? ", in the summary" : why.length ? `, left out: ${[...new Set(why)].join(", ")}` : "";
    readout.replaceChildren(strong, ` importance ${value}, shot ${index + 1} of ${data.shots.length}${chosen}`);
  }

  function quiet() {
    rects[hovered]?.classList.remove("hover");
    hovered = -1;
    hairline?.setAttribute("visibility", "hidden");
    readout.textContent = "Click a moment to play it";
  }

  const timeAt = (event) => {
    const box = host.getBoundingClientRect();
    return Math.min(Math.max((event.clientX - box.left) / box.width, 0), 1) * data.duration;
  };
  host.addEventListener("pointermove", (event) => tell(timeAt(event), shotAt(timeAt(event))));
  host.addEventListener("pointerleave", quiet);
  host.addEventListener("click", (event) => play(entryAt(timeAt(event))));
  host.addEventListener("focusin", (event) => {
    const index = Number(event.target.dataset.shot);
    if (event.target.matches(":focus-visible")) tell(data.shots[index].start, index);
  });
  host.addEventListener("focusout", quiet);
  host.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" && event.key !== " ") return;
    event.preventDefault();
    play(data.shots[event.target.dataset.shot]);
  });
  roving(host, () => rects);
  new ResizeObserver(draw).observe(host);
  draw();
  return { move };
}

// A small curve without interaction but for its playhead.
function smallChart(host, values, id) {
  let head = null;
  let x = () => 0;
  let seconds = 0;
  function draw() {
    const width = Math.max(120, host.clientWidth);
    const plot = 76;
    const [low, high] = limits(values);
    x = (time) => (data.duration > 0 ? time / data.duration : 0) * width;
    const y = (value) => plot - ((value - low) / (high - low)) * plot;
    const svg = node("svg", { viewBox: `0 0 ${width} ${plot + 18}`, height: plot + 18, "aria-hidden": "true" });
    for (const { start, end } of data.pieces) {
      node("rect", { x: x(start), y: 0, width: Math.max(1, x(end) - x(start)), height: plot, class: "segment" }, svg);
    }
    node("line", { x1: 0, x2: width, y1: plot, y2: plot, class: "gridline" }, svg);
    drawLine(svg, values, x, y, width, plot, id);
    drawScale(svg, ticks(low, high, 2), y, width);
    drawAxis(svg, x, plot + 16, width);
    head = node("g", { class: "playhead" }, svg);
    node("line", { y1: 0, y2: plot }, head);
    host.replaceChildren(svg);
    move(seconds);
  }
  function move(time) {
    seconds = time;
    head?.setAttribute("transform", `translate(${x(time).toFixed(2)} 0)`);
  }
  new ResizeObserver(draw).observe(host);
  draw();
  return { move };
}
