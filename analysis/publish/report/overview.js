// The first screen: images of seeds at both ends, and the ranks on both sets.
"use strict";

(() => {
  const titles = {
    best: "Best on set 1", middle: "From the middle", worst: "Worst on set 1",
  };
  const { element } = page;

  /** Five images of each seed. The images are of set 2, which did not choose. */
  function showEnds() {
    const ends = page.data("ends");
    const fallback = [{ name: "", seeds: pictures.table.seeds.slice(0, 3) }];
    const node = document.getElementById("ends");
    const count = Math.min(5, pictures.info.prompts.length);
    if (!count || !pictures.any) return;
    for (const { name, seeds } of ends.length ? ends : fallback) {
      const rows = seeds.map((seed) => {
        const images = pictures.info.prompts.slice(0, count).map((_, i) => pictures.image(i, seed, 64));
        images.forEach((image) => fluid(image));
        return element("div", { class: "end-row" },
          element("a", { class: "seed-link", href: `#seed=${seed}` }, pictures.name(seed)),
          element("div", { class: "strip" }, ...images));
      });
      node.append(element("section", { class: "end" },
        element("h2", {}, titles[name] || "Some seeds"), ...rows));
    }
  }

  /** Lets an image fill its column: positions in percent do not depend on the width. */
  function fluid(image) {
    const { columns, width, height } = pictures.info;
    const [x, y] = image.style.backgroundPosition.split(" ").map(parseFloat);
    const rows = Math.round(-y / (64 * height / width));
    image.style.width = "100%";
    image.style.height = "auto";
    image.style.aspectRatio = `${width} / ${height}`;
    if (!image.style.backgroundImage) return;
    image.style.backgroundSize = `${100 * columns}% auto`;
    image.style.backgroundPosition = `${(100 * (-x / 64)) / (columns - 1)}% 0%`;
    if (rows) shift(image, rows);
  }

  /** The height of a sheet differs with its number of rows, so the row is set in pixels. */
  function shift(image, rows) {
    new ResizeObserver(() => {
      image.style.backgroundPositionY = `${-rows * image.clientHeight}px`;
    }).observe(image);
  }

  function showSets() {
    const node = document.getElementById("sets-plot");
    const sets = page.data("sets");
    if (!node || !sets.seeds.length) return;
    const rows = rowsOf({ seed: sets.seeds, set1: sets.set1, set2: sets.set2 })
      .map((row) => ({ ...row, list: pictures.listed(row.seed) }));
    const last = rows.length + 1;
    const size = rows.length > 400 ? 2 : 3.5;
    charts.draw(node, "Rank of each seed on set 1 and on set 2", (width) => ({
      height: Math.min(width, 380), inset: 8, marginBottom: 42,
      x: { label: "rank on set 1 (1 is best) →", domain: [0, last], ticks: 5 },
      y: { label: "↓ rank on set 2", domain: [last, 0], ticks: 5 },
      marks: [
        Plot.line([[0, 0], [last, last]], { stroke: page.colour("line"), strokeDasharray: "4 4" }),
        Plot.dot(rows.filter((row) => !row.list), { x: "set1", y: "set2", r: size, fill: page.colour("quiet"), fillOpacity: 0.8 }),
        ...["golden", "bad"].map((list) => Plot.dot(rows.filter((row) => row.list === list), {
          x: "set1", y: "set2", r: size + 1, symbol: "triangle", rotate: list === "bad" ? 180 : 0,
          fill: page.colour(list), fillOpacity: 0.85,
        })),
        Plot.dot(rows, Plot.pointer({ x: "set1", y: "set2", r: 8, stroke: page.colour("ink") })),
      ],
    }), (plot) => charts.answer(plot, (row) => [`rank ${row.set1} on set 1, ${row.set2} on set 2`]));
  }

  showEnds();
  showSets();
})();
