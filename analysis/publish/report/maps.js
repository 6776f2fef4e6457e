// The map of styles beside its null, and where seeds put the object.
"use strict";

const maps = (() => {
  const { element } = page;

  /** Twelve colours that differ in lightness as well; groups beyond them share colours. */
  const groupColours = () => (page.isDark()
    ? ["#56b4e9", "#e69f00", "#4cc9a0", "#f0e442", "#cc79a7", "#ff8a4c", "#9aa7ff", "#c3cad0", "#7fd1d1", "#d6a3e8", "#b8d86b", "#f7b5b5"]
    : ["#0072b2", "#d08700", "#009e73", "#8a7a00", "#b0578d", "#d55e00", "#5661c9", "#5f6a72", "#1f8a8a", "#8e44ad", "#5e7f12", "#c0504d"]);

  function figure(title, label, caption) {
    const plot = element("div", { class: "plot" });
    const node = element("figure", { class: "card" }, element("h2", {}, title), plot,
      element("figcaption", {}, caption));
    return { node, plot, label };
  }

  /** What a study says in words: it stands below the pictures. */
  function outcome(part) {
    return element("article", { class: "card prose" }, element("h2", {}, "In words"),
      element("p", {}, sentence(part.outcome)),
      element("dl", { class: "facts" }, ...["question", "method", "null", "n"].flatMap((name) =>
        [element("dt", {}, name), element("dd", {}, ...said(part[name]))])));
  }

  /** One sentence above the pictures. */
  const lead = (...words) => element("p", { class: "lead" }, ...words);

  /** Shows the map; a seed of the address is marked. */
  function style(node, values) {
    const part = page.data("style");
    if (part.missing) return node.replaceChildren(missing(part.missing));
    const rows = rowsOf(part.tables.map);
    const marked = values.has("seed") ? rows.filter((row) => row.seed === Number(values.get("seed"))) : [];
    const names = new Map(part.numbers.groups.map((group) => [group.group, group]));
    const word = (row) => {
      const group = names.get(row.group);
      return group ? `group ${row.group}: ${group.trait}${group.confirmed ? ", confirmed on set 2" : ", not confirmed"}` : `group ${row.group}`;
    };
    const left = figure("Seeds by style", "Map of the seeds by style",
      "One dot per seed, coloured by its group; neighbours have images of similar style. The axes of a t-SNE map have no unit. Point at a dot to see images of its seed, click to open it.");
    const right = figure("If seeds did nothing", "Map of permuted images",
      "The same method after images were dealt out to seeds at random: t-SNE shows clumps even here, so only what differs from this map means anything. The numbers are not those of real seeds.");
    const { seed_share: share, seed_share_null_high: null_share } = part.numbers;
    const confirmed = part.numbers.groups.filter((group) => group.confirmed).length;
    node.replaceChildren(
      lead(`The seed explains ${percent(share)} of the variance of style within prompts; without an effect it would be at most ${percent(null_share)}. Set 2 confirms ${confirmed} of ${part.numbers.groups.length} groups.`),
      element("div", { class: "maps" }, left.node, right.node), groupTable(part), outcome(part));
    const options = (x, y, colour) => (width) => ({
      height: Math.min(width, 480), inset: 14, axis: null,
      marks: [
        ...charts.seedDots(rows, { x, y }, colour),
        Plot.dot(marked, { x, y, r: 11, stroke: page.colour("ink"), strokeWidth: 3 }),
      ],
    });
    const coloured = (row) => groupColours()[row.group % 12];
    charts.draw(left.plot, left.label, options("x", "y", coloured), (plot) => charts.answer(plot, (row) => [word(row)]));
    charts.draw(right.plot, right.label, (width) => ({
      height: Math.min(width, 480), inset: 14, axis: null,
      marks: [Plot.dot(rows, { x: "null_x", y: "null_y", r: rows.length > 400 ? 2.6 : 4, fill: page.colour("quiet"), fillOpacity: 0.8 })],
    }));
    return undefined;
  }

  function groupTable(part) {
    const swatches = part.numbers.groups.map(() => element("span", { class: "swatch" }));
    const paint = () => part.numbers.groups.forEach((row, i) => {
      swatches[i].style.background = groupColours()[row.group % 12];
    });
    paint();
    page.onTheme(paint);
    const head = ["group", "seeds", "trait", "set 1", "set 2", "95 % interval", "null below", "p (Holm)", "confirmed"];
    return element("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Groups of seeds" },
      element("h2", {}, "Groups, named on set 1 and tested on set 2"),
      element("table", {}, element("thead", {}, element("tr", {}, ...head.map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...part.numbers.groups.map((row, i) => element("tr", {},
          element("td", {}, swatches[i], String(row.group)),
          ...[row.seeds, row.trait, row.set1, row.set2, `${shown(row.low)} to ${shown(row.high)}`, row.null_high, row.p_holm, row.confirmed ? "yes" : "no"]
            .map((value) => element("td", {}, shown(value))))))));
  }

  const CELLS = 16;

  /** How many seeds have their mean in each of 16 x 16 cells. */
  function binned(rows) {
    const counts = new Map();
    for (const row of rows) {
      if (row.x === null || row.y === null) continue;
      const [x, y] = [row.x, row.y].map((value) => Math.min(CELLS - 1, Math.floor(value * CELLS)));
      const key = y * CELLS + x;
      if (!counts.has(key)) counts.set(key, { x, y, seeds: [] });
      counts.get(key).seeds.push(row.seed);
    }
    return [...counts.values()];
  }

  function heat(node, label, rows) {
    const cells = binned(rows).map((cell) => ({ ...cell, count: cell.seeds.length, seed: cell.seeds[0] }));
    charts.draw(node, label, (width) => ({
      width: Math.min(width, 460), height: Math.min(width, 460), aspectRatio: 1, marginTop: 34,
      x: { domain: [0, 1], label: "from the left", axis: "top", tickFormat: "%", ticks: 4 },
      y: { domain: [1, 0], label: "from the top", tickFormat: "%", ticks: 4 },
      color: {
        legend: true, label: "seeds", width: Math.min(width, 220), ticks: 3, tickFormat: "d", type: "sqrt", range: [page.colour("wash"), page.colour("golden")],
        domain: [0, d3.max(cells, (cell) => cell.count) || 1],
      },
      marks: [
        Plot.frame({ stroke: page.colour("line") }),
        Plot.rect(cells, {
          x1: (cell) => cell.x / CELLS, x2: (cell) => (cell.x + 1) / CELLS, y1: (cell) => cell.y / CELLS,
          y2: (cell) => (cell.y + 1) / CELLS, fill: "count", inset: 0.5,
          title: (cell) => `${cell.count} seed${cell.count > 1 ? "s" : ""}: ${cell.seeds.slice(0, 12).join(", ")}`,
        }),
        Plot.dot(rows, { x: "x", y: "y", r: rows.length > 400 ? 1 : 2, fill: page.colour("ink"), fillOpacity: 0.5 }),
        Plot.dot(rows, Plot.pointer({ x: "x", y: "y", r: 7, stroke: page.colour("ink"), strokeWidth: 2 })),
      ],
    }), (plot) => charts.answer(plot, (row) => [`x ${percent(row.x)}, y ${percent(row.y)}`]));
  }

  const MOST_OBJECTS = 6;

  /** Shows the shares of the layout, and heat maps of all seeds and of single objects. */
  function layout(node) {
    const part = page.data("composition");
    if (part.missing) return node.replaceChildren(missing(part.missing));
    const shares = element("div", { class: "plot" });
    const cards = element("div", { class: "maps small" });
    node.replaceChildren(
      lead(`The object was found in ${percent(part.numbers.found)} of the images.`),
      element("figure", { class: "card" }, element("h2", {}, "The seed’s share of the object’s place"), shares,
        element("figcaption", {}, "Share of the variance between images, 95 % interval; the bar marks what seeds without an effect would show (97.5 %).")), cards, outcome(part));
    const rows = rowsOf(part.tables.shares).map((row) => ({
      name: row.measure, value: row.seed, low: row.seed_low, high: row.seed_high, null: row.seed_null_high,
    }));
    charts.intervals(shares, "Shares of the layout", rows, "share of the variance →",
      () => [Plot.tickX(rows, { x: "null", y: "name", stroke: page.colour("bad"), strokeWidth: 3 })]);
    const objects = rowsOf(part.tables.objects);
    const names = d3.rollups(objects, (group) => d3.sum(group, (row) => row.n), (row) => row.object)
      .sort((a, b) => b[1] - a[1]).slice(0, MOST_OBJECTS - 1).map(([name]) => name);
    const panels = [["all objects", rowsOf(part.tables.seeds)],
      ...names.map((name) => [name, objects.filter((row) => row.object === name)])];
    for (const [name, seeds] of panels) {
      const made = figure(name, `Where seeds put: ${name}`,
        "Colour: how many seeds have the mean place of the object there. Dots: single seeds; point at one to see its images.");
      cards.append(made.node);
      heat(made.plot, made.label, seeds);
    }
    return undefined;
  }

  return { style, layout, outcome, lead };
})();
