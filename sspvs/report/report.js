// Puts the page together: lists of shots, the curves, the player, and the keyboard.

function thumbnail(shot, index) {
  const box = make("span", "thumb");
  box.style.aspectRatio = String(data.thumbs.length ? Math.min(Math.max(data.aspect, 1), 2.2) : 3);
  if (shot.thumb === null) {
    box.append(make("i", "", String(index + 1)));
  } else {
    const picture = make("img");
    picture.loading = "lazy";
    picture.decoding = "async";
    picture.alt = "";
    picture.src = image(shot.thumb);
    box.append(picture);
  }
  return box;
}

function shotButton(index, ...children) {
  const shot = data.shots[index];
  const button = make("button", "", ...children);
  button.type = "button";
  button.dataset.shot = index;
  button.setAttribute(
    "aria-label",
    `Play shot ${index + 1}, ${clock(shot.start)} to ${clock(shot.end)}, score ${score(shot.score)}` +
      (shot.selected ? ", in the summary" : ""),
  );
  return button;
}

const range = (shot) => `${clock(shot.start)} – ${clock(shot.end)}`;

// What the summary plays of a shot: one stretch or several.
const played = (shot) =>
  data.segments
    .filter(([start, end]) => start < shot.end && end > shot.start)
    .map(([start, end]) => range({ start: Math.max(start, shot.start), end: Math.min(end, shot.end) }))
    .join(", ");

function playlist(host) {
  data.shots.forEach((shot, index) => {
    if (!shot.selected) return;
    const words = make("span", "", make("b", "", `Shot ${index + 1}`), make("small", "", played(shot)), make("small", "", `score ${score(shot.score)}`));
    host.append(make("li", "", shotButton(index, thumbnail(shot, index), words)));
  });
}

function gallery(host) {
  const [low, high] = limits(data.shots.map((shot) => shot.score));
  const list = document.createDocumentFragment();
  data.shots.forEach((shot, index) => {
    const picture = thumbnail(shot, index);
    if (shot.selected) picture.append(make("span", "badge", "Selected"));
    const bar = make("span");
    bar.style.width = `${(100 * ((shot.score ?? low) - low)) / (high - low)}%`;
    const words = [
      make("span", "row", make("b", "", `Shot ${index + 1}`), make("span", "", score(shot.score))),
      make("small", "", range(shot)),
      make("span", "meter", bar),
    ];
    list.append(make("li", shot.selected ? "card selected" : "card", shotButton(index, picture, ...words)));
  });
  host.append(list);
}

function multiples(host) {
  return data.curves.map((curve, index) => {
    const chart = make("div", "chart");
    const name = curve.name.replaceAll("_", " ");
    const title = name.charAt(0).toUpperCase() + name.slice(1);
    const figure = make("div", "multiple", make("h3", "", title), make("p", "", curve.sentence), chart);
    if (!curve.sentence) figure.querySelector("p").remove();
    host.append(figure);
    return smallChart(chart, curve.values, `clip-${index}`);
  });
}

function main() {
  const byId = (id) => document.getElementById(id);
  const lists = [byId("playlist"), byId("gallery")];
  const now = byId("now");
  let charts = [];
  let current = -1;
  let player = null;

  byId("stage").style.aspectRatio = String(data.aspect);
  playlist(lists[0]);
  gallery(lists[1]);
  const buttons = lists.map((list) => [...list.querySelectorAll("button")]);
  for (const [list, group] of lists.map((list, i) => [list, buttons[i]])) {
    group.forEach((button, index) => (button.tabIndex = index ? -1 : 0));
    roving(list, () => group);
    list.addEventListener("click", (event) => {
      const button = event.target.closest("button");
      if (!button) return;
      player.play(Number(button.dataset.shot));
      byId("stage").scrollIntoView({ block: "nearest" });
    });
  }

  function mark(index) {
    if (index === current) return;
    current = index;
    for (const button of buttons.flat()) {
      if (Number(button.dataset.shot) === index) button.setAttribute("aria-current", "true");
      else button.removeAttribute("aria-current");
    }
    // Keep the playlist in view without moving the page, as scrollIntoView would.
    const entry = buttons[0].find((button) => Number(button.dataset.shot) === index);
    const box = lists[0];
    if (entry && box.clientHeight) box.scrollTop = entry.offsetTop - box.offsetTop - box.clientHeight / 2 + 30;
  }

  function onTime(seconds) {
    const index = shotAt(seconds);
    for (const chart of charts) chart.move(seconds);
    const strong = make("strong", "", clock(seconds, true));
    now.replaceChildren(strong, ` of ${clock(data.duration)}, shot ${index + 1}, score ${score(data.shots[index].score)}`);
    mark(index);
  }

  charts = [mainChart(byId("chart"), byId("readout"), (index) => player.play(index)), ...multiples(byId("multiples"))];
  byId("why").hidden = !data.curves.length;
  player = createPlayer(onTime, mark);

  for (const [id, only] of [["filter-all", false], ["filter-selected", true]]) {
    byId(id).addEventListener("click", () => {
      lists[1].classList.toggle("only-selected", only);
      byId("filter-all").setAttribute("aria-pressed", String(!only));
      byId("filter-selected").setAttribute("aria-pressed", String(only));
      const first = buttons[1].find((button) => !only || data.shots[button.dataset.shot].selected);
      for (const button of buttons[1]) button.tabIndex = button === first ? 0 : -1;
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === " ") {
      event.preventDefault();
      player.toggle();
    } else if (step) {
      event.preventDefault();
      const chosen = data.shots.map((shot, index) => (shot.selected ? index : -1)).filter((index) => index >= 0);
      const at = shotAt(player.position());
      const next = step > 0 ? chosen.find((index) => index > at) : chosen.findLast((index) => index < at);
      if (next !== undefined) player.play(next);
    }
  });
  document.documentElement.dataset.ready = "true";
}

main();
