// Puts cells together in the present order: tiles, composed from sheets when they are needed.
"use strict";

const layers = (() => {
  const { SHEET, sides } = sheets;
  const MOST_TILES = 220;
  const scratch = document.createElement("canvas");
  const rough = scratch.getContext("2d");

  /** Cuts indices into runs of neighbours that lie on one sheet: [sheet, first, place, length]. */
  function runs(indices, perSheet) {
    const found = [];
    indices.forEach((index, place) => {
      const sheet = Math.floor(index / perSheet);
      const last = found.at(-1);
      if (last && last[0] === sheet && last[1] + last[3] === index && last[2] + last[3] === place)
        last[3] += 1;
      else found.push([sheet, index, place, 1]);
    });
    return found;
  }

  /** Columns times rows, in this order. */
  class Layer {
    constructor(columns, rows) {
      this.columns = columns;
      this.rows = rows;
      this.tiles = new Map();
    }

    /** The tile if it is composed, or null. */
    ready(level, x, y) {
      const tile = this.tiles.get(`${level}/${x}-${y}`);
      return tile || null;
    }

    /** The sheets that a tile lacks. */
    lacks(level, x, y) {
      const { across, down } = this.cut(level, x, y);
      const missing = [];
      for (const row of new Set(down.map((run) => run[0])))
        for (const column of new Set(across.map((run) => run[0])))
          if (!sheets.get(level, column, row) && !sheets.isLost(level, column, row))
            missing.push([level, column, row]);
      return missing;
    }

    cut(level, x, y) {
      const per = SHEET / sides[level];
      const columns = this.columns.slice(x * per, (x + 1) * per);
      const rows = this.rows.slice(y * per, (y + 1) * per);
      return { per, columns, rows, across: runs(columns, per), down: runs(rows, per) };
    }

    /** Composes a tile whose sheets are all there. Columns first, then rows: few, long copies. */
    compose(level, x, y) {
      const { per, columns, rows, across, down } = this.cut(level, x, y);
      const side = sides[level];
      const tile = document.createElement("canvas");
      tile.width = columns.length * side;
      tile.height = rows.length * side;
      const pen = tile.getContext("2d", { alpha: false });
      for (const sheetRow of new Set(down.map((run) => run[0]))) {
        scratch.width = tile.width;
        scratch.height = SHEET;
        for (const [sheetColumn, first, place, length] of across) {
          const sheet = sheets.get(level, sheetColumn, sheetRow);
          if (!sheet) continue;
          const left = (first - sheetColumn * per) * side;
          rough.drawImage(
            sheet, left, 0, length * side, sheet.height,
            place * side, 0, length * side, sheet.height,
          );
        }
        for (const [row, first, place, length] of down)
          if (row === sheetRow)
            pen.drawImage(
              scratch, 0, (first - row * per) * side, tile.width, length * side,
              0, place * side, tile.width, length * side,
            );
      }
      this.tiles.set(`${level}/${x}-${y}`, tile);
      for (const old of this.tiles.keys()) {
        if (this.tiles.size <= MOST_TILES) break;
        this.tiles.delete(old);
      }
      return tile;
    }
  }

  /** The level whose cells are not much smaller than this many device pixels. */
  function levelFor(pixels) {
    let level = 0;
    while (level + 1 < sides.length && pixels <= 1.5 * sides[level + 1]) level += 1;
    return level;
  }

  return { Layer, levelFor, SHEET, sides };
})();
