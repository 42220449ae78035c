// What the pages do themselves; everything can be read without it.
(() => {
  "use strict";

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
      ".ac-path, .bd-article div.math, .bd-article pre, .bd-article .pst-scrollable-table-container"
    )) {
      if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0;
    }
  };
  addEventListener("load", () => {
    const typeset = window.MathJax?.startup?.promise;
    if (typeset) typeset.then(reachable);
    else reachable();
  });

  // Paper has no folds and is light.
  const page = document.documentElement.dataset;
  let theme;
  addEventListener("beforeprint", () => {
    for (const fold of document.querySelectorAll(".bd-article details:not(.hide)")) fold.open = true;
    theme = page.theme;
    page.theme = "light";
  });
  addEventListener("afterprint", () => {
    page.theme = theme;
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
