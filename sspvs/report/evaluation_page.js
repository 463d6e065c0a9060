// Puts the page of an evaluation together: which protocol, which metric, which videos in which order.

function buttons(host, entries, chosen, choose) {
  const all = entries.map(([value, text]) => {
    const button = make("button", "", text);
    button.type = "button";
    button.dataset.value = value;
    button.setAttribute("aria-pressed", String(value === chosen));
    button.addEventListener("click", () => {
      for (const other of all) other.setAttribute("aria-pressed", String(other === button));
      choose(value);
    });
    return button;
  });
  host.append(...all);
}

const AT_ONCE = 10; // videos on the page before the reader wants more

// On paper a row a video instead of a picture of each: what the chosen metric says of every method.
function printedTable(cards, state) {
  const names = data.rows.map((row) => row.name).filter((name) => valuesOf(state, name));
  const head = make("tr", "", make("th", "", `${symbol(state.metric)}, ${state.protocol}`), ...names.map((name) => make("th", "", name)));
  const rows = cards.map(({ video, index }) => make("tr", "", make("th", "", video.name), ...names.map((name) => make("td", "", digits(valuesOf(state, name)[index])))));
  return make("table", "video-figures", make("thead", "", head), make("tbody", "", ...rows));
}

function showProtocol(state) {
  for (const block of document.querySelectorAll(".block")) {
    const other = data.protocols.includes(block.dataset.measure) && block.dataset.measure !== state.protocol;
    block.classList.toggle("off", other);
  }
}

function fillSort(select) {
  const add = (value, text) => {
    const option = make("option", "", text);
    option.value = value;
    select.append(option);
  };
  add("order", "order of the dataset");
  add("name", "name");
  for (const { name } of data.rows) {
    add(`-${name}`, `${name}, highest first`);
    add(`+${name}`, `${name}, lowest first`);
  }
}

function sorted(cards, how, state) {
  const list = [...cards];
  if (how === "order") return list;
  if (how === "name") return list.sort((a, b) => a.video.name.localeCompare(b.video.name, undefined, { numeric: true }));
  const values = valuesOf(state, how.slice(1)) || [];
  const sign = how[0] === "-" ? -1 : 1;
  const known = (card) => values[card.index] ?? null;
  return list.sort((a, b) => {
    if (known(a) === null || known(b) === null) return (known(a) === null) - (known(b) === null);
    return sign * (known(a) - known(b));
  });
}

function main() {
  const state = { protocol: data.protocols[0], metric: TAU };
  const cards = data.videos.map((_, index) => videoCard(index, state));
  const [list, filter, sort, count, more] = ["videos", "filter", "sort", "count", "more"].map(byId);
  let most = AT_ONCE;
  let drawSpread = () => {};

  function arrange() {
    const wanted = filter.value.trim().toLowerCase();
    const text = (video) => `${video.name}\n${video.key}\n${video.title}\n${video.category}`.toLowerCase();
    const shown = sorted(cards, sort.value, state).filter((card) => text(card.video).includes(wanted));
    list.replaceChildren(...shown.slice(0, most).map((card) => card.item));
    const left = shown.length - most;
    more.hidden = left <= 0;
    more.textContent = `Show ${Math.min(left, AT_ONCE)} more of ${left}`;
    byId("printed").replaceChildren(printedTable(sorted(cards, sort.value, state), state));
    const how = /^[-+]/.test(sort.value) ? `, by ${symbol(state.metric)} under ${state.protocol}` : "";
    count.textContent = `${shown.length === cards.length ? "" : `${shown.length} of `}${cards.length} ${cards.length === 1 ? "video" : "videos"}${how}`;
    return shown;
  }

  function open(index) {
    const card = cards[index];
    if (!card.item.isConnected) {
      filter.value = "";
      most = Math.max(most, arrange().indexOf(card) + 1);
      arrange();
    }
    card.fill();
    for (const each of cards) each.item.classList.toggle("found", each === card);
    card.item.scrollIntoView({ block: "center" });
    card.item.focus({ preventScroll: true });
  }

  function changed() {
    showProtocol(state);
    for (const card of cards) card.figures();
    drawSpread();
    arrange();
  }

  if (data.protocols.length > 1) {
    byId("protocol-bar").hidden = false;
    buttons(byId("protocols"), data.protocols.map((name) => [name, name]), state.protocol, (name) => {
      state.protocol = name;
      changed();
    });
  }
  if (data.protocols.length && cards.length) {
    byId("spread-panel").hidden = false;
    const known = (metric) => data.rows.some((row) => data.protocols.some((p) => data.values[p][row.name]?.[metric].some((v) => v !== null)));
    const metrics = Object.keys(data.metrics).filter(known);
    if (!metrics.includes(state.metric) && metrics.length) state.metric = metrics[0];
    buttons(byId("metrics"), metrics.map((metric) => [metric, symbol(metric)]), state.metric, (metric) => {
      state.metric = metric;
      drawSpread();
      arrange();
    });
    drawSpread = spreadChart(byId("spread"), byId("readout"), state, open);
  }
  if (cards.length) {
    byId("videos-section").hidden = false;
    fillSort(sort);
    filter.addEventListener("input", arrange);
    sort.addEventListener("change", arrange);
    const seen = new IntersectionObserver(
      (entries) => {
        for (const entry of entries) if (entry.isIntersecting) cards[Number(entry.target.id.slice(6))].fill();
      },
      { rootMargin: "600px" },
    );
    for (const card of cards) seen.observe(card.item);
    more.addEventListener("click", () => {
      most += AT_ONCE;
      const first = arrange()[most - AT_ONCE];
      first.fill();
      first.item.focus();
    });
    arrange();
  }
  showProtocol(state);
  document.documentElement.dataset.ready = "true";
}

main();
