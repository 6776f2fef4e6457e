// Asks two questions about each pair, keeps the answers in this browser, and saves them as a file.
"use strict";

(() => {
  const { id: PAGE, format: FORMAT, questions: QUESTIONS } = page.data("page");
  const prompts = page.data("prompts");
  const WORDS = { quality: "Which is the better picture?", alignment: "Which fits the text better?" };
  const by = (name) => document.getElementById(name);
  let rater = "";
  let order = [];
  let votes = new Map(); // "pair question" -> choice
  let step = 0; // two steps for each pair

  /** 64-bit FNV-1a of a text, as 16 hex digits. */
  function fnv(text) {
    let value = 0xcbf29ce484222325n;
    for (const byte of new TextEncoder().encode(text)) value = ((value ^ BigInt(byte)) * 0x100000001b3n) % 2n ** 64n;
    return value.toString(16).padStart(16, "0");
  }

  /** Each rater sees the pairs in an order of their own, the same each time. */
  function shuffled(count, text) {
    let state = BigInt(`0x${fnv(text)}`);
    const next = (below) => {
      state = (state * 6364136223846793005n + 1442695040888963407n) % 2n ** 64n;
      return Number((state >> 33n) % BigInt(below));
    };
    const list = Array.from({ length: count }, (_, index) => index);
    for (let i = count - 1; i > 0; i -= 1) {
      const j = next(i + 1);
      [list[i], list[j]] = [list[j], list[i]];
    }
    return list;
  }

  const storeName = (name) => `goldenseed-votes-${PAGE}-${name}`;

  function stored(name) {
    try {
      return JSON.parse(localStorage.getItem(storeName(name)) || "[]");
    } catch {
      return []; // a browser may forbid storage to a local file
    }
  }

  function store() {
    try {
      localStorage.setItem(storeName(rater), JSON.stringify([...votes]));
      localStorage.setItem(`goldenseed-rater-${PAGE}`, rater);
    } catch {
      // the votes then last as long as the page
    }
  }

  const pairOf = (at) => order[Math.floor(at / 2)];
  const questionOf = (at) => QUESTIONS[at % 2];
  const nameOf = (at) => `${pairOf(at)} ${questionOf(at)}`;
  const file = (pair, side) => `images/${String(pair).padStart(4, "0")}-${side}.webp`;

  function begin(name) {
    rater = name;
    order = shuffled(prompts.length, `${PAGE} ${rater}`);
    const known = stored(rater).filter((row) => Array.isArray(row) && row.length === 2);
    votes = new Map(known);
    step = 0;
    while (step < 2 * order.length && votes.has(nameOf(step))) step += 1;
    show();
  }

  function show() {
    const done = step >= 2 * order.length;
    by("start").hidden = true;
    by("vote").hidden = done;
    by("end").hidden = !done;
    if (done) {
      by("said").textContent = "All pairs are done.";
      return;
    }
    const [pair, question] = [pairOf(step), questionOf(step)];
    by("question").textContent = WORDS[question];
    // The picture is judged before the text is known.
    const text = page.element("bdi", { dir: "auto" }, prompts[pair]);
    by("prompt").replaceChildren(question === "alignment" ? text : "");
    for (const side of ["left", "right"]) {
      const image = by(`${side}-image`);
      if (image.getAttribute("src") !== file(pair, side)) image.src = file(pair, side);
      by(side).classList.toggle("chosen", votes.get(nameOf(step)) === side);
    }
    by("bar").value = Math.floor(step / 2);
    by("count").textContent = `pair ${Math.floor(step / 2) + 1} of ${order.length}`;
    by("back").disabled = step === 0;
    by("said").textContent = `Pair ${Math.floor(step / 2) + 1} of ${order.length}. ${WORDS[question]}`;
    ahead();
  }

  /** Loads the next pair, so that it is there at once. */
  function ahead() {
    const next = pairOf(step + 2);
    if (next !== undefined) for (const side of ["left", "right"]) new Image().src = file(next, side);
  }

  function choose(choice) {
    if (by("vote").hidden || document.querySelector("dialog[open]")) return;
    votes.set(nameOf(step), choice);
    store();
    step += 1;
    show();
  }

  function back() {
    if (!order.length || step === 0) return;
    step -= 1;
    show();
  }

  function save() {
    if (!rater) return;
    const rows = [...votes]
      .map(([name, choice]) => ({ pair: Number(name.split(" ")[0]), question: name.split(" ")[1], choice }))
      .sort((a, b) => a.pair - b.pair || QUESTIONS.indexOf(a.question) - QUESTIONS.indexOf(b.question));
    const lines = rows.map((row) => `${row.pair} ${row.question} ${row.choice}`).join("\n");
    const check = fnv(`${PAGE}\n${rater}\n${lines}`);
    const text = JSON.stringify({ format: FORMAT, page: PAGE, rater, votes: rows, check }, null, 1);
    const link = page.element("a", {
      href: URL.createObjectURL(new Blob([text], { type: "application/json" })),
      download: `votes-${PAGE}-${rater.replace(/[^\p{L}\p{N}]+/gu, "_")}.json`,
    });
    document.body.append(link);
    link.click();
    link.remove();
    setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
    by("said").textContent = `${rows.length} votes are saved.`;
  }

  by("begin").addEventListener("submit", (event) => {
    event.preventDefault();
    const name = by("rater").value.trim();
    if (name) begin(name);
  });
  for (const side of ["left", "right"]) by(side).addEventListener("click", () => choose(side));
  by("same").addEventListener("click", () => choose("same"));
  by("back").addEventListener("click", back);
  by("again").addEventListener("click", back);
  document.querySelectorAll(".save").forEach((button) => button.addEventListener("click", save));
  page.key("ArrowLeft", "the left image", () => choose("left"));
  page.key("ArrowRight", "the right image", () => choose("right"));
  page.key("ArrowDown", "no difference", () => choose("same"));
  page.key("Backspace", "go back", back);
  page.key("s", "save the votes as a file", save);

  let last = "";
  try {
    last = localStorage.getItem(`goldenseed-rater-${PAGE}`) || "";
  } catch {
    last = "";
  }
  if (last) {
    by("rater").value = last;
    by("earlier").hidden = false;
    by("earlier").replaceChildren(
      page.element("bdi", {}, last), ` has ${stored(last).length} of ${2 * prompts.length} answers in this browser. Begin continues them.`,
    );
  }
  by("rater").focus();
})();
