// Loads sheets of images: what the newest frame wants, nearest first; the oldest are forgotten.
"use strict";

const sheets = (() => {
  const { sheet: SHEET, sides } = page.data("layout");
  const MOST = 320; // sheets in memory, about a megabyte each
  const AT_ONCE = 8;
  const kept = new Map();
  const asked = new Set(); // on their way, or lost
  const lost = new Set(); // cannot be read
  let wanted = [];
  let loading = 0;
  let arrived = () => {};

  const key = (level, x, y) => `${level}/${x}-${y}`;

  /** The bitmap of a sheet, or null if it is not there yet. */
  function get(level, x, y) {
    const name = key(level, x, y);
    const bitmap = kept.get(name);
    if (!bitmap) return null;
    kept.delete(name);
    kept.set(name, bitmap); // the most recently used is last
    return bitmap;
  }

  /** Whether a sheet's file cannot be read. */
  const isLost = (level, x, y) => lost.has(key(level, x, y));

  /** Says which sheets a frame lacks, the most urgent first. What older frames lacked is dropped. */
  function want(list) {
    wanted = list;
    next();
  }

  function next() {
    while (loading < AT_ONCE && wanted.length) {
      const [level, x, y] = wanted.shift();
      const name = key(level, x, y);
      if (!kept.has(name) && !asked.has(name)) load(name);
    }
  }

  async function load(name) {
    loading += 1;
    asked.add(name);
    const image = new Image();
    image.src = `sheets/${name}.jpg`;
    try {
      await image.decode();
      kept.set(name, await createImageBitmap(image));
      asked.delete(name);
      forget();
    } catch {
      lost.add(name);
    }
    loading -= 1;
    arrived();
    next();
  }

  function forget() {
    for (const [name, bitmap] of kept) {
      if (kept.size <= MOST) return;
      kept.delete(name);
      bitmap.close();
    }
  }

  return {
    SHEET, sides, get, want, isLost,
    onArrival(action) {
      arrived = action;
    },
  };
})();
