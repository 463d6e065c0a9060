// One video: the methods' scores over what users gave, the summaries, and the figures.

const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));

function drawing(className, height, label) {
  const attributes = { viewBox: `0 0 1 ${height}`, preserveAspectRatio: "none", class: `strip-draw ${className}` };
  const svg = node("svg", attributes);
  if (label) {
    svg.setAttribute("role", "img");
    svg.setAttribute("aria-label", label);
  } else svg.setAttribute("aria-hidden", "true");
  return svg;
}

const level = (value) => (1 - 0.04 - (0.92 * value) / 255).toFixed(4);

function linePath(values) {
  let path = "";
  values.forEach((value, i) => {
    const [from, to] = [i / values.length, (i + 1) / values.length];
    if (values.length >= 80) path += `${i ? "L" : "M"}${((from + to) / 2).toFixed(5)} ${level(value)}`;
    else path += `${i ? "L" : "M"}${from.toFixed(5)} ${level(value)}L${to.toFixed(5)} ${level(value)}`; // few: as steps
  });
  return path;
}

function crowdPath(values) {
  let path = "M0 1";
  values.forEach((value, i) => {
    path += `L${(i / values.length).toFixed(5)} ${level(value)}L${((i + 1) / values.length).toFixed(5)} ${level(value)}`;
  });
  return `${path}L1 1Z`;
}

function stripLabel(name, className, text) {
  const label = make("div", `strip-label ${className}`, make("b", "", name), make("span", "", text));
  label.firstChild.dir = "auto";
  return label;
}

function methodStrip(video, method, crowd) {
  const size = method.share ? `summary ${(100 * method.share).toFixed(1)} %` : "empty summary";
  const share = method.share === null ? "no shots, so no summary" : size;
  const label = stripLabel(method.name, mark(method.name), share);
  const svg = drawing(`curve ${mark(method.name)}`, 1, `Scores of ${method.name} over those of the users`);
  if (crowd) node("path", { d: crowdPath(crowd), class: "crowd" }, svg);
  if (video.shots.length <= 120) {
    for (const start of video.shots.slice(1)) node("line", { x1: start, x2: start, y1: 0, y2: 1, class: "cut" }, svg);
  }
  node("path", { d: linePath(bytes(method.curve)), class: "own-line" }, svg);
  const result = [label, svg];
  if (method.segments !== null) {
    const bars = drawing(`bars ${mark(method.name)}`, 1);
    node("rect", { x: 0, y: 0, width: 1, height: 1, class: "untaken" }, bars);
    for (const [start, end] of method.segments) {
      node("rect", { x: start, y: 0, width: Math.max(0.0015, end - start), height: 1, class: "taken" }, bars);
    }
    result.push(bars);
  }
  return result;
}

function crowdStrip(crowd) {
  const svg = drawing("curve", 1, "Mean of the users");
  node("path", { d: crowdPath(crowd), class: "crowd" }, svg);
  return [stripLabel("mean annotator", "baselines", ""), svg];
}

function usersStrip(video) {
  const { kind, count, rows } = video.users;
  const first = rows.length < count ? `the first ${rows.length} of ${count} users` : `${count} ${count === 1 ? "user" : "users"}`;
  const label = stripLabel(kind === "ratings" ? "ratings" : "summaries of users", "baselines", `${first}, a row a user`);
  const svg = drawing("users", rows.length, `${kind} of ${count} users`);
  svg.style.height = `${Math.min(120, Math.max(14, rows.length * 5))}px`;
  const columns = Math.min(video.frames, data.columns);
  const paths = new Map();
  rows.forEach((runs, row) => {
    for (const [start, length, value] of runs) {
      const piece = `M${(start / columns).toFixed(5)} ${row + 0.06}h${(length / columns).toFixed(5)}v0.88h${(-length / columns).toFixed(5)}Z`;
      paths.set(value, (paths.get(value) || "") + piece);
    }
  });
  for (const [value, d] of paths) node("path", { d, class: `level level-${value}` }, svg);
  return [label, svg];
}

function agreementStrip(video) {
  const values = bytes(video.agreement);
  const svg = drawing("heat", 1, "Share of users whose summary has each part");
  node("rect", { x: 0, y: 0, width: 1, height: 1, class: "untaken" }, svg);
  values.forEach((value, i) => {
    if (value) node("rect", { x: i / values.length, y: 0, width: 1.02 / values.length, height: 1, class: "level", opacity: (value / 255).toFixed(2) }, svg);
  });
  return [stripLabel("users' summaries", "baselines", "darker: in more of them"), svg];
}

