// What the pages do themselves; everything can be read without it.
(() => {
  "use strict";

  // Read from a folder, a page may not fetch another: the search then lists titles alone.
  if (location.protocol === "file:" && typeof DOCUMENTATION_OPTIONS === "object")
    DOCUMENTATION_OPTIONS.SHOW_SEARCH_SUMMARY = false;

  // Path strip on a phone: begin where the reader is.
  const here = document.querySelector(".ac-path .ac-here");
  if (here) {
    const strip = here.closest(".ac-path");
    const right = here.offsetLeft + here.offsetWidth;
    if (right > strip.clientWidth) strip.scrollLeft = right - (strip.clientWidth + here.offsetWidth) / 2;
  }

  // Boxes that scroll sideways can be reached and moved with the keyboard.
  const reachable = () => {
    for (const box of document.querySelectorAll(
      ".ac-path, .bd-article .ac-scroll, .bd-article .ac-figure, .bd-article div.math, .bd-article pre, .bd-article .pst-scrollable-table-container"
    )) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    }
  };
  addEventListener("resize", reachable);
  addEventListener("load", () => {
    const typeset = window.MathJax?.startup?.promise;
    if (typeset) typeset.then(reachable);
    else reachable();
  });

  // A link to a place inside a fold opens the fold.  The browser itself scrolls to open places, and
  // on the way back to where the reader was.
  const reveal = (always) => {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    let opened = false;
    const inside = target.querySelector(":scope > details.ac-deeper");
    for (let fold = inside || target.closest("details"); fold; fold = fold.parentElement.closest("details")) {
      opened ||= !fold.open;
      fold.open = true;
    }
    if (opened || always) target.scrollIntoView({ behavior: "instant" });
  };
  addEventListener("hashchange", () => reveal(false));
  addEventListener("click", (event) => {
    const link = event.target.closest?.("a[href^='#']");
    if (!link) return;
    history.replaceState({ ...history.state, top: scrollY }, "");
    if (link.hash !== location.hash) return;
    history.pushState(null, "", link.hash);  // no change of hash, yet a wish, and a way back
    reveal(true);
  });
  // On the way back a browser may go to the last anchor; the reader was where the link was.
  addEventListener("popstate", (event) => {
    const top = event.state?.top;
    if (top !== undefined) setTimeout(() => scrollTo({ top, behavior: "instant" }));
  });
  // Formulas move what stands below them, so a page that was asked for a place goes there again
  // once they are set, unless the reader has begun to move.
  let moved = false;
  for (const kind of ["wheel", "touchmove", "pointerdown", "keydown"])
    addEventListener(kind, () => { moved = true; }, { passive: true, once: true });
  addEventListener("load", () => {
    reveal(true);
    window.MathJax?.startup?.promise?.then(() => { if (!moved) reveal(true); });
  });

  // Paper has no folds and is light.  What deepens stands behind the main path, and what a learner
  // should not see too early, the hints, the solutions and the quiz's answers, at the very end.
  const page = document.documentElement.dataset, article = document.querySelector(".bd-article");
  const make = (tag, parent, text = "") => {
    const node = document.createElement(tag);
    node.textContent = text;
    parent.append(node);
    return node;
  };
  const copy = (node, parent) => parent.append(node.cloneNode(true));
  const answers = () => {
    const end = document.createElement("section");
    end.className = "ac-answers";
    make("h2", end, "Hints, solutions, answers");
    for (const heading of article.querySelectorAll("h3")) {
      if (!/^Exercise \d+/.test(heading.textContent)) continue;
      const section = heading.parentElement, folds = [...section.querySelectorAll("details")];
      make("h3", end, heading.firstChild.textContent);
      for (const fold of folds) {
        const name = fold.querySelector("summary").textContent.trim();
        if (name.startsWith("Hint")) {
          const hint = make("div", end);
          make("strong", hint, name + ". ");
          for (const part of [...fold.children].slice(1)) copy(part, hint);
        } else if (fold.matches(".hide")) {
          for (const part of fold.querySelectorAll(".cell_input")) copy(part, end);
        }
      }
    }
    const groups = article.querySelectorAll("section[id^='quiz-'] [role=group]");
    if (groups.length) make("h3", end, "Quiz");
    for (const group of groups) {
      const options = [...group.querySelectorAll("details")];
      const right = options.find((o) => o.querySelector("strong").textContent.startsWith("Right"));
      const number = group.querySelector("p").textContent.split(".")[0];
      const line = make("p", end);
      make("strong", line, `${number}. ${right.querySelector("summary").textContent} `);
      line.append(right.querySelector("p").lastChild.textContent);
    }
    return end;
  };
  const deeper = () => {
    const end = document.createElement("section"), moved = [];
    end.className = "ac-deeper-end";
    make("h2", end, "Deeper");
    for (const fold of article.querySelectorAll("details.ac-deeper")) {
      const section = fold.closest("section"), place = document.createElement("p");
      if (section.closest(".ac-deeper-end")) continue;  // within one that has moved
      place.className = "ac-later";
      const name = fold.querySelector("summary :is(h2, h3, h4)").firstChild.textContent;
      place.textContent = `${name}: behind the main path.`;
      section.before(place);
      end.append(section);
      moved.push([place, section]);
    }
    return { end, moved };
  };
  let before = null;
  addEventListener("beforeprint", () => {
    if (before || !article) return;
    const opened = [];
    for (const fold of article.querySelectorAll("details:not(.hide)")) {
      const later = /^Hint/.test(fold.textContent.trim()) || fold.closest("section[id^='quiz-']");
      if (!later && !fold.open) opened.push(fold);
    }
    for (const fold of opened) fold.open = true;
    for (const image of document.images) image.loading = "eager";
    const end = answers(), more = deeper();
    if (more.moved.length) article.append(more.end);
    if (end.children.length > 1) article.append(end);
    before = { theme: page.theme, opened, end, more };
    page.theme = "light";
  });
  addEventListener("afterprint", () => {
    if (!before) return;
    page.theme = before.theme;
    for (const fold of before.opened) fold.open = false;
    for (const [place, section] of before.more.moved) place.replaceWith(section);
    before.more.end.remove();
    before.end.remove();
    before = null;
  });

  // MathJax's menu weighs as much as the rest of it, so it comes with the first right click (or
  // long press, or menu key) on a formula.  Formulas are then set anew by a document that has it.
  let menu = null;
  const withMenu = async () => {
    const before = [...MathJax.startup.document.math];
    await MathJax.loader.load("ui/menu");
    MathJax.startup.getComponents();
    const page = MathJax.startup.document;
    for (const old of before) {
      const item = new page.options.MathItem(
        old.math, page.inputJax[0], old.display, old.start, old.end, old.delim
      );
      page.math.push(item);
    }
    const top = scrollY;
    page.render();
    scrollTo({ top, behavior: "instant" });
  };
  addEventListener("contextmenu", (event) => {
    const formula = event.target.closest?.("mjx-container");
    if (!formula || menu || !window.MathJax?.loader?.load) return;
    event.preventDefault();
    event.stopPropagation();
    const all = [...document.querySelectorAll("mjx-container")];
    const index = all.indexOf(formula);
    menu = withMenu().then(() => {
      document.querySelectorAll("mjx-container")[index]?.dispatchEvent(
        new MouseEvent("contextmenu", {
          view: window, bubbles: true, cancelable: true,
          clientX: event.clientX, clientY: event.clientY,
        })
      );
    });
  }, true);
})();
