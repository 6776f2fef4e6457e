// Which seeds are the columns and which prompts the rows, and in which order.
"use strict";

const orders = (() => {
  const seeds = page.data("seeds");
  const prompts = page.data("prompts");
  const lists = page.data("lists");
  const ofSeeds = page.data("seed-measures");
  const ofImages = page.data("image-measures");
  const NONE = 65535;
  const column = new Map(seeds.map((seed, index) => [seed, index]));
  const row = new Map(prompts.map((prompt, index) => [prompt.id, index]));
  const listed = new Map();
  for (const name of ["bad", "golden"]) lists[name].forEach((seed) => listed.set(column.get(seed), name));

  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const bits = bytes(page.data("seen"));
  const codes = ofImages.map(() => null);

  /** Whether there is an image of a seed (by its column) and a prompt (by its row). */
  function seen(s, p) {
    const bit = s * prompts.length + p;
    return (bits[bit >> 3] >> (bit & 7)) % 2 === 1;
  }

  /** The value of an image, or null. */
  function value(measure, s, p) {
    codes[measure] ??= new Uint16Array(bytes(ofImages[measure].codes).buffer);
    const code = codes[measure][s * prompts.length + p];
    const { low, high } = ofImages[measure];
    return code === NONE ? null : low + (code / (NONE - 1)) * (high - low);
  }

  const name = (measure) => measure.name.replaceAll("_", " ");
  const indices = (count) => Array.from({ length: count }, (_, index) => index);

  function mean(measure, p) {
    const values = indices(seeds.length).map((s) => value(measure, s, p)).filter((v) => v !== null);
    return values.length ? values.reduce((sum, v) => sum + v, 0) / values.length : null;
  }

  /** What seeds can be ordered by: key -> name and the value of each seed. */
  const bySeed = new Map([["number", { name: "number", higher: false, values: () => seeds }]]);
  for (const measure of ofSeeds) {
    const set = `${name(measure)}, set ${measure.set}`;
    bySeed.set(`${measure.name}:${measure.set}`, {
      name: set, higher: measure.higher, values: () => measure.values,
    });
  }

  /** What prompts can be ordered by: key -> name and the value of each prompt. */
  const byPrompt = new Map([
    ["run", { name: "the run's order", higher: false, values: () => indices(prompts.length) }],
    ["text", { name: "text", higher: false, values: () => prompts.map((prompt) => prompt.text) }],
    ["category", { name: "category", higher: false, values: () => prompts.map((p) => p.group) }],
  ]);
  ofImages.forEach((measure, m) =>
    byPrompt.set(`mean:${measure.name}`, {
      name: `mean ${name(measure)}`,
      higher: measure.higher,
      values: () => indices(prompts.length).map((p) => mean(m, p)),
    }),
  );

  /** The order of one prompt's images, "NAME@ID", or of one seed's, "NAME@SEED". */
  function ofOne(key, ofPrompt) {
    const at = key.lastIndexOf("@");
    const m = ofImages.findIndex((measure) => measure.name === key.slice(0, at));
    const one = ofPrompt ? row.get(key.slice(at + 1)) : column.get(Number(key.slice(at + 1)));
    if (at < 0 || m < 0 || one === undefined) return null;
    const what = ofPrompt ? `“${prompts[one].text.slice(0, 40)}”` : `seed ${seeds[one]}`;
    return {
      name: `${name(ofImages[m])} of ${what}`,
      higher: ofImages[m].higher,
      values: () =>
        ofPrompt
          ? indices(seeds.length).map((s) => value(m, s, one))
          : indices(prompts.length).map((p) => value(m, one, p)),
    };
  }

  const seedOrder = (key) => bySeed.get(key) || ofOne(key, true);
  const promptOrder = (key) => byPrompt.get(key) || ofOne(key, false);

  /** Sorts indices by values; those without a value come last, whichever way round. */
  function sorted(kept, order, turned) {
    const values = order.values();
    const sign = (order.higher === false ? 1 : -1) * (turned ? -1 : 1);
    const compare = (a, b) => {
      const [x, y] = [values[a] ?? null, values[b] ?? null];
      if (x === null || y === null) return (x === null) - (y === null) || a - b;
      return (typeof x === "string" ? x.localeCompare(y) : x - y) * sign || a - b;
    };
    return [...kept].sort(compare);
  }

  /** The columns that a state shows: indices of seeds. */
  function columns(state) {
    const kept = indices(seeds.length).filter((s) => {
      const list = listed.get(s);
      return !state.lists || (state.lists === "both" ? list : list === state.lists);
    });
    return sorted(kept, seedOrder(state.seeds) || bySeed.get("number"), state.seedsTurned);
  }

  /** The rows that a state shows: indices of prompts. */
  function rows(state) {
    const words = state.words.toLowerCase().split(/\s+/).filter(Boolean);
    const kept = indices(prompts.length).filter((p) => {
      const prompt = prompts[p];
      const text = prompt.text.toLowerCase();
      return (
        (!state.group || prompt.group === state.group) &&
        (!state.set || prompt.set === Number(state.set)) &&
        words.every((word) => text.includes(word))
      );
    });
    return sorted(kept, promptOrder(state.prompts) || byPrompt.get("run"), state.promptsTurned);
  }

  /** How many images of the same prompt are better, or larger where neither end is better. */
  function rank(m, s, p) {
    const own = value(m, s, p);
    const sign = ofImages[m].higher === false ? -1 : 1;
    const others = indices(seeds.length).map((other) => value(m, other, p)).filter((v) => v !== null);
    return { rank: 1 + others.filter((v) => (v - own) * sign > 0).length, of: others.length };
  }

  return {
    seeds, prompts, ofSeeds, ofImages, bySeed, byPrompt, seedOrder, promptOrder, columns, rows,
    column, row, listed, seen, value, rank, name,
  };
})();
