// The distribution of a metric over the videos: a row a method, a dot a video.

const byId = (id) => document.getElementById(id);
const TAU = "kendall_tau";
const digits = (value) => (value === null || value === undefined ? "–" : value.toFixed(4).replace(/^(-?)0\./, "$1."));
const own = data.rows.filter((row) => row.own).map((row) => row.name);
const mark = (name) => (own.includes(name) ? `m${own.indexOf(name) % 6}` : "baselines");
const symbol = (metric) => ({ kendall_tau: "τ", spearman_rho: "ρ" })[metric] || data.metrics[metric];
const valuesOf = (state, name) => data.values[state.protocol]?.[name]?.[state.metric] || null;

function quantile(sorted, share) {
  const at = (sorted.length - 1) * share;
  const low = Math.floor(at);
  return sorted[low] + (sorted[Math.min(low + 1, sorted.length - 1)] - sorted[low]) * (at - low);
}

function ticksOf(low, high, room) {
  const span = high - low || 1;
  const step = [0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1].find((each) => span / each <= room) || 1;
  const ticks = [];
  for (let i = Math.ceil(low / step - 1e-9); i * step <= high + 1e-9; i++) ticks.push(i * step);
  return ticks;
}

// Places dots beside each other where they would overlap: offsets from the row's middle, in pixels.
function swarm(xs, radius, room) {
  const order = xs.map((_, i) => i).filter((i) => xs[i] !== null).sort((a, b) => xs[a] - xs[b]);
  const offsets = xs.map(() => 0);
  const placed = [];
  for (const i of order) {
    const near = placed.filter((j) => xs[i] - xs[j] < 2 * radius);
    let best = 0;
    for (let step = 0; step * radius * 0.5 <= room; step++) {
      const tries = step ? [step * radius * 0.5, -step * radius * 0.5] : [0];
      const free = tries.find((y) => near.every((j) => Math.hypot(xs[i] - xs[j], y - offsets[j]) >= 2 * radius * 0.92));
      if (free !== undefined) {
        best = free;
        break;
      }
      best = tries[tries.length - 1] * (i % 2 ? -1 : 1);
    }
    offsets[i] = best;
    placed.push(i);
  }
  return offsets;
}

