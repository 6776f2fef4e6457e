// All seeds: a table to sort and to filter, fifty rows at a time.
"use strict";

const seedsView = (() => {
  const { element } = page;
  const { table } = pictures;
  const ROWS = 50;
  const MOST_COMPARED = 4;
  const field = (id) => document.getElementById(id);
  const columns = [{ key: "seed", label: "seed", unit: "", better: "", value: table.seeds }, ...table.columns];
  const byKey = new Map(columns.map((column) => [column.key, column]));
  const state = { sort: table.columns.length ? table.columns[0].key : "seed", down: false, start: 0, at: -1 };
  const ticked = new Set();
  let order = [];
  let built = false;

  /** Reads "12, 40-60": a test of whether a seed is meant. */
  function meant(text) {
    const parts = text.split(/[\s,;]+/).filter(Boolean).map((part) => part.split(/[-–:]/).map(Number));
    return (seed) => !parts.length || parts.some(([from, to]) => seed >= from && seed <= (to ?? from));
  }

  function filtered() {
    const isMeant = meant(field("filter-seed").value);
    const list = field("filter-list").value;
    const values = byKey.get(field("filter-column").value).value;
    const [low, high] = ["filter-low", "filter-high"].map((id) => field(id).value);
    return table.seeds.map((_, index) => index).filter((index) => {
      if (!isMeant(table.seeds[index])) return false;
      if (list && (list === "none" ? table.lists[index] : table.lists[index] !== list)) return false;
      if (low !== "" && !(values[index] >= Number(low))) return false;
      return high === "" || (values[index] !== null && values[index] <= Number(high));
    });
  }

  function sorted(indices) {
    const { value } = byKey.get(state.sort);
    const sign = state.down ? -1 : 1;
    // Seeds without a value come last, whatever the direction.
    const compare = (a, b) => {
      if (value[a] === value[b]) return table.seeds[a] - table.seeds[b];
      if (value[a] === null || value[a] === undefined) return 1;
      if (value[b] === null || value[b] === undefined) return -1;
      return sign * (value[a] - value[b]);
    };
    return indices.sort(compare);
  }

  function heading(column) {
    const current = column.key === state.sort;
    const arrow = current ? (state.down ? " ↓" : " ↑") : "";
    const direction = current ? (state.down ? "descending" : "ascending") : null;
    const better = column.better ? `, ${column.better} is better` : "";
    return element("th", { scope: "col", "aria-sort": direction },
      element("button", {
        type: "button", title: `${column.unit || column.label}${better}`, onclick: () => sortBy(column.key),
      }, column.label + arrow));
  }

  function sortBy(key) {
    // A first click shows the best seeds first.
    const first = byKey.get(key).better === "higher";
    state.down = state.sort === key ? !state.down : first;
    state.sort = key;
    update();
  }

  function cell(column, index) {
    const made = element("td", { class: "measure" }, shown(column.value[index]));
    const [low, high] = column.range;
    if (column.value[index] !== null && high > low) {
      made.style.setProperty("--part", `${(100 * (column.value[index] - low)) / (high - low)}%`);
    }
    return made;
  }

  function row(index, place) {
    const seed = table.seeds[index];
    const tick = element("input", { type: "checkbox", "aria-label": `compare seed ${seed}` });
    tick.checked = ticked.has(seed);
    tick.addEventListener("change", () => toggle(seed));
    const made = element("tr", { "aria-selected": place === state.at ? "true" : null },
      element("td", {}, tick),
      element("td", {}, element("a", { href: `#seed=${seed}` },
        pictures.image(Number(field("filter-prompt").value) || 0, seed, 56))),
      element("th", { scope: "row" }, element("a", { href: `#seed=${seed}` }, pictures.name(seed))),
      ...columns.slice(1).map((column) => cell(column, index)));
    made.addEventListener("pointerenter", (event) => {
      if (event.target === made && event.pointerType === "mouse") made.dataset.over = "1";
    });
    return made;
  }

  function toggle(seed) {
    if (ticked.has(seed)) ticked.delete(seed);
    else if (ticked.size < MOST_COMPARED) ticked.add(seed);
    render();
  }

  function compare() {
    if (ticked.size >= 2) location.hash = `compare=${[...ticked].join(",")}`;
  }

  function render() {
    const visible = order.slice(state.start, state.start + ROWS);
    const node = field("seeds-table");
    node.tHead.replaceChildren(element("tr", {},
      element("td", {}, element("span", { class: "unseen" }, "compare")),
      element("td", {}, element("span", { class: "unseen" }, "image")), ...columns.map(heading)));
    node.tBodies[0].replaceChildren(...visible.map(row));
    const count = order.length;
    field("seeds-count").textContent = `${count.toLocaleString("en")} of ${table.seeds.length.toLocaleString("en")} seeds`;
    field("seeds-page").textContent = count
      ? `${state.start + 1} to ${Math.min(state.start + ROWS, count)} of ${count}` : "no seed fits the filter";
    field("seeds-before").disabled = state.start === 0;
    field("seeds-after").disabled = state.start + ROWS >= count;
    field("compare-button").disabled = ticked.size < 2;
    field("compare-button").textContent = ticked.size ? `Compare ${ticked.size} seeds` : "Compare";
  }

  function update() {
    order = sorted(filtered());
    state.start = 0;
    state.at = -1;
    render();
  }

  function turn(rows) {
    state.start = Math.max(0, Math.min(state.start + rows, Math.floor((order.length - 1) / ROWS) * ROWS));
    state.at = -1;
    render();
    field("seeds-count").scrollIntoView({ block: "nearest" });
  }

  function move(step) {
    const last = Math.min(ROWS, order.length - state.start) - 1;
    state.at = Math.max(0, Math.min(last, state.at + step));
    render();
    field("seeds-table").tBodies[0].rows[state.at]?.scrollIntoView({ block: "nearest" });
  }

  const selected = () => table.seeds[order[state.start + state.at]];

  function build() {
    built = true;
    columns.forEach((column) => {
      const known = column.value.filter((value) => value !== null && value !== undefined);
      column.range = [d3.min(known), d3.max(known)];
      field("filter-column").append(element("option", { value: column.key }, column.label));
    });
    pictures.info.prompts.forEach((prompt, index) => field("filter-prompt").append(
      element("option", { value: index }, pictures.cut(prompt.text, 60))));
    if (table.missing) field("seeds-missing").append(missing(table.missing));
    field("seeds-controls").addEventListener("input", update);
    field("seeds-controls").addEventListener("submit", (event) => event.preventDefault());
    field("compare-button").addEventListener("click", compare);
    field("seeds-before").addEventListener("click", () => turn(-ROWS));
    field("seeds-after").addEventListener("click", () => turn(ROWS));
  }

  /** Shows the table; `list` and `sort` may come with the address. */
  function show(values) {
    if (!built) build();
    if (values.has("list")) field("filter-list").value = values.get("list");
    if (byKey.has(values.get("sort"))) {
      state.sort = values.get("sort");
      state.down = byKey.get(state.sort).better === "higher";
    }
    update();
  }

  return { show, move, turn, compare, selected, toggle, ROWS, focus: () => field("filter-seed").focus() };
})();
