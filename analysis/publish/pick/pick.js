// Shows the images of one prompt at a time, remembers which are kept, and counts their seeds.
"use strict";

(() => {
  const prompts = page.data("prompts");
  const run = page.data("run");
  const NAME = `goldenseed-picks-${run.id}-${run.grid}-${prompts.length}`;
  const by = (id) => document.getElementById(id);
  const kept = new Set(stored()); // "prompt seed"
  let shown = 0;

  function stored() {
    try {
      const names = new Set(prompts.flatMap((prompt) => prompt.seeds.map((seed) => `${prompt.id} ${seed}`)));
      return JSON.parse(localStorage.getItem(NAME) || "[]").filter((name) => names.has(name));
    } catch {
      return []; // a browser may forbid storage to a local file
    }
  }

  function store() {
    try {
      localStorage.setItem(NAME, JSON.stringify([...kept]));
    } catch {
      // the picks then last as long as the page
    }
  }

  function show(index) {
    shown = Math.max(0, Math.min(prompts.length - 1, index));
    const prompt = prompts[shown];
    by("prompt").replaceChildren(page.element("bdi", { dir: "auto" }, prompt.text));
    by("count").textContent = `${shown + 1} of ${prompts.length}`;
    by("before").disabled = shown === 0;
    by("after").disabled = shown === prompts.length - 1;
    by("images").replaceChildren(...prompt.seeds.map((seed, index_) => image(prompt, seed, index_)));
    page.replaceAddress(`prompt=${prompt.id}`);
  }

  function image(prompt, seed, index) {
    const name = `${prompt.id} ${seed}`;
    const button = page.element(
      "button", { type: "button", "aria-pressed": String(kept.has(name)) },
      page.element("img", { src: `images/${shown}-${index}.webp`, alt: `Image ${index + 1}`, loading: "lazy" }),
    );
    button.addEventListener("click", () => {
      if (!kept.delete(name)) kept.add(name);
      button.setAttribute("aria-pressed", String(kept.has(name)));
      store();
      count();
    });
    return button;
  }

  /** Seeds with the number of prompts in which they were kept, the most often kept first. */
  function counted() {
    const seeds = new Map();
    for (const prompt of prompts)
      for (const seed of prompt.seeds) {
        const row = seeds.get(seed) || { seed, kept: 0, of: 0 };
        row.of += 1;
        if (kept.has(`${prompt.id} ${seed}`)) row.kept += 1;
        seeds.set(seed, row);
      }
    return [...seeds.values()].filter((row) => row.kept).sort((a, b) => b.kept - a.kept || a.seed - b.seed);
  }

  function count() {
    const rows = counted();
    const most = rows.length ? rows[0].kept : 0;
    const least = Math.min(Number(by("least").value) || 1, Math.max(1, most));
    by("none").hidden = rows.length > 0;
    by("result").hidden = rows.length === 0;
    by("least").replaceChildren(
      ...Array.from({ length: most }, (_, i) =>
        page.element("option", { value: i + 1, selected: i + 1 === least }, i ? `at least ${i + 1} times` : "at least once"),
      ),
    );
    const listed = rows.filter((row) => row.kept >= least);
    by("seeds").replaceChildren(
      ...listed.map((row) =>
        page.element(
          "tr", {}, page.element("th", { scope: "row" }, String(row.seed)),
          page.element("td", {}, String(row.kept)), page.element("td", {}, String(row.of)),
        ),
      ),
    );
    by("recipe").textContent = `seeds:\n  chosen: [${listed.map((row) => row.seed).join(", ")}]`;
    by("said").textContent = `${kept.size} images are kept.`;
  }

  function save() {
    const picks = prompts.flatMap((prompt) =>
      prompt.seeds.filter((seed) => kept.has(`${prompt.id} ${seed}`)).map((seed) => ({ prompt_id: prompt.id, seed })),
    );
    const content = { format: run.format, run_id: run.id, grid_hash: run.grid, card: run.card, seeds: counted(), picks };
    const link = page.element("a", {
      href: URL.createObjectURL(new Blob([JSON.stringify(content, null, 1)], { type: "application/json" })),
      download: `picks-${run.id}.json`,
    });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
  }

  by("before").addEventListener("click", () => show(shown - 1));
  by("after").addEventListener("click", () => show(shown + 1));
  by("least").addEventListener("change", count);
  by("save").addEventListener("click", save);
  by("clear").addEventListener("click", () => {
    kept.clear();
    store();
    show(shown);
    count();
  });
  page.key("ArrowLeft", "the previous prompt", () => show(shown - 1));
  page.key("ArrowRight", "the next prompt", () => show(shown + 1));
  page.key("s", "save the seeds as JSON", save);
  const wanted = prompts.findIndex((prompt) => prompt.id === page.address().values.get("prompt"));
  show(Math.max(0, wanted));
  count();
})();
