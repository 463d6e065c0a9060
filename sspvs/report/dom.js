// What the pages' scripts share: elements, times, lists.

const SVG = "http://www.w3.org/2000/svg";
const TICKS = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400];

function node(tag, attributes, parent, text) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  if (text !== undefined) element.textContent = text;
  if (parent) parent.append(element);
  return element;
}

function clock(seconds, tenths = false) {
  const units = Math.max(0, tenths ? Math.round(seconds * 10) / 10 : Math.round(seconds));
  const whole = Math.floor(units + 1e-9);
  const two = (number) => String(number).padStart(2, "0");
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const text = hours ? `${hours}:${two(minutes)}:${two(whole % 60)}` : `${minutes}:${two(whole % 60)}`;
  return tenths ? `${text}.${Math.round((units - whole) * 10)}` : text;
}

function make(tag, className, ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

// One tab stop for a group: arrows, Home and End move inside it.
function roving(host, items) {
  host.addEventListener("keydown", (event) => {
    const list = items().filter((item) => item.getClientRects().length);
    const index = list.indexOf(event.target);
    if (index < 0) return;
    const top = list[index].getBoundingClientRect().top;
    const columns = Math.max(1, list.filter((item) => Math.abs(item.getBoundingClientRect().top - top) < 2).length);
    const grid = columns < list.length;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: grid ? columns : 1, ArrowUp: grid ? -columns : -1 };
    let next = steps[event.key] === undefined ? null : index + steps[event.key];
    if (event.key === "Home") next = 0;
    if (event.key === "End") next = list.length - 1;
    if (next === null) return;
    event.preventDefault();
    const target = list[Math.min(Math.max(next, 0), list.length - 1)];
    for (const item of items()) item.setAttribute("tabindex", item === target ? 0 : -1);
    target.focus();
  });
}