function timeAxis(video) {
  const seconds = video.fps ? video.frames / video.fps : null;
  const end = seconds ?? video.frames;
  const steps = seconds === null ? [1, 10, 50, 100, 250, 500, 1000, 2500, 5000, 10000, 50000, 100000] : TICKS;
  const step = steps.find((each) => end / each <= 7) || steps[steps.length - 1];
  const svg = node("svg", { "aria-hidden": "true" });
  for (let i = 0; i * step <= end; i++) {
    const share = (i * step) / end;
    if (share > 0.97) continue;
    const text = seconds === null ? String(i * step) : clock(i * step, step < 1);
    node("text", { x: `${(100 * share).toFixed(2)}%`, y: 12, "text-anchor": i ? "middle" : "start" }, svg, text);
  }
  return make("div", "time", svg);
}

function figuresTable(index, state) {
  const metrics = Object.keys(data.metrics).filter((metric) =>
    data.rows.some((row) => (data.values[state.protocol]?.[row.name]?.[metric]?.[index] ?? null) !== null),
  );
  const head = make("tr", "", make("th", "", state.protocol), ...metrics.map((metric) => make("th", "", symbol(metric))));
  const body = make("tbody");
  let people = false;
  for (const { name, own: isOwn } of data.rows) {
    const values = data.values[state.protocol]?.[name];
    if (!values) continue;
    const title = make("th", isOwn ? "owner" : "", make("i", `swatch ${mark(name)}`), name);
    title.scope = "row";
    const row = make("tr", "", title, ...metrics.map((metric) => make("td", "", digits(values[metric][index]))));
    if (!isOwn) row.className = people ? "people" : "people first-people";
    people = people || !isOwn;
    body.append(row);
  }
  for (const cell of head.children) cell.scope = "col";
  return make("table", "video-figures", make("thead", "", head), body);
}

// A list item that is filled when it comes near the window; `fill` and `figures` do it at once.
function videoCard(index, state) {
  const video = data.videos[index];
  const facts = [video.key === video.name ? "" : video.key, video.category, video.title].filter(Boolean);
  const length = video.fps ? clock(video.frames / video.fps) : `${video.frames} frames`;
  const title = make("h3", "", video.name);
  title.dir = "auto";
  const head = make("div", "video-head", title, make("p", "", [...facts, length].join(" · ")));
  const body = make("div", "video-body");
  const item = make("li", "video", head, body);
  item.id = `video-${index}`;
  item.tabIndex = -1;
  let table = null;
  const card = { item, video, index, filled: false };
  card.fill = () => {
    if (card.filled) return;
    card.filled = true;
    const crowd = video.mean ? bytes(video.mean) : null;
    const strips = make("div", "strips");
    for (const method of video.methods) strips.append(...methodStrip(video, method, crowd));
    if (!video.methods.length && crowd) strips.append(...crowdStrip(crowd));
    if (video.users) strips.append(...usersStrip(video));
    if (video.agreement) strips.append(...agreementStrip(video));
    strips.append(timeAxis(video));
    const caption = make("p", "caption", crowd && video.methods.length ? "Grey: the mean annotator. Coloured: the method's scores and, below, its summary." : "");
    table = figuresTable(index, state);
    body.append(strips, make("div", "", table, caption));
    pointAt(strips, caption, video);
  };
  card.figures = () => {
    if (!card.filled) return;
    const fresh = figuresTable(index, state);
    table.replaceWith(fresh);
    table = fresh;
  };
  return card;
}

// A line under the pointer, and where it is in words.
function pointAt(strips, caption, video) {
  const quiet = caption.textContent;
  const cursor = make("div", "cursor");
  cursor.hidden = true;
  strips.append(cursor);
  strips.addEventListener("pointermove", (event) => {
    const box = strips.getBoundingClientRect();
    const share = Math.min(Math.max((event.clientX - box.left) / box.width, 0), 0.99999);
    cursor.hidden = false;
    cursor.style.left = `${100 * share}%`;
    const frame = Math.floor(share * video.frames);
    const where = video.fps ? `${clock(frame / video.fps, true)}, frame ${frame}` : `frame ${frame}`;
    const shot = video.shots.filter((start) => start <= share).length;
    caption.textContent = video.shots.length ? `${where}, shot ${shot} of ${video.shots.length}` : where;
  });
  strips.addEventListener("pointerleave", () => {
    cursor.hidden = true;
    caption.textContent = quiet;
  });
}
