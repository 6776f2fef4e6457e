// Loads sheets of images: what the newest frame wants, nearest first; the oldest are forgotten.
"use strict";

const sheets = (() => {
  const { sheet: SHEET, sides } = page.data("layout");
  const MOST = 320; // sheets in memory, about a megabyte each
  const AT_ONCE = 8;
  const AT_ONCE_MOVING = 2; // decoding costs frames
  const kept = new Map();
  const asked = new Set(); // on their way, or lost
  const lost = new Set(); // cannot be read
  let wanted = [];
  let loading = 0;
  let arrived = () => {};
  let calm = () => true;

  const key = (level, x, y) => `${level}/${x}-${y}`;

  /** The image of a sheet, or null if it is not there yet. */
  function get(level, x, y) {
    const name = key(level, x, y);
    const image = kept.get(name);
    if (!image) return null;
    kept.delete(name);
    kept.set(name, image); // the most recently used is last
    return image;
  }

  /** Whether a sheet's file cannot be read. */
  const isLost = (level, x, y) => lost.has(key(level, x, y));

  /** Says which sheets a frame lacks, the most urgent first. What older frames lacked is dropped. */
  function want(list) {
    wanted = list;
    next();
  }

  function next() {
    while (loading < (calm() ? AT_ONCE : AT_ONCE_MOVING) && wanted.length) {
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
      kept.set(name, image);
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
    for (const name of kept.keys()) {
      if (kept.size <= MOST) return;
      kept.delete(name);
    }
  }

  return {
    SHEET, sides, get, want, isLost,
    onArrival(action) {
      arrived = action;
    },
    /** Asks whether the picture stands still. */
    whileCalm(question) {
      calm = question;
    },
  };
})();
