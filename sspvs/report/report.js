// Puts the page together: lists of shots, the curves, the player, and the keyboard.

const MANY_SHOTS = 60; // of more, those in the summary are shown first

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

// A button that plays an entry: a shot or a piece.
function entryButton(entry, kind, index, ...children) {
  const button = make("button", "", ...children);
  button.type = "button";
  button.dataset[kind] = index;
  const words = [`Play ${entry.name.toLowerCase()}`, `${clock(entry.start)} to ${clock(entry.end)}`, `importance ${score(entry.score)}`];
  button.setAttribute("aria-label", [...words, entry.why ?? (entry.selected ? "in the summary" : "")].filter(Boolean).join(", "));
  return button;
}

function range({ start, end }) {
  const tenths = end - start < 1;
  return `${clock(start, tenths)} – ${clock(end, tenths)}`;
}

function playlist(host) {
  data.pieces.forEach((piece, index) => {
    const length = `${(piece.end - piece.start).toFixed(1)} s`;
    const words = make("span", "", make("b", "", piece.name), make("small", "", `${range(piece)}, ${length}`), make("small", "", piece.why));
    host.append(make("li", "", entryButton(piece, "piece", index, thumbnail(piece, index), words)));
  });
}

function gallery(host) {
  const [low, high] = limits(data.shots.map((shot) => shot.score));
  const list = document.createDocumentFragment();
  data.shots.forEach((shot, index) => {
    const picture = thumbnail(shot, index);
    if (shot.selected) picture.append(make("span", "badge", "Shown"));
    const bar = make("span");
    bar.style.width = `${(100 * ((shot.score ?? low) - low)) / (high - low)}%`;
    const words = [
      make("span", "row", make("b", "", shot.name), make("span", "", score(shot.score))),
      make("small", "", range(shot)),
      make("span", "meter", bar),
    ];
    list.append(make("li", shot.selected ? "card selected" : "card", entryButton(shot, "shot", index, picture, ...words)));
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
  const current = [-1, -1];
  let player = null;

  byId("stage").style.aspectRatio = String(data.aspect);
  playlist(lists[0]);
  gallery(lists[1]);
  const entries = [data.pieces, data.shots];
  const buttons = lists.map((list) => [...list.querySelectorAll("button")]);
  buttons[1].forEach((button, index) => (button.tabIndex = index ? -1 : 0)); // the shots are one tab stop, each piece its own
  roving(lists[1], () => buttons[1]);
  buttons.forEach((group, list) =>
    group.forEach((button, index) =>
      button.addEventListener("click", () => {
        player.play(entries[list][index]);
        byId("stage").scrollIntoView({ block: "nearest" });
      }),
    ),
  );

  // Mark the button of what plays; keep the playlist in view without moving the page, as scrollIntoView would.
  function mark(list, index) {
    if (index === current[list]) return;
    buttons[list][current[list]]?.removeAttribute("aria-current");
    buttons[list][(current[list] = index)]?.setAttribute("aria-current", "true");
    const [entry, box] = [buttons[list][index], lists[list]];
    if (list || !entry || !box.clientHeight) return;
    box.scrollTop = entry.offsetTop - box.offsetTop - box.clientHeight / 2 + 30;
    box.scrollLeft = entry.offsetLeft - box.offsetLeft - 16;
  }

  function onTime(seconds) {
    const [piece, shot] = [pieceAt(seconds), shotAt(seconds)];
    for (const chart of charts) chart.move(seconds);
    const names = [data.pieces[piece]?.name, data.shots[shot].name].filter((name, i, all) => name && name !== all[i - 1]);
    const value = score(data.scores[pickAt(seconds)]);
    now.replaceChildren(make("strong", "", clock(seconds, true)), ` of ${clock(data.duration)}, ${names.join(", ").toLowerCase()}, importance ${value}`);
    mark(0, piece);
    mark(1, shot);
  }

  charts = [mainChart(byId("chart"), byId("readout"), (entry) => player.play(entry)), ...multiples(byId("multiples"))];
  byId("why").hidden = !data.curves.length;
  player = createPlayer(onTime);

  for (const [id, only] of [["filter-all", false], ["filter-selected", true]]) {
    byId(id).addEventListener("click", () => {
      lists[1].classList.toggle("only-selected", only);
      byId("filter-all").setAttribute("aria-pressed", String(!only));
      byId("filter-selected").setAttribute("aria-pressed", String(only));
      const first = buttons[1].find((button) => !only || data.shots[button.dataset.shot].selected);
      for (const button of buttons[1]) button.tabIndex = button === first ? 0 : -1;
    });
  }

  if (data.shots.length > MANY_SHOTS) byId("filter-selected").click();

  document.addEventListener("keydown", (event) => {
    if (event.target !== document.body || event.ctrlKey || event.metaKey || event.altKey) return;
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === " ") {
      event.preventDefault();
      player.toggle();
    } else if (step) {
      event.preventDefault();
      const at = player.position();
      const here = data.pieces[pieceAt(at)];
      const next = step > 0 ? data.pieces.find((piece) => piece.start > at) : data.pieces.findLast((piece) => piece.start < (here?.start ?? at));
      if (next) player.play(next);
    }
  });
  document.documentElement.dataset.ready = "true";
}

main();
