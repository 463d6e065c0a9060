// The page of a film: a click on a piece plays the film from there, and the piece that plays is marked.

const film = document.getElementById("film");
const buttons = [...document.querySelectorAll("[data-at]")];
const starts = buttons.map((button) => Number(button.dataset.at));

film.src = embedded();
buttons.forEach((button, index) =>
  button.addEventListener("click", () => {
    film.currentTime = starts[index] + 0.002; // into the frame, not onto its edge
    film.play().catch(() => {}); // a browser may refuse to start; the controls are there
    film.scrollIntoView({ block: "nearest" });
  }),
);
film.addEventListener("timeupdate", () => {
  const current = starts.findLastIndex((start) => start <= film.currentTime + 0.001);
  buttons.forEach((button, index) => {
    if (index === current) button.setAttribute("aria-current", "true");
    else button.removeAttribute("aria-current");
  });
});
document.documentElement.dataset.ready = "true";
