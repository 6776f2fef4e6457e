// Draws the part of the grid that the window shows, with pinned seeds and prompts at its edges.
"use strict";

const view = (() => {
  const canvas = document.getElementById("grid");
  const pen = canvas.getContext("2d", { alpha: false });
  const TOP = 24; // numbers of the seeds
  const GAP = 4;
  const COMPOSE_MS = 9;
  const STILL_MS = 120;
  const { sides, SHEET } = layers;
  const camera = { x: 0, y: 0, size: 4 }; // the cell at the corner, and the side of a cell in pixels
  const shown = { columns: [], rows: [], pinColumns: [], pinRows: [], chosen: null, hovered: null };
  let parts = {};
  let dirty = false;
  let moved = () => {};
  let also = () => [];
  let frames = 0;
  let moving = 0;
  let lacking = [];
  let unfinished = false;

  const width = () => canvas.clientWidth;
  const height = () => canvas.clientHeight;
  const left = () => (shown.pinColumns.length ? shown.pinColumns.length * camera.size + GAP : 0);
  const top = () => TOP + (shown.pinRows.length ? shown.pinRows.length * camera.size + GAP : 0);

  /** Shows other columns and rows. */
  function show(columns, rows, pinColumns, pinRows) {
    Object.assign(shown, { columns, rows, pinColumns, pinRows });
    parts = {
      main: new layers.Layer(columns, rows),
      left: new layers.Layer(pinColumns, rows),
      top: new layers.Layer(columns, pinRows),
      corner: new layers.Layer(pinColumns, pinRows),
    };
    move(0, 0);
  }

  function bounds() {
    const least = Math.min(fitting(), 8) / 2;
    camera.size = Math.max(least, Math.min(512, camera.size));
    const limit = (at, count, room) => {
      const most = count - room / camera.size;
      return most <= 0 ? most / 2 : Math.max(0, Math.min(most, at));
    };
    camera.x = limit(camera.x, shown.columns.length, width() - left());
    camera.y = limit(camera.y, shown.rows.length, height() - top());
  }

  /** Side of a cell at which everything is seen. */
  function fitting() {
    const across = width() / Math.max(1, shown.columns.length + shown.pinColumns.length);
    const down = (height() - TOP) / Math.max(1, shown.rows.length + shown.pinRows.length);
    return Math.max(0.2, Math.min(across, down, 256));
  }

  function fit() {
    camera.size = fitting();
    camera.x = camera.y = 0;
    move(0, 0);
  }

  /** Moves by pixels of the window. */
  function move(dx, dy) {
    camera.x += dx / camera.size;
    camera.y += dy / camera.size;
    bounds();
    moved();
    if (dx || dy) keepMoving();
    draw();
  }

  /** Zooms by a factor and keeps what is at (x, y) of the window where it is. */
  function zoom(factor, x = width() / 2, y = height() / 2) {
    const [column, row] = [camera.x + (x - left()) / camera.size, camera.y + (y - top()) / camera.size];
    camera.size *= factor;
    camera.size = Math.max(Math.min(fitting(), 8) / 2, Math.min(512, camera.size));
    camera.x = column - (x - left()) / camera.size;
    camera.y = row - (y - top()) / camera.size;
    move(0, 0);
  }

  /** Brings a cell into view. Both are places in the present order; -1 leaves that axis. */
  function reveal(column, row, centre = false) {
    const place = (at, index, room) => {
      const visible = room / camera.size;
      if (index < 0 || (!centre && index >= at && index + 1 <= at + visible)) return at;
      if (centre) return index + 0.5 - visible / 2;
      return index < at ? index : index + 1 - visible;
    };
    camera.x = place(camera.x, column, width() - left());
    camera.y = place(camera.y, row, height() - top());
    move(0, 0);
  }

  /** The cell at a place of the window: index of seed and prompt, or null. */
  function cellAt(x, y) {
    if (y < TOP) return null;
    const index = (at, edge, pins, first, list) => {
      if (at < edge && pins.length) return pins[Math.floor((at - first) / camera.size)];
      return list.value[Math.floor(list.start + (at - edge) / camera.size)];
    };
    const s = index(x, left(), shown.pinColumns, 0, { value: shown.columns, start: camera.x });
    const p = index(y, top(), shown.pinRows, TOP, { value: shown.rows, start: camera.y });
    return s === undefined || p === undefined ? null : { s, p };
  }

  function draw() {
    if (dirty) return;
    dirty = true;
    requestAnimationFrame(frame);
  }

  function frame() {
    dirty = false;
    const scale = Math.min(2, devicePixelRatio || 1);
    const [w, h] = [Math.round(width() * scale), Math.round(height() * scale)];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.fillStyle = page.colour("wash");
    pen.fillRect(0, 0, w, h);
    pen.imageSmoothingEnabled = !moving;
    lacking = [];
    unfinished = false;
    const until = performance.now() + COMPOSE_MS;
    const [l, t, size] = [left(), top(), camera.size];
    const area = (x, y, x2, y2) => [x, y, x2, y2].map((edge) => Math.round(edge * scale));
    region(parts.main, area(l, t, width(), height()), camera.x, camera.y, size * scale, until);
    if (l) region(parts.left, area(0, t, l - GAP, height()), 0, camera.y, size * scale, until);
    if (t > TOP) region(parts.top, area(l, TOP, width(), t - GAP), camera.x, 0, size * scale, until);
    if (l && t > TOP) region(parts.corner, area(0, TOP, l - GAP, t - GAP), 0, 0, size * scale, until);
    pen.setTransform(scale, 0, 0, scale, 0, 0);
    marks.draw(pen, { TOP, camera, shown, left: l, top: t, width: width(), height: height() });
    lacking.sort((a, b) => b[0] - a[0]); // coarse sheets first: they cover most
    lacking.splice(4, 0, ...also());
    sheets.want(lacking);
    frames += 1;
    if (unfinished) draw();
  }

  /** Draws without smoothing until the picture has been still for a moment: that is much faster. */
  function keepMoving() {
    clearTimeout(moving);
    moving = setTimeout(() => {
      moving = 0;
      draw();
    }, STILL_MS);
  }

  /** Draws a layer into an area: each tile, or the part of a coarser tile that covers it. */
  function region(layer, [x1, y1, x2, y2], fromX, fromY, size, until) {
    if (!layer || x2 <= x1 || y2 <= y1) return;
    const level = layers.levelFor(size);
    const per = SHEET / sides[level];
    const last = (count, from, room) => Math.floor((Math.min(count, from + room / size) - 1e-9) / per);
    pen.save();
    pen.beginPath();
    pen.rect(x1, y1, x2 - x1, y2 - y1);
    pen.clip();
    const [right, bottom] = [last(layer.columns.length, fromX, x2 - x1), last(layer.rows.length, fromY, y2 - y1)];
    for (let y = Math.max(0, Math.floor(fromY / per)); y <= bottom; y += 1)
      for (let x = Math.max(0, Math.floor(fromX / per)); x <= right; x += 1) {
        const across = Math.min(per, layer.columns.length - x * per);
        const down = Math.min(per, layer.rows.length - y * per);
        const edge = (base, cells, from) => Math.round(base + (cells - from) * size);
        const box = [
          edge(x1, x * per, fromX), edge(y1, y * per, fromY),
          edge(x1, x * per + across, fromX), edge(y1, y * per + down, fromY),
        ];
        tile(layer, level, x, y, box, across, down, until);
      }
    pen.restore();
  }

  function tile(layer, level, x, y, [x1, y1, x2, y2], across, down, until) {
    let [lx, ly, ratio] = [x, y, 1];
    for (let coarse = level; coarse < sides.length; coarse += 1) {
      const found = layer.ready(coarse, lx, ly) || composed(layer, coarse, lx, ly, until);
      if (found) {
        const [side, per] = [sides[coarse], SHEET / sides[level]];
        const [cellX, cellY] = [(x - lx * ratio) * per, (y - ly * ratio) * per];
        pen.drawImage(
          found, cellX * side, cellY * side, across * side, down * side, x1, y1, x2 - x1, y2 - y1,
        );
        return;
      }
      ratio *= sides[coarse] / (sides[coarse + 1] || 1);
      [lx, ly] = [Math.floor(x / ratio), Math.floor(y / ratio)];
    }
  }

  /** Composes a tile if its sheets are there and time is left in this frame. */
  function composed(layer, level, x, y, until) {
    const missing = layer.lacks(level, x, y);
    if (missing.length) {
      lacking.push(...missing);
      return null;
    }
    if (performance.now() > until) {
      unfinished = true;
      return null;
    }
    return layer.compose(level, x, y);
  }

  sheets.whileCalm(() => !moving);
  page.onTheme(draw);
  new ResizeObserver(() => move(0, 0)).observe(canvas);

  return {
    canvas, camera, shown, show, fit, move, zoom, reveal, cellAt, draw, left, top, TOP,
    frames: () => frames,
    /** Whether everything in the window is drawn at its best. */
    settled: () => !dirty && !moving && !unfinished && !lacking.some(([l, x, y]) => !sheets.isLost(l, x, y)),
    onMove(action) {
      moved = action;
    },
    /** Asks for further sheets in each frame. */
    alsoWant(action) {
      also = action;
    },
  };
})();
