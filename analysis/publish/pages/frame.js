// What every page has: its data, safe elements, the theme, the keyboard, and the address after "#".
"use strict";

const page = (() => {
  const parsed = new Map();

  /** Parses a block of data when it is first asked for. */
  function data(name) {
    if (!parsed.has(name)) {
      const block = document.getElementById(`data-${name}`);
      parsed.set(name, block ? JSON.parse(block.textContent) : null);
    }
    return parsed.get(name);
  }

  /** Makes an element. Children are elements or text; text never becomes markup. */
  function element(tag, attributes = {}, ...children) {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "onclick") made.addEventListener("click", value);
      else if (name === "class") made.className = value;
      else made.setAttribute(name, value === true ? "" : value);
    }
    made.append(...children.flat().filter((child) => child !== null && child !== undefined));
    return made;
  }

  /** Reads the address after "#": "#view?seed=1&x=2" and "#seed=1" alike give named values. */
  function address() {
    const text = location.hash.slice(1);
    const named = text.includes("=");
    const [view, rest] = text.includes("?") ? text.split("?", 2) : named ? ["", text] : [text, ""];
    return { view, values: new URLSearchParams(rest) };
  }

  /** Changes the address without adding to the history. */
  function replaceAddress(text) {
    history.replaceState(null, "", `#${text}`);
  }

  const keys = new Map();

  /** Binds a key, and lists it in the help that "?" opens. */
  function key(name, meaning, action) {
    keys.set(name, { meaning, action });
  }

  function showKeys() {
    const shown = new Map([["?", { meaning: "show this help" }], ...keys]);
    document.getElementById("keys-list").replaceChildren(
      ...[...shown].flatMap(([name, { meaning }]) => [
        element("dt", {}, element("kbd", {}, name)),
        element("dd", {}, meaning),
      ]),
    );
    document.getElementById("keys-dialog").showModal();
  }

  function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.target.closest("input, select, textarea, dialog")) return;
    if (event.key === "?") return showKeys();
    const bound = keys.get(event.key);
    if (!bound) return;
    event.preventDefault();
    bound.action();
  }

  const themed = [];

  /** Calls a function now and whenever the theme changes. */
  function onTheme(draw) {
    themed.push(draw);
  }

  function remembered() {
    try {
      return localStorage.getItem("goldenseed-theme");
    } catch {
      return null; // a browser may forbid storage to a local file
    }
  }

  function setTheme(theme) {
    document.documentElement.dataset.theme = theme;
    try {
      localStorage.setItem("goldenseed-theme", theme);
    } catch {
      // the theme then lasts as long as the page
    }
    themed.forEach((draw) => draw());
  }

  function isDark() {
    const chosen = document.documentElement.dataset.theme;
    return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  }

  /** The value of a colour of the style sheet, for example colour("golden"). */
  function colour(name) {
    return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  }

  const earlier = remembered();
  if (earlier === "dark" || earlier === "light") document.documentElement.dataset.theme = earlier;
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () =>
    themed.forEach((draw) => draw()),
  );
  document.addEventListener("keydown", pressed);
  document.getElementById("keys-button").addEventListener("click", showKeys);
  document
    .getElementById("theme-button")
    .addEventListener("click", () => setTheme(isDark() ? "light" : "dark"));

  return { data, element, address, replaceAddress, key, onTheme, isDark, colour };
})();
