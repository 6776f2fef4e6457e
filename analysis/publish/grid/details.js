// One image: large, with its prompt, its seed, and what was measured.
"use strict";

const details = (() => {
  const panel = document.getElementById("details");
  const { element } = page;
  const { sides, SHEET } = sheets;
  let cell = null;
  let picture = null;

  const digits = (value) => (value === null || value === undefined ? "–" : String(Number(value.toPrecision(4))));

  function show(chosen, actions) {
    cell = chosen;
    panel.hidden = !chosen;
    if (!chosen) return;
    const prompt = orders.prompts[chosen.p];
    const seed = orders.seeds[chosen.s];
    const list = orders.listed.get(chosen.s);
    const has = orders.seen(chosen.s, chosen.p);
    picture = element("canvas", { role: "img", "aria-label": `seed ${seed}: ${prompt.text.slice(0, 200)}` });
    panel.replaceChildren(
      element(
        "h2", {},
        element("span", {}, `Seed ${seed} `, list ? element("span", { class: list }, list === "golden" ? "▲ golden" : "▼ bad") : null),
        element("button", { type: "button", id: "close", title: "Close (Esc)", onclick: actions.close }, "×", element("span", { class: "unseen" }, " Close")),
      ),
      has ? picture : element("p", { class: "note" }, "There is no image of this cell: it was not drawn, failed, or was not kept."),
      element("p", { class: "text", tabindex: 0 }, element("bdi", { dir: "auto" }, prompt.text)),
      element("p", { class: "soft" }, "Category ", element("bdi", {}, prompt.group), ` · prompt set ${prompt.set} · `, element("code", {}, prompt.id)),
      element(
        "div", { class: "buttons" },
        toggle(actions.isPinned("seed"), "seed", actions),
        toggle(actions.isPinned("prompt"), "prompt", actions),
      ),
      ...images(chosen, actions),
      ...ofSeed(chosen),
    );
    paint();
  }

  function toggle(pinned, kind, actions) {
    const text = pinned ? `Unpin ${kind}` : `Pin ${kind}`;
    return element("button", { type: "button", "aria-pressed": String(pinned), onclick: () => actions.pin(kind) }, text);
  }

  function images({ s, p }, actions) {
    const rows = orders.ofImages.map((measure, m) => {
      const value = orders.value(m, s, p);
      const place = value === null ? null : orders.rank(m, s, p);
      const sort = (kind, title, text) =>
        element("button", { type: "button", class: "sort", title, onclick: () => actions.sort(kind, measure.name) }, text, element("span", { class: "unseen" }, ` by ${orders.name(measure)} of this ${kind === "seeds" ? "prompt" : "seed"}`));
      return element(
        "tr", {},
        element("th", { scope: "row" }, orders.name(measure)),
        element("td", {}, digits(value), place ? element("small", { class: "soft" }, `rank ${place.rank.toLocaleString("en")} of ${place.of.toLocaleString("en")}`) : null),
        element("td", {}, sort("seeds", "Order the seeds by this measure of this prompt's images", "seeds"), " ", sort("prompts", "Order the prompts by this measure of this seed's images", "prompts")),
      );
    });
    return rows.length ? [table(["This image", "value, rank in its row", "order by it"], rows)] : [];
  }

  function ofSeed({ s }) {
    const rows = orders.ofSeeds.map((measure) =>
      element(
        "tr", {},
        element("th", { scope: "row" }, `${orders.name(measure)}, set ${measure.set}`),
        element("td", {}, digits(measure.values[s]), element("small", { class: "soft" }, measure.unit)),
      ),
    );
    return rows.length ? [table(["This seed", "value"], rows)] : [];
  }

  function table(heads, rows) {
    const head = heads.map((text, i) => element("th", { scope: "col", class: i ? null : "text" }, text));
    return element("table", {}, element("thead", {}, element("tr", {}, ...head)), element("tbody", {}, ...rows));
  }

  /** Paints the image from the finest sheet that is there; asks for the finest. */
  function paint() {
    if (!cell || !picture || !picture.isConnected) return [];
    for (let level = 0; level < sides.length; level += 1) {
      const per = SHEET / sides[level];
      const [x, y] = [Math.floor(cell.s / per), Math.floor(cell.p / per)];
      const sheet = sheets.get(level, x, y);
      if (!sheet) continue;
      const side = sides[level];
      picture.width = picture.height = 2 * sides[0];
      const pen = picture.getContext("2d");
      pen.imageSmoothingQuality = "high";
      pen.drawImage(sheet, (cell.s % per) * side, (cell.p % per) * side, side, side, 0, 0, picture.width, picture.height);
      picture.dataset.level = level;
      break;
    }
    const per = SHEET / sides[0];
    return picture.dataset.level === "0" ? [] : [[0, Math.floor(cell.s / per), Math.floor(cell.p / per)]];
  }

  return { show, paint };
})();