// Draws into `host`; `open(video)` is called for a dot that is clicked. Returns what draws it again.
function spreadChart(host, readout, state, open) {
  let dots = [];
  let lit = [];
  let thread = null;
  let current = -1;

  function draw() {
    byId("spread-title").textContent = `${symbol(state.metric)} over the videos${/^f_/.test(state.metric) ? "" : `, ${state.protocol}`}`;
    const width = Math.max(240, host.clientWidth);
    const narrow = width < 560;
    const names = data.rows.map((row) => row.name).filter((name) => valuesOf(state, name)?.some((v) => v !== null));
    const gutter = narrow ? 0 : Math.min(190, 24 + 7.2 * Math.max(8, ...names.map((name) => name.length)));
    const rowHeight = narrow ? 62 : 48;
    const top = narrow ? 18 : 0;
    const bottom = names.length * rowHeight;
    const all = names.flatMap((name) => valuesOf(state, name)).filter((value) => value !== null);
    const svg = node("svg", { viewBox: `0 0 ${width} ${bottom + 24}`, height: bottom + 24 });
    const label = `${symbol(state.metric)} of each video, a row a method. Arrow keys go from video to video, Enter opens one.`;
    host.setAttribute("aria-label", label);
    dots = [];
    if (!all.length) {
      node("text", { x: 0, y: 20 }, svg, `No video has ${symbol(state.metric)} here.`);
      svg.setAttribute("height", 32);
      svg.setAttribute("viewBox", `0 0 ${width} 32`);
      host.replaceChildren(svg);
      return;
    }
    const low = Math.min(0, ...all);
    const high = Math.max(...all, 0.05);
    const left = gutter + 8;
    const x = (value) => left + ((value - low) / (high - low || 1)) * (width - left - 14);
    for (const tick of ticksOf(low, high, Math.max(3, Math.floor((width - left) / 80)))) {
      const zero = Math.abs(tick) < 1e-9;
      node("line", { x1: x(tick), x2: x(tick), y1: 0, y2: bottom, class: zero ? "zero-line" : "gridline" }, svg);
      const text = zero ? "0" : tick.toFixed(2).replace(/^(-?)0\./, "$1.").replace(/(\.\d)0$/, "$1");
      node("text", { x: x(tick), y: bottom + 17, "text-anchor": "middle" }, svg, text);
    }
    names.forEach((name, row) => drawRow(svg, name, row * rowHeight + top, rowHeight - top, { x, gutter, narrow, width }));
    thread = node("path", { class: "thread", visibility: "hidden" }, svg);
    host.replaceChildren(svg);
    current = -1;
    lit = [];
  }

  function drawRow(svg, name, top, height, { x, gutter, narrow, width }) {
    const group = node("g", { class: mark(name) }, svg);
    const values = valuesOf(state, name);
    const known = values.filter((value) => value !== null).sort((a, b) => a - b);
    const middle = top + height / 2;
    const longest = Math.max(6, Math.floor(((narrow ? width * 0.7 : gutter) - 6) / 7.2));
    const short = name.length > longest ? `${name.slice(0, Math.ceil(longest / 2) - 1)}…${name.slice(-Math.floor(longest / 2))}` : name;
    const label = { class: own.includes(name) ? "row-name own-name" : "row-name", x: 0, y: narrow ? top - 4 : middle + 4 };
    const text = node("text", label, group, short);
    if (short !== name) node("title", {}, text, name);
    if (known.length > 3) {
      const [from, mid, to] = [0.25, 0.5, 0.75].map((share) => x(quantile(known, share)));
      node("rect", { x: from, y: middle - 14, width: Math.max(1, to - from), height: 28, rx: 3, class: "half" }, group);
      node("line", { x1: mid, x2: mid, y1: middle - 14, y2: middle + 14, class: "median" }, group);
    }
    const radius = values.length > 120 ? 2.2 : values.length > 40 ? 3 : 3.8;
    const xs = values.map((value) => (value === null ? null : x(value)));
    const offsets = swarm(xs, radius, height / 2 - radius - 1);
    xs.forEach((px, video) => {
      if (px === null) return;
      const circle = node("circle", { cx: px.toFixed(1), cy: (middle + offsets[video]).toFixed(1), r: radius, class: "dot" }, group);
      dots.push({ video, px, py: middle + offsets[video], circle });
    });
    const missing = values.length - known.length;
    if (missing) {
      const where = { x: width, y: narrow ? top - 4 : top + 12, "text-anchor": "end" };
      node("text", where, group, `${missing} without`);
    }
  }

  function light(video) {
    if (video === current) return;
    current = video;
    for (const dot of lit) dot.circle.classList.remove("lit");
    lit = dots.filter((dot) => dot.video === video);
    for (const dot of lit) dot.circle.classList.add("lit");
    if (video < 0) {
      thread?.setAttribute("visibility", "hidden");
      readout.textContent = "Point at a dot to follow its video through the rows";
      return;
    }
    const line = lit.map((dot, i) => `${i ? "L" : "M"}${dot.px.toFixed(1)} ${dot.py.toFixed(1)}`).join("");
    thread.setAttribute("d", line);
    thread.setAttribute("visibility", "visible");
    const figures = data.rows
      .filter((row) => valuesOf(state, row.name))
      .map((row) => `${row.name} ${digits(valuesOf(state, row.name)[video])}`);
    const { name, key } = data.videos[video];
    readout.replaceChildren(make("strong", "", name), ` ${name === key ? "" : `${key}, `}${figures.join(", ")}`);
  }

  function nearest(event) {
    const box = host.getBoundingClientRect();
    const [px, py] = [event.clientX - box.left, event.clientY - box.top];
    let best = null;
    let distance = 18;
    for (const dot of dots) {
      const here = Math.hypot(dot.px - px, dot.py - py);
      if (here < distance) [best, distance] = [dot, here];
    }
    return best ? best.video : -1;
  }

  host.tabIndex = 0;
  host.setAttribute("role", "group");
  host.addEventListener("keydown", (event) => {
    const order = [...new Set([...dots].sort((a, b) => a.px - b.px).map((dot) => dot.video))];
    const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (event.key === "Enter" && current >= 0) open(current);
    if (!step || !order.length) return;
    event.preventDefault();
    const at = order.indexOf(current);
    light(order[at < 0 ? (step > 0 ? 0 : order.length - 1) : Math.min(Math.max(at + step, 0), order.length - 1)]);
  });
  host.addEventListener("blur", () => light(-1));
  host.addEventListener("pointermove", (event) => light(nearest(event)));
  host.addEventListener("pointerleave", () => light(-1));
  host.addEventListener("click", (event) => {
    const video = nearest(event);
    if (video >= 0) open(video);
  });
  new ResizeObserver(draw).observe(host);
  draw();
  current = 0;
  light(-1);
  return draw;
}
