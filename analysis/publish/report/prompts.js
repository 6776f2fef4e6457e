// One prompt over all seeds.
"use strict";

const promptsView = (() => {
  const { element } = page;
  const { info, table } = pictures;
  const TILES = 256;
  const field = (id) => document.getElementById(id);
  const state = { prompt: 0, start: 0 };
  let built = false;

  function ordered() {
    const column = table.columns.find(({ key }) => key === field("prompt-order").value);
    const indices = table.seeds.map((_, index) => index);
    if (!column) return indices;
    const sign = column.better === "higher" ? -1 : 1;
    const key = (index) => (column.value[index] ?? sign * Infinity) * sign;
    return indices.sort((a, b) => key(a) - key(b) || a - b);
  }

  function render() {
    const prompt = info.prompts[state.prompt];
    if (!prompt) return;
    const size = Number(field("prompt-size").value);
    const order = ordered();
    field("prompt-text").replaceChildren(element("bdi", {}, prompt.text));
    field("prompt-images").style.setProperty("--tile", `${size}px`);
    field("prompt-images").replaceChildren(...order.slice(state.start, state.start + TILES).map((index) => {
      const seed = table.seeds[index];
      return element("a", { class: `tile ${pictures.listed(seed)}`, href: `#seed=${seed}` },
        pictures.image(state.prompt, seed, size), pictures.name(seed));
    }));
    const last = Math.min(state.start + TILES, order.length);
    field("prompt-page").textContent = `${state.start + 1} to ${last} of ${order.length} seeds`;
    field("prompt-before").disabled = state.start === 0;
    field("prompt-after").disabled = last >= order.length;
  }

  function turn(by) {
    state.start = Math.max(0, state.start + by);
    render();
  }

  function build() {
    built = true;
    info.prompts.forEach((prompt, index) => field("prompt-choice").append(
      element("option", { value: index }, pictures.cut(prompt.text, 90))));
    field("prompt-order").append(element("option", { value: "" }, "number"), ...table.columns.map((column) =>
      element("option", { value: column.key }, column.label)));
    field("prompt-choice").addEventListener("change", () => {
      location.hash = `prompt=${info.prompts[Number(field("prompt-choice").value)].id}`;
    });
    field("prompt-order").addEventListener("change", () => { state.start = 0; render(); });
    field("prompt-size").addEventListener("input", render);
    field("prompt-before").addEventListener("click", () => turn(-TILES));
    field("prompt-after").addEventListener("click", () => turn(TILES));
  }

  /** Shows a prompt by its id; the first one if the address names none. */
  function show(values) {
    if (!built) build();
    const found = info.prompts.findIndex((prompt) => prompt.id === values.get("prompt"));
    state.prompt = Math.max(0, found);
    state.start = 0;
    field("prompt-choice").value = String(state.prompt);
    render();
  }

  function step(by) {
    const next = info.prompts[state.prompt + by];
    if (next) location.hash = `prompt=${next.id}`;
  }

  return { show, step };
})();
