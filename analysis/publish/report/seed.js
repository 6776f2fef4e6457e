// One seed, and two to four seeds side by side.
"use strict";

const seedView = (() => {
  const { element } = page;
  const { table, info } = pictures;
  let current = null;

  /** Where a seed stands among all: a line from the lowest to the highest value, with its interval. */
  function track(column, index) {
    const known = column.value.filter((value) => value !== null && value !== undefined);
    const ends = [...known, column.low?.[index], column.high?.[index]]
      .filter((value) => value !== null && value !== undefined);
    const [low, high] = d3.extent(ends);
    const at = (value) => `${high > low ? (100 * (value - low)) / (high - low) : 50}%`;
    const parts = [];
    const part = (name, from, to) => {
      const made = element("i", { class: name });
      made.style.left = at(from);
      if (to !== undefined) made.style.width = `calc(${at(to)} - ${at(from)})`;
      parts.push(made);
    };
    if (column.low && column.low[index] !== null) part("range", column.low[index], column.high[index]);
    part("middle", d3.median(known));
    if (column.value[index] !== null) part("at", column.value[index]);
    return element("div", { class: "track", "aria-hidden": "true" }, ...parts);
  }

  /** How many seeds are better; where no end is better, how many have a lower value. */
  function standing(column, index) {
    const value = column.value[index];
    if (value === null || value === undefined) return "–";
    const sign = column.better === "higher" ? -1 : 1;
    const before = column.value.filter((other) => other !== null && sign * (other - value) < 0).length;
    const count = column.value.filter((other) => other !== null).length;
    return `${before + 1} of ${count}`;
  }

  function measures(index) {
    const rows = table.columns.map((column) => element("tr", {},
      element("th", { class: "text", scope: "row" }, column.label, element("br"), element("small", {}, column.unit)),
      element("td", {}, element("strong", {}, shown(column.value[index]))),
      element("td", {}, column.low && column.low[index] !== null
        ? `${shown(column.low[index])} to ${shown(column.high[index])}` : ""),
      element("td", {}, track(column, index)),
      element("td", {}, column.key.startsWith("rank") ? "" : standing(column, index))));
    return element("div", { class: "scroll card", tabindex: "0", role: "region", "aria-label": "Measures" },
      element("table", {}, element("thead", {}, element("tr", {},
        ...["measure", "value", "95 % interval", "among all seeds", "place"].map((name, i) =>
          element("th", { scope: "col", class: i ? null : "text" }, name)))),
      element("tbody", {}, ...rows)));
  }

  /** What the studies say of this seed. */
  function facts(seed) {
    const lines = [];
    const style = page.data("style");
    const map = style && !style.missing ? rowsOf(style.tables.map).find((row) => row.seed === seed) : null;
    if (map) lines.push(["style", [element("a", { href: `#style?seed=${seed}` }, `group ${map.group} on the map`)]]);
    const layout = page.data("composition");
    const place = layout && !layout.missing ? rowsOf(layout.tables.seeds).find((row) => row.seed === seed) : null;
    if (place) {
      lines.push(["layout", [`object at ${percent(place.x)} from the left and ${percent(place.y)} from the top, `
        + `size ${percent(place.size)}, on average over ${place.n} images`]]);
    }
    const named = page.data("distinguishability");
    const known = named && !named.missing ? rowsOf(named.tables.seeds).find((row) => row.seed === seed) : null;
    if (known) lines.push(["classifier", [`names it in ${percent(known.top1)} of ${known.n} images`]]);
    return lines.length ? element("dl", { class: "facts" }, ...lines.flatMap(([name, text]) =>
      [element("dt", {}, name), element("dd", {}, ...text)])) : null;
  }

  const listWords = { golden: "▲ golden seed", bad: "▼ bad seed" };

  function tiles(seed) {
    return element("div", { class: "prompt-tiles" }, ...info.prompts.map((prompt, number) =>
      element("figure", {}, element("a", { href: `#prompt=${prompt.id}` }, pictures.image(number, seed, 150)),
        element("figcaption", {}, element("bdi", { class: "clamp", title: pictures.cut(prompt.text, 400) }, prompt.text)))));
  }

  function unknown(seed) {
    return [element("h1", {}, `Seed ${seed}`), element("p", {}, "This run has no such seed. ",
      element("a", { href: "#seeds" }, "All seeds"))];
  }

  /** Shows a seed. */
  function show(values) {
    const seed = Number(values.get("seed"));
    const node = document.getElementById("view-seed");
    const index = pictures.row.get(seed);
    current = index === undefined ? null : index;
    if (index === undefined) return node.replaceChildren(...unknown(values.get("seed").slice(0, 40)));
    const list = pictures.listed(seed);
    const [before, after] = [table.seeds[index - 1], table.seeds[index + 1]];
    const link = (other, text) => (other === undefined ? null
      : element("a", { href: `#seed=${other}` }, text));
    node.replaceChildren(...[
      element("div", { class: "seed-head" }, element("h1", {}, `Seed ${seed}`),
        list ? element("strong", { class: list }, listWords[list]) : null,
        link(before, "← earlier"), link(after, "later →")),
      facts(seed),
      element("h2", {}, "Images"), tiles(seed),
      element("h2", {}, "Measures"),
      table.columns.length ? measures(index) : missing(table.missing),
    ].filter(Boolean));
    return undefined;
  }

  function step(by) {
    const next = current === null ? undefined : table.seeds[current + by];
    if (next !== undefined) location.hash = `seed=${next}`;
  }

  /** Which of some values is the best; -1 where no end is better, or all are equal. */
  function best(column, indices) {
    const values = indices.map((index) => column.value[index]);
    if (!column.better || values.some((value) => value === null) || new Set(values).size < 2) return -1;
    return column.better === "higher" ? d3.maxIndex(values) : d3.minIndex(values);
  }

  /** Shows two to four seeds. */
  function compare(values) {
    const node = document.getElementById("view-compare");
    const seeds = [...new Set(values.get("compare").split(",").map(Number))]
      .filter((seed) => pictures.row.has(seed)).slice(0, 4);
    if (seeds.length < 2) {
      return node.replaceChildren(element("h1", {}, "Compare seeds"),
        element("p", {}, "Give two to four seeds of this run, for example ",
          element("code", {}, `#compare=${table.seeds.slice(0, 2).join(",")}`), "."));
    }
    const indices = seeds.map((seed) => pictures.row.get(seed));
    const size = Math.min(170, Math.max(84, (Math.min(innerWidth, 1100) - 190) / seeds.length));
    const images = info.prompts.map((prompt, number) => element("tr", {},
      element("th", { class: "text", scope: "row" }, element("bdi", { class: "clamp" }, prompt.text)),
      ...seeds.map((seed) => element("td", {}, pictures.image(number, seed, size)))));
    const numbers = table.columns.map((column) => {
      const winner = best(column, indices);
      return element("tr", {}, element("th", { class: "text", scope: "row" }, column.label),
        ...indices.map((index, i) => element("td", {},
          element("span", { class: i === winner ? "best" : null }, shown(column.value[index])),
          column.low && column.low[index] !== null
            ? element("small", {}, ` ${shown(column.low[index])} to ${shown(column.high[index])}`) : null)));
    });
    return node.replaceChildren(element("h1", {}, `Seeds ${seeds.join(", ")}`),
      element("div", { class: "scroll card", tabindex: "0", role: "region", "aria-label": "Comparison" },
        element("table", { class: "compare-table" },
          element("thead", {}, element("tr", {}, element("td", {}), ...seeds.map((seed) =>
            element("th", { scope: "col" }, element("a", { href: `#seed=${seed}` }, "seed ", pictures.name(seed)))))),
          element("tbody", {}, ...images, ...numbers))));
  }

  return { show, step, compare };
})();
