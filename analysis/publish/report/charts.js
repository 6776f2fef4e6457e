// Charts by Observable Plot, drawn again when the theme or the width changes.
"use strict";

const charts = (() => {
  const style = () => ({
    background: "transparent", color: page.colour("ink"), fontSize: "0.75rem", overflow: "visible",
  });

  /** The picture of a plot, which may be in a figure with a legend. */
  const drawingOf = (plot) => (plot.tagName === "svg" ? plot : plot.querySelector(":scope > svg"));

  /** Draws `make(width)`, an object of options for Plot, into a node. */
  function draw(node, label, make, after = () => {}) {
    let width = 0;
    const redraw = () => {
      if (!width || !node.isConnected) return;
      const plot = Plot.plot({ width, style: style(), ...make(width) });
      plot.querySelectorAll("[aria-label]").forEach((part) => part.removeAttribute("aria-label"));
      const drawing = drawingOf(plot);
      drawing.setAttribute("aria-label", label);
      drawing.setAttribute("role", "img");
      node.replaceChildren(plot);
      after(plot);
    };
    new ResizeObserver(([entry]) => {
      const wide = Math.floor(entry.contentRect.width);
      if (wide && Math.abs(wide - width) > 4) {
        width = wide;
        redraw();
      }
    }).observe(node);
    page.onTheme(redraw);
  }

  /** Dots, one per seed, that show images when pointed at and open the seed when clicked. */
  function seedDots(rows, channels, colour) {
    const shown = {
      ...channels, r: rows.length > 400 ? 2.6 : 4, fill: colour, fillOpacity: 0.85,
      stroke: page.colour("card"), strokeWidth: 0.4,
    };
    return [
      Plot.dot(rows, shown),
      Plot.dot(rows, Plot.pointer({ ...channels, r: 8, stroke: page.colour("ink"), strokeWidth: 2 })),
    ];
  }

  /** Makes the dots of a plot answer to the pointer. */
  function answer(plot, lines = () => []) {
    let at = null;
    const drawing = drawingOf(plot);
    drawing.style.cursor = "pointer";
    // Before Plot's own listener, so that the place is known when Plot names the dot.
    const note = (event) => { at = event; };
    drawing.addEventListener("pointerenter", note, { capture: true });
    drawing.addEventListener("pointermove", note, { capture: true });
    plot.addEventListener("input", () => {
      const found = plot.value;
      pictures.showHover(found ? found.seed : null, at || { clientX: 0, clientY: 0 },
        found ? lines(found) : []);
    });
    drawing.addEventListener("pointerleave", () => pictures.showHover(null));
    drawing.addEventListener("click", () => {
      if (!plot.value) return;
      pictures.showHover(null);
      location.hash = `seed=${plot.value.seed}`;
    });
  }

  /** Values with their intervals, one line each. */
  function intervals(node, label, rows, axis, extra = () => []) {
    const longest = d3.max(rows, (row) => row.name.length);
    draw(node, label, (width) => ({
      height: 60 + 26 * rows.length, marginBottom: 38,
      marginLeft: Math.min(14 + 7 * longest, width * 0.45),
      x: { label: axis, grid: true, nice: true },
      y: {
        label: null, domain: rows.map((row) => row.name), tickSize: 0,
        tickFormat: (name) => (7 * name.length > width * 0.45 ? `${name.slice(0, Math.floor(width * 0.06))}…` : name),
      },
      marks: [
        Plot.ruleY(rows, { y: "name", x1: "low", x2: "high", stroke: page.colour("ink"), strokeWidth: 2 }),
        ...extra(),
        Plot.dot(rows, { x: "value", y: "name", r: 5, fill: (row) => page.colour(row.colour || "seed") }),
      ],
    }));
  }

  return { draw, seedDots, answer, intervals };
})();

/** Columns to rows: {a: [1, 2]} becomes [{a: 1}, {a: 2}]. */
function rowsOf(columns) {
  const names = Object.keys(columns);
  return columns[names[0]].map((_, i) => Object.fromEntries(names.map((n) => [n, columns[n][i]])));
}

/** A number as people read it. */
function shown(value) {
  if (value === null || value === undefined) return "–";
  if (typeof value !== "number") return String(value);
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en") : String(+value.toPrecision(4));
}

const percent = (value) => (value === null ? "–" : `${(100 * value).toFixed(1).replace(/^-0\.0$/, "0.0")}\u00a0%`);

/** Words of a study as a sentence. */
const sentence = (text) => `${text[0].toUpperCase()}${text.slice(1).replaceAll("+-", "±")}.`;

/** Text in which `...` is code. */
function said(text) {
  return text.split("`").map((part, i) => (i % 2 ? page.element("code", {}, part) : part));
}

/** A card that says what is missing, and which command makes it. */
function missing(...lines) {
  return page.element("article", { class: "card missing" },
    page.element("h2", {}, "Not there yet"),
    ...lines.map((line) => page.element("p", {}, ...said(line))));
}
