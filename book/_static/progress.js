// The reader's progress: kept in this browser alone, in the format of the package's own file, so
// that `attncourse.exercises.progress.restore` reads what is exported here, and the other way round.
(() => {
  "use strict";
  const KEY = "attncourse-progress", empty = () => ({ version: 1, exercises: {}, quizzes: {} });
  const valid = (state) => state && state.version === 1
    && [state.exercises, state.quizzes].every((part) => part && typeof part === "object" && !Array.isArray(part));
  let kept = true, memory = empty();
  const read = () => {
    let text = null;
    try { text = localStorage.getItem(KEY); } catch { kept = false; }
    if (text === null) return memory;
    try {
      const state = JSON.parse(text);
      if (valid(state)) return memory = state;
    } catch { /* set aside below */ }
    try {  // what cannot be read is never lost
      localStorage.setItem(`${KEY}-broken-${Date.now()}`, text);
      localStorage.removeItem(KEY);
    } catch { kept = false; }
    return memory;
  };
  const write = (state) => {
    memory = state;
    try { localStorage.setItem(KEY, JSON.stringify(state)); } catch { kept = false; }
    dispatchEvent(new Event("attncourse-progress"));
  };
  // What the first try was; an older entry tells it where nothing else is possible.
  const firstOf = (entry) => entry.first
    ?? (entry.attempts === 1 || (entry.attempts && entry.status === "not yet") ? entry.status : undefined);
  const better = (a = {}, b = {}) => {
    const both = { ...b, ...a }, first = [firstOf(a), firstOf(b)].filter(Boolean);
    if (first.length) both.first = first.includes("not yet") ? "not yet" : "correct";
    for (const count of ["attempts", "hints"]) if (count in both) both[count] = Math.max(a[count] ?? 0, b[count] ?? 0);
    if (a.status === "correct" || b.status === "correct") both.status = "correct";
    return both;
  };
  const merge = (one, other) => {
    const merged = empty();
    for (const part of ["exercises", "quizzes"])
      for (const name of new Set([...Object.keys(one[part]), ...Object.keys(other[part])]))
        merged[part][name] = better(one[part][name], other[part][name]);
    return merged;
  };
  const change = (part, name, edit) => {
    const state = read();
    edit(state[part][name] ??= {});
    write(state);
  };
  const attempt = (part, name, right, answer) => change(part, name, (entry) => {
    const first = entry.attempts ? firstOf(entry) : right ? "correct" : "not yet";
    if (first) entry.first = first;
    entry.attempts = (entry.attempts ?? 0) + 1;
    if (answer) entry.answer = answer;
    if (entry.status !== "correct") entry.status = right ? "correct" : "not yet";
  });
  const make = (tag, parent, attributes = {}, text = "") => {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    node.textContent = text;
    parent?.append(node);
    return node;
  };
  const solved = (part, names) => names.filter((name) => read()[part][name]?.status === "correct");
  const told = (part, names, words = "") => {
    const right = solved(part, names), firsts = right.map((name) => firstOf(read()[part][name])).filter(Boolean);
    const atOnce = firsts.filter((first) => first === "correct").length;
    return `${right.length} of ${names.length}${words}` + (firsts.length ? `, ${atOnce} at the first try` : "");
  };
  const when = (entry) => entry?.status !== "correct" ? ""
    : { "correct": " at the first try", "not yet": " at a later try" }[firstOf(entry)] ?? "";

  // ---- a chapter: quiz answers, exercises, a line that adds them up
  const questions = [], exercises = [];
  for (const quiz of document.querySelectorAll("section[id^='quiz-']")) {
    const stem = quiz.id.slice("quiz-".length).replaceAll("-", "_");
    [...quiz.querySelectorAll("[role=group]")].forEach((group, index) => {
      const name = `${stem}.${index + 1}`, options = [...group.querySelectorAll("details")];
      const later = make("p", group, { class: "ac-first" });
      const show = () => { later.textContent = when(read().quizzes[name]).replace(/^.+/, "Right$&."); };
      addEventListener("attncourse-progress", show);
      show();
      questions.push(name);
      options.forEach((option, place) => {
        const letter = "abcdefgh"[place], right = option.querySelector("strong").textContent.startsWith("Right");
        if (read().quizzes[name]?.answer === letter) option.open = true;
        option.querySelector("summary").addEventListener("click", () => {
          if (option.open) return;
          attempt("quizzes", name, right, letter);
        });
      });
    });
  }
  for (const heading of document.querySelectorAll("article h3")) {
    if (!/^Exercise \d+/.test(heading.textContent)) continue;
    const section = heading.parentElement, name = /check\("([\w.]+)"/.exec(section.textContent)?.[1];
    if (!name) continue;
    exercises.push(name);
    const button = make("button", null, { type: "button", class: "ac-done" });
    const show = () => {
      const entry = read().exercises[name], done = entry?.status === "correct";
      button.setAttribute("aria-pressed", done);
      const words = done ? `solved${when(entry)}` : "mark as solved";
      button.textContent = done ? `✓ ${words}` : words;
      button.setAttribute("aria-label", `${heading.firstChild.textContent}: ${words}`);
    };
    button.addEventListener("click", () => change("exercises", name, (entry) => {
      entry.status = entry.status === "correct" ? "not yet" : "correct";
    }));
    addEventListener("attncourse-progress", show);
    heading.after(button);
    show();
  }
  // An exercise that the page itself has judged.
  addEventListener("attncourse-answer", ({ detail }) => attempt("exercises", detail.name, detail.status === "correct"));
  if (questions.length || exercises.length) {
    const article = document.querySelector("article.bd-article") ?? document.querySelector("article");
    const panel = make("aside", null, { class: "ac-progress", "aria-label": "Your progress in this chapter" });
    const line = make("p", panel, { "aria-live": "polite" });
    const show = () => {
      line.textContent = `Your progress: ${told("exercises", exercises, " exercises solved")}; `
        + `${told("quizzes", questions, " questions answered right")}. `
        + (kept ? "It is kept in this browser only. " : "This browser does not keep it beyond this page. ");
      make("a", line, { href: document.documentElement.dataset.content_root + "book/progress.html" }, "All chapters");
    };
    addEventListener("attncourse-progress", show);
    show();
    const quiz = document.querySelector("section[id^='quiz-']");
    quiz ? quiz.after(panel) : article.append(panel);
  }

  // ---- a map: each chapter that was begun or done says so, in words
  const map = document.getElementById("ac-contents");
  if (map) {
    const contents = JSON.parse(map.textContent);
    const show = () => {
      for (const element of document.querySelectorAll("[data-chapter]")) {
        const { exercises = [], quizzes = [] } = contents[element.dataset.chapter] ?? {};
        const state = read(), all = exercises.length + quizzes.length;
        const begun = exercises.some((name) => state.exercises[name]) || quizzes.some((name) => state.quizzes[name]);
        const done = solved("exercises", exercises).length + solved("quizzes", quizzes).length;
        element.querySelector(".ac-begun")?.remove();
        element.dataset.progress = !begun ? "" : done === all ? "done" : "begun";
        if (begun) make("span", element.querySelector("a > span:last-child") ?? element.querySelector("a") ?? element, { class: "ac-begun" },
          done === all ? "✓ done" : `begun: ${done} of ${all} answers right`);
      }
    };
    addEventListener("attncourse-progress", show);
    show();
  }

  // ---- the page of all chapters
  const page = document.querySelector(".ac-progress-page");
  if (page) {
    const table = page.querySelector("table"), buttons = make("p", page, { class: "ac-progress-buttons" });
    const said = make("p", page, { "aria-live": "polite" });
    const show = () => {
      for (const row of table.querySelectorAll("tr[data-exercises]"))
        for (const part of ["exercises", "quizzes"]) {
          const names = row.dataset[part].split(" ").filter(Boolean);
          row.querySelector(`.ac-${part}`).textContent = told(part, names);
        }
    };
    addEventListener("attncourse-progress", show);
    show();
    if (!kept) said.textContent = "This browser does not let the page keep anything.";
    make("button", buttons, { type: "button" }, "Export").addEventListener("click", () => {
      const file = new Blob([JSON.stringify(read(), null, 1) + "\n"], { type: "application/json" });
      const link = make("a", null, { href: URL.createObjectURL(file), download: "attncourse-progress.json" });
      link.click();
      URL.revokeObjectURL(link.href);
      said.textContent = "Exported as attncourse-progress.json.";
    });
    const input = make("input", null, { type: "file", accept: "application/json,.json", hidden: "" });
    page.append(input);
    make("button", buttons, { type: "button" }, "Import").addEventListener("click", () => input.click());
    input.addEventListener("change", async () => {
      try {
        const state = JSON.parse(await input.files[0].text());
        if (!valid(state)) throw new Error();
        write(merge(read(), state));
        said.textContent = "Imported: what was solved here or there counts as solved.";
      } catch {
        said.textContent = "This file is no progress of the course; nothing was changed.";
      }
      input.value = "";
    });
    const clear = make("button", buttons, { type: "button" }, "Clear");
    let sure = false;
    const calm = () => { sure = false; clear.textContent = "Clear"; };
    clear.addEventListener("blur", calm);
    clear.addEventListener("click", () => {
      if (!sure) { sure = true; clear.textContent = "Clear for good?"; return; }
      write(empty());
      calm();
      said.textContent = "Cleared.";
    });
  }
})();
