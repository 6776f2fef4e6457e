// Small images, cut from sheets of 64 seeds.
"use strict";

const pictures = (() => {
  const info = page.data("thumbnails");
  const table = page.data("seeds");
  const row = new Map(table.seeds.map((seed, index) => [seed, index]));
  const absent = info.without.map((rows) => new Set(rows));

  /** The file that shows a cell, or "" where no image was kept. */
  function sheet(prompt, seed) {
    const index = row.get(seed);
    if (index === undefined || absent[prompt].has(index)) return "";
    return info.sheets[prompt][Math.floor(index / info.seeds)];
  }

  /** Whether the run kept any image of the prompts that are shown. */
  const any = info.sheets.flat().some(Boolean);

  /** The first letters of a text, without cutting one in half. */
  const cut = (text, letters) => [...text].slice(0, letters).join("");

  /** An element that shows the image of a prompt (by its number) and a seed, `size` pixels wide. */
  function image(prompt, seed, size) {
    const file = prompt < info.prompts.length ? sheet(prompt, seed) : "";
    const text = prompt < info.prompts.length ? info.prompts[prompt].text : "";
    const said = `seed ${seed}, ${cut(text, 120)}${file ? "" : ": no image"}`;
    const made = page.element("span", {
      class: file ? "image" : "image absent", role: "img", "aria-label": said,
    });
    const scale = size / info.width;
    made.style.width = `${size}px`;
    made.style.height = `${info.height * scale}px`;
    if (!file) return made;
    const place = row.get(seed) % info.seeds;
    const [x, y] = [place % info.columns, Math.floor(place / info.columns)];
    made.style.backgroundImage = `url("images/${file}")`;
    made.style.backgroundSize = `${info.columns * size}px auto`;
    made.style.backgroundPosition = `${-x * size}px ${-y * info.height * scale}px`;
    return made;
  }

  /** "golden", "bad" or "". */
  const listed = (seed) => table.lists[row.get(seed)] || "";

  /** A seed's number, with a shape beside the colour if it is listed. */
  function name(seed) {
    const list = listed(seed);
    return list ? page.element("span", { class: `tag ${list}` }, String(seed)) : String(seed);
  }

  const hover = document.getElementById("hover");

  /** Shows some images of a seed beside the pointer; no seed hides them. */
  function showHover(seed, event, lines = []) {
    hover.hidden = seed === null;
    if (seed === null) return;
    const size = 72;
    const shown = info.prompts.slice(0, 8).map((_, prompt) => image(prompt, seed, size));
    hover.replaceChildren(
      page.element("strong", {}, "seed ", name(seed)),
      ...lines.map((line) => page.element("div", { class: "soft" }, line)),
      page.element("div", { class: "strip" }, ...shown),
    );
    const [x, y] = [event.clientX + 16, event.clientY + 16];
    hover.style.left = `${Math.max(8, Math.min(x, innerWidth - hover.offsetWidth - 8))}px`;
    hover.style.top = `${Math.max(8, Math.min(y, innerHeight - hover.offsetHeight - 8))}px`;
  }

  return { any, cut, info, table, row, image, listed, name, showHover };
})();
