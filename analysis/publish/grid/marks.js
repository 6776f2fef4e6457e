// What is drawn over the images: numbers of seeds, prompts, pins, the chosen cell, missing images.
"use strict";

const marks = (() => {
  const LABEL = 18; // pixels of a cell from which rows have a label

  function draw(pen, { TOP, camera, shown, left, top, width, height }) {
    const colours = Object.fromEntries(
      ["paper", "card", "ink", "soft", "line", "golden", "bad", "accent"].map((name) => [name, page.colour(name)]),
    );
    const size = camera.size;
    pen.font = `12px ${getComputedStyle(document.body).fontFamily}`;
    pen.textBaseline = "middle";
    absent(pen, { camera, shown, left, top, width, height });
    box(pen, shown.hovered, colours.ink, 1);
    box(pen, shown.chosen, colours.accent, 3);
    pen.fillStyle = colours.paper;
    pen.fillRect(0, 0, width, TOP);
    seedLabels(pen, shown.columns, left - camera.x * size, left, width);
    seedLabels(pen, shown.pinColumns, 0, 0, left);
    rowLabels(pen, shown.rows, top - camera.y * size, top, height);
    rowLabels(pen, shown.pinRows, TOP, TOP, top);
    pen.fillStyle = colours.accent;
    if (left) pen.fillRect(left - 3, 0, 2, height);
    if (top > TOP) pen.fillRect(0, top - 3, width, 2);

    function box(target, cell, colour, line) {
      if (!cell) return;
      for (const [x, y] of places(cell)) {
        target.strokeStyle = colour;
        target.lineWidth = line;
        target.strokeRect(x - line / 2, y - line / 2, Math.max(size, 3) + line, Math.max(size, 3) + line);
      }
    }

    /** Where a cell is seen: in the grid, and pinned. */
    function places({ s, p }) {
      const spots = (list, index, first, from, to) => {
        const at = first + list.indexOf(index) * size;
        return list.includes(index) && at + size > from && at < to ? [at] : [];
      };
      const xs = [
        ...spots(shown.columns, s, left - camera.x * size, left - size / 2, width),
        ...spots(shown.pinColumns, s, 0, -1, left),
      ];
      const ys = [
        ...spots(shown.rows, p, top - camera.y * size, top - size / 2, height),
        ...spots(shown.pinRows, p, TOP, 0, top),
      ];
      return xs.flatMap((x) => ys.map((y) => [x, y]));
    }

    /** Numbers above the columns, as many as there is room for. */
    function seedLabels(target, list, first, from, to) {
      const wide = 9 + 7.2 * String(orders.seeds[orders.seeds.length - 1]).length;
      const step = Math.max(1, Math.ceil(wide / size));
      target.save();
      target.beginPath();
      target.rect(from, 0, to - from, TOP);
      target.clip();
      target.textAlign = "center";
      const start = Math.max(0, Math.floor((from - first) / size / step) * step);
      for (let i = start; i < list.length && first + i * size < to; i += step) {
        const list_ = orders.listed.get(list[i]);
        target.fillStyle = list_ ? colours[list_] : colours.soft;
        const mark = list_ && size >= wide + 8 ? (list_ === "golden" ? "▲ " : "▼ ") : "";
        target.fillText(mark + orders.seeds[list[i]], first + (i + 0.5) * size, TOP / 2 + 1);
      }
      target.restore();
    }

    /** The prompts beside the first column, or over the images where there is no room. */
    function rowLabels(target, list, first, from, to) {
      if (size < LABEL) return;
      target.save();
      target.beginPath();
      target.rect(0, from, width, to - from);
      target.clip();
      target.textAlign = "left";
      const room = Math.max(90, Math.min(260, width * 0.24));
      for (let i = Math.max(0, Math.floor((from - first) / size)); i < list.length; i += 1) {
        const y = first + i * size;
        if (y > to) break;
        const at = Math.min(Math.max(y + 3, from + 3), y + Math.max(size - 22, 0) + 3);
        const text = fitted(target, orders.prompts[list[i]].text, room);
        const wide = target.measureText(text).width + 12;
        const x = left + Math.max(4, -camera.x * size - wide - 6);
        target.globalAlpha = 0.88;
        target.fillStyle = colours.card;
        target.beginPath();
        target.roundRect(x, at, wide, 18, 5);
        target.fill();
        target.globalAlpha = 1;
        target.fillStyle = colours.ink;
        target.fillText(text, x + 6, at + 9.5);
      }
      target.restore();
    }
  }

  const cut = new Map();

  /** The beginning of a text that has room, in its own direction. */
  function fitted(pen, text, room) {
    const key = `${Math.round(room)} ${text.slice(0, 200)}`;
    if (cut.has(key)) return cut.get(key);
    let short = text.slice(0, 120);
    while (short.length > 1 && pen.measureText(`${short}…`).width > room) short = [...short].slice(0, -2).join("");
    const made = short.length < text.length ? `${short.trimEnd()}…` : short;
    if (cut.size > 5000) cut.clear();
    cut.set(key, made);
    return made;
  }

  /** A cross in each cell without an image, where cells are large enough to see it. */
  function absent(pen, { camera, shown, left, top, width, height }) {
    const size = camera.size;
    if (size < 10) return;
    pen.save();
    pen.beginPath();
    pen.rect(left, top, width - left, height - top);
    pen.clip();
    pen.strokeStyle = "rgb(255 255 255 / 55%)";
    pen.lineWidth = 1;
    const [x0, y0] = [Math.max(0, Math.floor(camera.x)), Math.max(0, Math.floor(camera.y))];
    for (let i = x0; i < shown.columns.length && left + (i - camera.x) * size < width; i += 1)
      for (let j = y0; j < shown.rows.length && top + (j - camera.y) * size < height; j += 1) {
        if (orders.seen(shown.columns[i], shown.rows[j])) continue;
        const [x, y] = [left + (i - camera.x) * size, top + (j - camera.y) * size];
        pen.beginPath();
        pen.moveTo(x + size * 0.3, y + size * 0.3);
        pen.lineTo(x + size * 0.7, y + size * 0.7);
        pen.moveTo(x + size * 0.7, y + size * 0.3);
        pen.lineTo(x + size * 0.3, y + size * 0.7);
        pen.stroke();
      }
    pen.restore();
  }

  return { draw };
})();
