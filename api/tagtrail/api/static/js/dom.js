// Elements without markup in strings: names from the store file can never become code.

function build(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

export const h = (tag, attributes = {}, ...children) => build(document.createElement(tag), attributes, children);

export const s = (tag, attributes = {}, ...children) =>
  build(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);

export const byId = (id) => document.getElementById(id);

/** Set text only where it differs, so that nothing flickers and screen readers stay calm. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

let pressed = null;
const waiting = new Map();
addEventListener("pointerdown", (event) => (pressed = event.target), true);
for (const end of ["pointerup", "pointercancel"]) {
  addEventListener(end, () => setTimeout(() => {
    pressed = null; // after the click has found its button
    for (const [box, children] of waiting) swap(box, children);
    waiting.clear();
  }), true);
}

/** Replace what is in `box`, but not under a finger that is about to lift, and without losing the focus. */
export function swap(box, children) {
  if (pressed && box.contains(pressed)) {
    waiting.set(box, children);
    return;
  }
  const focusable = () => [...box.querySelectorAll("button, [tabindex]")];
  const focused = box.contains(document.activeElement) ? focusable().indexOf(document.activeElement) : -1;
  box.replaceChildren(...children);
  if (focused >= 0) focusable()[focused]?.focus();
}
