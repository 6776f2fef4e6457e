// The classifier, text in images, and brightness.
"use strict";

const studies = (() => {
  const { element } = page;

  function card(title, plot, caption) {
    return element("figure", { class: "card" }, element("h2", {}, title), plot, element("figcaption", {}, caption));
  }

  /** Accuracy of the classifier: tests, and its growth by epoch. */
  function classifier(node) {
    const part = page.data("distinguishability");
    if (part.missing) return node.replaceChildren(missing(part.missing));
    const [tests, epochs] = [element("div", { class: "plot" }), element("div", { class: "plot" })];
    const rows = rowsOf(part.tables.tests);
    const chance = rows[0].chance;
    node.replaceChildren(
      maps.lead(`Of images that it never saw, a trained network names the seed of ${percent(rows[0].top1)}; guessing gives ${percent(chance)}.`),
      element("div", { class: "maps" },
      card("Right at the first guess", tests, `Share of test images whose seed the network names, of prompts that it never saw, with 95 % intervals. Line: chance, ${percent(chance)}.`),
      card("While it learns", epochs, "Share of validation images named correctly after each epoch, for each training.")),
    hardest(part), maps.outcome(part));
    charts.intervals(tests, "Accuracy of the classifier",
      rows.map((row) => ({ name: row.test, value: row.top1, low: row.low, high: row.high, colour: row.test.startsWith("null") ? "quiet" : "seed" })),
      "share of images named correctly →", () => [Plot.ruleX([chance], { stroke: page.colour("bad"), strokeDasharray: "4 3" })]);
    const lines = rowsOf(part.tables.epochs).map((row) => ({ ...row, line: `${row.trained_on}, ${row.prompts} prompts` }));
    const ends = d3.groups(lines, (row) => row.line).map(([, group]) => group[group.length - 1]);
    charts.draw(epochs, "Accuracy by epoch", () => ({
      height: 320, marginRight: 20, marginBottom: 40, x: { label: "epoch", ticks: Math.min(8, d3.max(lines, (row) => row.epoch)), tickFormat: "d" },
      y: { label: "share named correctly", domain: [0, 1], grid: true },
      color: { legend: true, domain: ends.map((row) => row.line), range: ["seed", "prompt", "good", "bad", "golden", "quiet"].map(page.colour) },
      marks: [Plot.line(lines, { x: "epoch", y: "validation_top1", stroke: "line", strokeWidth: 2.5 }), Plot.dot(lines, { x: "epoch", y: "validation_top1", fill: "line", r: 3.5 })],
    }));
    return undefined;
  }

  function hardest(part) {
    const rows = rowsOf(part.tables.seeds).filter((row) => row.top1 < 1)
      .sort((a, b) => a.top1 - b.top1).slice(0, 12);
    if (!rows.length) return element("p", {}, "Every seed was named in each of its test images.");
    return element("div", { class: "card scroll", tabindex: "0", role: "region", "aria-label": "Seeds hardest to name" },
      element("h2", {}, "Seeds hardest to name"),
      element("table", {}, element("thead", {}, element("tr", {}, ...["seed", "named correctly", "images", "most often taken for"].map((name) => element("th", { scope: "col" }, name)))),
        element("tbody", {}, ...rows.map((row) => element("tr", {}, element("th", { scope: "row" }, element("a", { href: `#seed=${row.seed}` }, String(row.seed))),
          ...[percent(row.top1), row.n, row.most_often_taken_for].map((value) => element("td", {}, shown(value))))))));
  }

  const MOST_SEEDS = 30;

  /** The seeds whose images have writing most often. */
  function text(node) {
    const column = pictures.table.columns.find(({ key }) => key.startsWith("text_artifact"));
    if (!column) return node.replaceChildren(missing(page.data("missing").text));
    const plot = element("div", { class: "plot" });
    const rows = pictures.table.seeds.map((seed, i) => ({
      name: `seed ${seed}`, seed, value: column.value[i], low: column.low[i], high: column.high[i], colour: "seed",
    })).filter((row) => row.value !== null).sort((a, b) => b.value - a.value);
    const mean = d3.mean(rows, (row) => row.value);
    node.replaceChildren(
      element("p", {}, `On average ${percent(mean)} of the images that were read have writing that the prompt did not ask for (${column.unit}; ${column.n} images per seed).`),
      element("p", { class: "soft" }, ...said(column.method)),
      card(`The ${Math.min(MOST_SEEDS, rows.length)} seeds that write most`, plot,
        "Share of a seed’s images with writing, 95 % interval. Line: mean of all seeds. With few images per seed the top of such a list is mostly chance."));
    charts.intervals(plot, "Seeds by text artifacts", rows.slice(0, MOST_SEEDS), "share of images with writing →",
      () => [Plot.ruleX([mean], { stroke: page.colour("bad"), strokeDasharray: "4 3" })]);
    return undefined;
  }

  /** Mean brightness by kind of prompt and by run, with the brightness of true images. */
  function brightness(node) {
    const part = page.data("brightness");
    if (part.missing) return node.replaceChildren(missing(part.missing));
    const plot = element("div", { class: "plot" });
    const rows = rowsOf(part.tables.means).map((row) => ({
      name: `${row.kind} · ${row.run}`, value: row.brightness, low: row.brightness_low, high: row.brightness_high, truth: row.truth,
    }));
    const truths = rows.filter((row) => row.truth !== null && row.truth !== undefined);
    node.replaceChildren(card("Brightness by what the prompt asks for", plot,
      `Mean luma of the images, 0 black to 1 white, 95 % interval.${truths.length ? " Diamonds: true images of the same prompts." : ""}`), maps.outcome(part));
    charts.intervals(plot, "Brightness", rows, "mean brightness →",
      () => [Plot.dot(truths, { x: "truth", y: "name", symbol: "diamond", r: 6, stroke: page.colour("ink") })]);
    return undefined;
  }

  return { classifier, text, brightness };
})();
