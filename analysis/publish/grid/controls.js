// What the reader asks for: orders, filters, pins and the chosen image, by mouse, touch, keyboard
// and address.
"use strict";

(() => {
  const NEW = {
    seeds: "number", seedsTurned: false, prompts: "run", promptsTurned: false,
    lists: "", group: "", set: "", words: "", pinSeeds: [], pinPrompts: [], cell: null,
  };
  const state = { ...NEW };
  const by = (id) => document.getElementById(id);
  const { camera, shown, canvas } = view;
  let own = ""; // the address that this page wrote last
  let timer = 0;

  // ---- the address -------------------------------------------------------------------------

  function written() {
    const named = new URLSearchParams();
    const put = (name, value) => value && named.set(name, value);
    put("seeds", state.seeds !== NEW.seeds && state.seeds);
    put("prompts", state.prompts !== NEW.prompts && state.prompts);
    put("turned", [state.seedsTurned && "seeds", state.promptsTurned && "prompts"].filter(Boolean).join(","));
    for (const name of ["lists", "group", "set", "words"]) put(name, state[name]);
    put("pin", [...state.pinSeeds.map((s) => orders.seeds[s]), ...state.pinPrompts.map((p) => `p${orders.prompts[p].id}`)].join(","));
    named.set("at", [camera.x, camera.y, camera.size].map((value) => Number(value.toFixed(2))).join(","));
    if (state.cell) put("cell", `${orders.seeds[state.cell.s]},${orders.prompts[state.cell.p].id}`);
    return named.toString();
  }

  function remember() {
    clearTimeout(timer);
    timer = setTimeout(() => {
      own = written();
      page.replaceAddress(own);
    }, 250);
  }

  function cellOf(text) {
    const [seed, id] = text.split(",");
    const [s, p] = [orders.column.get(Number(seed)), orders.row.get(id)];
    return s === undefined || p === undefined ? null : { s, p };
  }

  /** Takes what an address says; what it names and this page does not hold is left out. */
  function read() {
    const { values } = page.address();
    const turned = (values.get("turned") || "").split(",");
    const pins = (values.get("pin") || "").split(",").filter(Boolean);
    const known = (map, keys) => keys.map((key) => map.get(key)).filter((index) => index !== undefined);
    Object.assign(state, NEW, {
      seeds: orders.seedOrder(values.get("seeds") || "") ? values.get("seeds") : NEW.seeds,
      prompts: orders.promptOrder(values.get("prompts") || "") ? values.get("prompts") : NEW.prompts,
      seedsTurned: turned.includes("seeds"),
      promptsTurned: turned.includes("prompts"),
      lists: values.get("lists") || "", group: values.get("group") || "",
      set: values.get("set") || "", words: values.get("words") || "",
      pinSeeds: known(orders.column, pins.filter((pin) => !pin.startsWith("p")).map(Number)),
      pinPrompts: known(orders.row, pins.filter((pin) => pin.startsWith("p")).map((pin) => pin.slice(1))),
      cell: cellOf(values.get("cell") || ""),
    });
    const at = (values.get("at") || "").split(",").map(Number);
    arrange();
    if (at.length === 3 && at.every(Number.isFinite) && at[2] > 0) {
      [camera.x, camera.y, camera.size] = at;
      view.move(0, 0);
    } else {
      view.fit();
      if (state.cell) {
        camera.size = Math.max(camera.size, 96);
        reveal(true);
      }
    }
  }

  // ---- what is shown -----------------------------------------------------------------------

  /** Shows the columns and rows of the present state. */
  function arrange() {
    const [columns, rows] = [orders.columns(state), orders.rows(state)];
    view.show(columns, rows, state.pinSeeds, state.pinPrompts);
    by("empty").hidden = columns.length > 0 && rows.length > 0;
    choose(state.cell, false);
    fill();
    remember();
  }

  function option(key, order) {
    return page.element("option", { value: key }, order.name);
  }

  /** Shows the state in the form. */
  function fill() {
    const extra = (select, key, order) => {
      if (![...select.options].some((one) => one.value === key)) select.append(option(key, order(key)));
      select.value = key;
    };
    extra(by("seeds-by"), state.seeds, orders.seedOrder);
    extra(by("prompts-by"), state.prompts, orders.promptOrder);
    for (const [id, turned] of [["seeds-turn", state.seedsTurned], ["prompts-turn", state.promptsTurned]]) {
      by(id).setAttribute("aria-pressed", String(turned));
      by(id).firstChild.data = turned ? "↑" : "↓";
    }
    for (const name of ["lists", "group", "set", "words"]) if (by(name).value !== state[name]) by(name).value = state[name];
  }

  function change(values) {
    Object.assign(state, values);
    const few = view.camera.size >= 0.98 * fitted;
    arrange();
    if (few) refit();
  }

  let fitted = 0;
  function refit() {
    view.fit();
    fitted = camera.size;
  }

  function describe(cell) {
    if (!cell) return "";
    const missing = orders.seen(cell.s, cell.p) ? "" : " · no image";
    return `seed ${orders.seeds[cell.s]} · ${orders.prompts[cell.p].text.slice(0, 300)}${missing}`;
  }

  function choose(cell, say = true) {
    state.cell = shown.chosen = cell;
    details.show(cell, {
      close: () => { choose(null); canvas.focus(); },
      isPinned: (kind) => (kind === "seed" ? state.pinSeeds.includes(cell.s) : state.pinPrompts.includes(cell.p)),
      pin: (kind) => pin(kind),
      sort: (axis, name) => change(
        axis === "seeds"
          ? { seeds: `${name}@${orders.prompts[cell.p].id}`, seedsTurned: false }
          : { prompts: `${name}@${orders.seeds[cell.s]}`, promptsTurned: false },
      ),
    });
    if (say) by("said").textContent = describe(cell);
    view.draw();
    remember();
  }

  function pin(kind) {
    if (!state.cell) return;
    const [name, index] = kind === "seed" ? ["pinSeeds", state.cell.s] : ["pinPrompts", state.cell.p];
    state[name] = state[name].includes(index) ? state[name].filter((i) => i !== index) : [...state[name], index];
    arrange();
  }

  function reveal(centre = false) {
    if (state.cell) view.reveal(shown.columns.indexOf(state.cell.s), shown.rows.indexOf(state.cell.p), centre);
  }

  /** Moves the choice by cells; without one, begins in the middle of the window. */
  function step(dx, dy) {
    if (!shown.columns.length || !shown.rows.length) return;
    const column = state.cell ? shown.columns.indexOf(state.cell.s) : -1;
    const row = state.cell ? shown.rows.indexOf(state.cell.p) : -1;
    const within = (index, count) => Math.max(0, Math.min(count - 1, index));
    const middle = (at, room) => Math.floor(Math.max(0, at) + room / camera.size / 2);
    const fresh = column < 0 || row < 0;
    const x = fresh ? middle(camera.x, Math.min(canvas.clientWidth, shown.columns.length * camera.size)) : column + dx;
    const y = fresh ? middle(camera.y, Math.min(canvas.clientHeight, shown.rows.length * camera.size)) : row + dy;
    const [i, j] = [within(x, shown.columns.length), within(y, shown.rows.length)];
    const wasOpen = !by("details").hidden;
    shown.chosen = state.cell = { s: shown.columns[i], p: shown.rows[j] };
    if (wasOpen) choose(state.cell);
    by("said").textContent = describe(state.cell);
    by("hover").textContent = describe(state.cell);
    reveal();
    remember();
  }

  // ---- mouse and touch ---------------------------------------------------------------------

  const pointers = new Map();
  let travelled = 0;

  const spot = (event) => {
    const box = canvas.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  };

  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pointers.set(event.pointerId, spot(event));
    travelled = pointers.size > 1 ? 99 : 0;
    canvas.classList.add("moving");
  });

  canvas.addEventListener("pointermove", (event) => {
    const now = spot(event);
    const before = pointers.get(event.pointerId);
    if (!before) {
      shown.hovered = view.cellAt(now.x, now.y);
      by("hover").textContent = describe(shown.hovered);
      view.draw();
      return;
    }
    const others = [...pointers].filter(([id]) => id !== event.pointerId);
    if (others.length) {
      const still = others[0][1];
      const apart = (point) => Math.hypot(point.x - still.x, point.y - still.y) || 1;
      view.zoom(apart(now) / apart(before), (now.x + still.x) / 2, (now.y + still.y) / 2);
      view.move((before.x - now.x) / 2, (before.y - now.y) / 2);
    } else {
      travelled += Math.hypot(now.x - before.x, now.y - before.y);
      if (travelled > 4) view.move(before.x - now.x, before.y - now.y);
    }
    pointers.set(event.pointerId, now);
  });

  function lift(event) {
    const before = pointers.get(event.pointerId);
    pointers.delete(event.pointerId);
    if (!pointers.size) canvas.classList.remove("moving");
    if (event.type === "pointerup" && before && travelled <= 4) {
      const cell = view.cellAt(before.x, before.y);
      if (cell) choose(cell);
    }
  }
  canvas.addEventListener("pointerup", lift);
  canvas.addEventListener("pointercancel", lift);
  canvas.addEventListener("pointerleave", () => {
    shown.hovered = null;
    by("hover").textContent = "";
    view.draw();
  });
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = spot(event);
    const unit = event.deltaMode === 1 ? 20 : 1;
    if (event.shiftKey) view.move((event.deltaX || event.deltaY) * unit, 0);
    else view.zoom(Math.exp(Math.max(-1, Math.min(1, -event.deltaY * unit * 0.002))), x, y);
  }, { passive: false });
  canvas.addEventListener("dblclick", (event) => view.zoom(2, spot(event).x, spot(event).y));

  // ---- keyboard ----------------------------------------------------------------------------

  const keys = [
    ["ArrowLeft", "move to the image on the left", () => step(-1, 0)],
    ["ArrowRight", "move to the image on the right", () => step(1, 0)],
    ["ArrowUp", "move to the image above", () => step(0, -1)],
    ["ArrowDown", "move to the image below", () => step(0, 1)],
    ["+", "larger", () => zoomKey(1.5)],
    ["-", "smaller", () => zoomKey(1 / 1.5)],
    ["0", "show everything", () => refit()],
    ["s", "pin or unpin the seed", () => pin("seed")],
    ["p", "pin or unpin the prompt", () => pin("prompt")],
    ["/", "search in the prompts", () => { openFilters(true); by("words").focus(); }],
    ["Escape", "close the image", () => choose(null)],
  ];
  keys.forEach(([name, meaning, action]) => page.key(name, meaning, action));
  canvas.addEventListener("keydown", (event) => {
    if (event.key !== "Enter") return;
    event.preventDefault();
    choose(state.cell);
  });

  function zoomKey(factor) {
    const [i, j] = state.cell ? [shown.columns.indexOf(state.cell.s), shown.rows.indexOf(state.cell.p)] : [-1, -1];
    if (i < 0 || j < 0) return view.zoom(factor);
    const [x, y] = [view.left() + (i + 0.5 - camera.x) * camera.size, view.top() + (j + 0.5 - camera.y) * camera.size];
    view.zoom(factor, x, y);
    reveal();
  }

  // ---- the form ----------------------------------------------------------------------------

  function openFilters(open) {
    by("filters").classList.toggle("open", open);
    by("filters-button").setAttribute("aria-expanded", String(open));
  }

  orders.bySeed.forEach((order, key) => by("seeds-by").append(option(key, order)));
  orders.byPrompt.forEach((order, key) => by("prompts-by").append(option(key, order)));
  [...new Set(orders.prompts.map((prompt) => prompt.group))]
    .sort((a, b) => a.localeCompare(b))
    .forEach((group) => by("group").append(page.element("option", { value: group }, group.slice(0, 60))));

  by("bar").addEventListener("submit", (event) => event.preventDefault());
  by("seeds-by").addEventListener("change", (event) => change({ seeds: event.target.value, seedsTurned: false }));
  by("prompts-by").addEventListener("change", (event) => change({ prompts: event.target.value, promptsTurned: false }));
  by("seeds-turn").addEventListener("click", () => change({ seedsTurned: !state.seedsTurned }));
  by("prompts-turn").addEventListener("click", () => change({ promptsTurned: !state.promptsTurned }));
  for (const name of ["lists", "group", "set"]) by(name).addEventListener("change", (event) => change({ [name]: event.target.value }));
  by("words").addEventListener("input", (event) => change({ words: event.target.value }));
  by("clear").addEventListener("click", () => change({ lists: "", group: "", set: "", words: "" }));
  by("filters-button").addEventListener("click", () => openFilters(!by("filters").classList.contains("open")));
  by("zoom-in").addEventListener("click", () => view.zoom(1.5));
  by("zoom-out").addEventListener("click", () => view.zoom(1 / 1.5));
  by("fit").addEventListener("click", refit);
  by("goto").addEventListener("change", (event) => {
    const s = orders.column.get(Number(event.target.value));
    const known = event.target.value.trim() && s !== undefined;
    event.target.setCustomValidity(known || !event.target.value ? "" : "The run has no such seed");
    event.target.reportValidity();
    if (!known) return;
    const p = state.cell && shown.rows.includes(state.cell.p) ? state.cell.p : shown.rows[0];
    if (p === undefined) return;
    camera.size = Math.max(camera.size, 48);
    choose({ s, p });
    reveal(true);
  });

  view.onMove(() => {
    remember();
  });
  sheets.onArrival(() => {
    view.draw();
    details.paint();
  });
  view.alsoWant(() => details.paint());
  addEventListener("hashchange", () => {
    if (location.hash.slice(1) !== own) read();
  });
  read();
  fitted = location.hash.includes("at=") ? 0 : camera.size;
})();
