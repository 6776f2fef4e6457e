// Which view the address shows, and the keys.
"use strict";

(() => {
  const body = (id) => document.getElementById(`${id}-body`);
  /** Fills a view when it is first shown. */
  const once = (fill) => {
    let filled = false;
    return () => {
      if (!filled) fill();
      filled = true;
    };
  };
  const views = {
    overview: () => {},
    seeds: (values) => seedsView.show(values),
    seed: (values) => seedView.show(values),
    compare: (values) => seedView.compare(values),
    prompts: (values) => promptsView.show(values),
    style: (values) => maps.style(body("style"), values),
    layout: once(() => maps.layout(body("layout"))),
    classifier: once(() => studies.classifier(body("classifier"))),
    text: once(() => studies.text(body("text"))),
    brightness: once(() => studies.brightness(body("brightness"))),
    studies: () => {},
    methods: () => {},
  };
  const tabs = [...document.querySelectorAll(".top nav a[href^='#']")];
  const parents = { seed: "seeds", compare: "seeds" };
  let now = "";

  /** The view that an address means; null if it means a place on the page. */
  function wanted({ view, values }) {
    for (const name of ["seed", "compare"]) if (!view && values.has(name)) return name;
    if (!view && values.has("prompt")) return "prompts";
    if (view === "") return "overview";
    if (document.querySelector("#view-studies").querySelector(`#${CSS.escape(view)}`)) return "studies";
    return Object.hasOwn(views, view) ? view : null;
  }

  function show() {
    const address = page.address();
    const name = wanted(address);
    if (name === null) return;
    pictures.showHover(null);
    document.querySelectorAll(".view").forEach((node) => { node.hidden = node.id !== `view-${name}`; });
    tabs.forEach((tab) => {
      const current = tab.hash === `#${parents[name] || name}`;
      if (current) tab.setAttribute("aria-current", "page");
      else tab.removeAttribute("aria-current");
      if (current) tab.scrollIntoView({ block: "nearest", inline: "nearest" });
    });
    views[name](address.values);
    const place = name === "studies" && address.view !== name ? document.getElementById(address.view) : null;
    if (place) place.scrollIntoView();
    else if (now && now !== name) {
      scrollTo(0, 0);
      document.getElementById("main").focus({ preventScroll: true });
    }
    now = name;
  }

  const on = (names, action) => () => { if (names.includes(now)) action(); };
  tabs.slice(0, 9).forEach((tab, index) => page.key(String(index + 1), tab.textContent.toLowerCase(), () => { location.hash = tab.hash; }));
  page.key("/", "find a seed", () => { location.hash = "seeds"; setTimeout(seedsView.focus); });
  page.key("j", "next row of the table", on(["seeds"], () => seedsView.move(1)));
  page.key("k", "previous row of the table", on(["seeds"], () => seedsView.move(-1)));
  page.key("x", "tick the row to compare it", on(["seeds"], () => { if (seedsView.selected() !== undefined) seedsView.toggle(seedsView.selected()); }));
  page.key("c", "compare the ticked seeds", on(["seeds"], seedsView.compare));
  page.key("o", "open the seed of the row", on(["seeds"], () => { if (seedsView.selected() !== undefined) location.hash = `seed=${seedsView.selected()}`; }));
  page.key("n", "next seed, prompt or page", () => {
    if (now === "seed") seedView.step(1);
    else if (now === "prompts") promptsView.step(1);
    else if (now === "seeds") seedsView.turn(seedsView.ROWS);
  });
  page.key("p", "previous seed, prompt or page", () => {
    if (now === "seed") seedView.step(-1);
    else if (now === "prompts") promptsView.step(-1);
    else if (now === "seeds") seedsView.turn(-seedsView.ROWS);
  });
  addEventListener("hashchange", show);
  show();
})();
