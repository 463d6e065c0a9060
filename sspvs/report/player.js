// The player: the embedded summary, the original beside it when it can be found, and a still when neither fits.

// Where a time of the summary lies in the original, and back: [second of the summary, start, end in the original, speed].
const offsets = data.plays.map(([at]) => at);

function toOriginal(time) {
  if (!offsets.length) return 0;
  const index = Math.max(0, after(offsets, time + 1e-4) - 1);
  const [at, start, end, speed] = data.plays[index];
  return Math.min(start + (time - at) * speed, end);
}

// The time in the summary at which a shot or a piece begins, or null when the summary does not play it.
function toSummary(entry) {
  const play = data.plays.find(([, start, end, speed]) => speed === 1 && start < entry.end && end > entry.start);
  return play ? play[0] + Math.max(0, entry.start - play[1]) : null;
}

function createPlayer(onTime) {
  const summary = document.getElementById("summary-video");
  const original = document.getElementById("original-video");
  const still = document.getElementById("still");
  const note = document.getElementById("original-note");
  const file = document.getElementById("original-file");
  const buttons = { summary: document.getElementById("show-summary"), original: document.getElementById("show-original") };
  const available = { summary: false, original: false };
  const videos = { summary, original };
  let mode = "summary";
  let lent = false; // the original plays one stretch only, and the summary comes back with the next selected one
  let stopAt = Infinity;
  let stillTime = null;

  function position() {
    if (stillTime !== null) return stillTime;
    return mode === "summary" ? toOriginal(summary.currentTime) : original.currentTime;
  }

  // Bring one of the two to the front, at `time` when given: set first, so that the playhead does not pass through 0.
  function show(next, time = null) {
    videos[next === "summary" ? "original" : "summary"].pause();
    mode = next;
    if (time !== null) videos[next].currentTime = time + 0.002; // into the frame, not onto its edge
    stillTime = null;
    stopAt = Infinity;
    still.hidden = true;
    for (const name of ["summary", "original"]) {
      videos[name].hidden = name !== mode;
      buttons[name].setAttribute("aria-pressed", String(name === mode));
      buttons[name].disabled = !available[name];
    }
    onTime(position());
  }

  function start() {
    videos[mode].play().catch(() => {}); // a browser may refuse to start; the controls are there
  }

  function showStill(entry) {
    const picture = document.getElementById("still-image");
    show(mode);
    summary.pause();
    original.pause();
    picture.hidden = entry.thumb === null;
    if (entry.thumb !== null) picture.src = image(entry.thumb);
    picture.alt = `Key frame of ${entry.name.toLowerCase()}`;
    document.getElementById("still-title").textContent =
      `${entry.name}, ${clock(entry.start, true)} to ${clock(entry.end, true)}, importance ${score(entry.score)}`;
    document.getElementById("still-note").textContent = entry.selected
      ? "No video is embedded in this report."
      : "Not in the summary, and the original video could not be loaded here.";
    document.getElementById("still-back").hidden = !available.summary;
    summary.hidden = true;
    original.hidden = true;
    still.hidden = false;
    stillTime = entry.key;
    onTime(stillTime);
  }

  function play(entry) {
    const time = toSummary(entry);
    if (available.summary && time !== null && (mode === "summary" || lent)) {
      lent = false;
      show("summary", time);
      start();
    } else if (available.original) {
      lent = lent || mode === "summary";
      show("original", entry.start);
      stopAt = lent ? entry.end : Infinity;
      start();
    } else if (available.summary && time !== null) {
      show("summary", time);
      start();
    } else {
      showStill(entry);
    }
  }

  function toggle() {
    if (stillTime !== null && available.summary) show("summary");
    if (videos[mode].paused) start();
    else videos[mode].pause();
  }

  function choose(next) {
    lent = false;
    show(next, next === "original" && mode !== next ? position() : null);
  }

  // Smooth while playing; `timeupdate` alone comes four times a second.
  function follow() {
    const video = videos[mode];
    if (mode === "original" && video.currentTime >= stopAt - 0.02) {
      video.pause();
      stopAt = Infinity;
    }
    if (stillTime === null) onTime(position());
    if (!video.paused && !video.ended) requestAnimationFrame(follow);
  }
  for (const video of [summary, original]) {
    video.addEventListener("play", () => requestAnimationFrame(follow));
    for (const event of ["seeked", "timeupdate", "pause", "ended"]) {
      video.addEventListener(event, () => video === videos[mode] && stillTime === null && onTime(position()));
    }
  }
  buttons.summary.addEventListener("click", () => choose("summary"));
  buttons.original.addEventListener("click", () => choose("original"));
  document.getElementById("still-back").addEventListener("click", () => show("summary"));

  function explain(text) {
    note.firstElementChild.textContent = text;
    note.hidden = !text;
  }
  file.addEventListener("change", () => file.files.length && findOriginal([URL.createObjectURL(file.files[0])]));

  function findOriginal(urls) {
    if (!urls.length) {
      original.removeAttribute("src");
      explain(`The original could not be loaded. To play what is not in the summary, open ${data.name}: `);
      buttons.original.title = "The original video is not available here";
      document.documentElement.dataset.original = "missing";
      if (!available.summary) showStill(data.pieces[0] ?? data.shots[0]);
      return;
    }
    original.onloadedmetadata = () => {
      available.original = original.videoWidth > 0;
      if (!available.original) return findOriginal(urls.slice(1));
      original.onerror = null;
      explain("");
      document.documentElement.dataset.original = "found";
      show(available.summary ? mode : "original");
    };
    original.onerror = () => findOriginal(urls.slice(1));
    original.src = urls[0];
  }

  const url = embedded();
  if (url) {
    available.summary = true;
    summary.src = url;
  }
  show("summary");
  if (!url) summary.hidden = true;
  // A page from a server may not read files of this machine; asking would only fill the console.
  const places = new Set(data.original.map((at) => new URL(at, location.href).href));
  findOriginal([...places].filter((at) => !at.startsWith("file:") || location.protocol === "file:"));
  return { play, toggle, position };
}
