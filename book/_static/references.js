// A link to an equation, a figure, a table or an exercise shows it, on hover and on focus.
// With a finger the link leads there, and the browser's way back leads back.
(() => {
  "use strict";
  const article = document.querySelector(".bd-article");
  if (!article) return;
  const box = document.createElement("div");
  box.id = box.className = "ac-preview";
  box.setAttribute("role", "tooltip");
  box.hidden = true;
  let link = null, timer = 0;

  // A copy that is only looked at: no second anchor, nothing that takes the focus.
  const copy = node => {
    const twin = node.cloneNode(true);
    for (const sign of twin.querySelectorAll(".headerlink, script, .ac-live")) sign.remove();
    for (const part of [twin, ...twin.querySelectorAll("*")])
      for (const name of ["id", "tabindex", "loading"]) part.removeAttribute(name);
    for (const inner of twin.querySelectorAll("a")) inner.replaceWith(...inner.childNodes);
    return twin;
  };

  const picture = place => {
    const live = place.querySelector(".ac[data-ready] > .ac-poster");
    const found = live || place.querySelector("table, svg, img:not(.ac-poster)") || place.querySelector("img");
    if (!found) return null;
    const twin = copy(found), around = document.createElement("div");
    around.className = "ac";
    if (live) twin.className = "";
    around.append(twin);
    return around;
  };

  const content = anchor => {
    const place = document.getElementById(anchor);
    if (!place) return [];
    if (anchor.startsWith("eq-")) {
      const formula = place.closest(".ac-eqn")?.querySelector("mjx-container");
      return formula ? [copy(formula)] : [];
    }
    if (anchor.startsWith("exercise-")) {
      const name = document.createElement("p");
      name.append(...copy(place.parentElement.querySelector("h3")).childNodes);
      return [name];
    }
    const caption = article.querySelector(`[data-of="${anchor}"]`);
    const above = place === caption ? caption.previousElementSibling : place;
    return [above && picture(above), caption && copy(caption)].filter(Boolean);
  };

  const hide = () => {
    clearTimeout(timer);
    if (!link) return;
    link.removeAttribute("aria-describedby");
    link = null;
    box.hidden = true;
    box.replaceChildren();
  };

  const show = next => {
    clearTimeout(timer);
    if (link === next) return;
    hide();
    const parts = content(decodeURIComponent(next.hash.slice(1)));
    if (!parts.length) return;
    link = next;
    box.replaceChildren(...parts);
    if (!box.isConnected) article.append(box);
    box.hidden = false;
    link.setAttribute("aria-describedby", box.id);
    const formula = box.querySelector("mjx-container"), room = box.clientWidth / box.scrollWidth;
    if (formula && room < 1) formula.style.fontSize = 100 * Math.max(0.7, room) + "%";
    const at = link.getClientRects()[0], page = article.getBoundingClientRect();
    const wide = document.documentElement.clientWidth, gap = 6;
    box.style.left = Math.max(8, Math.min(at.left, wide - box.offsetWidth - 8)) - page.left + "px";
    const above = at.bottom + gap + box.offsetHeight > innerHeight && at.top - gap > box.offsetHeight;
    box.style.top = (above ? at.top - gap - box.offsetHeight : at.bottom + gap) - page.top + "px";
  };
  const later = (what, wait) => { clearTimeout(timer); timer = setTimeout(what, wait); };

  for (const one of article.querySelectorAll("a.ac-ref")) {
    one.addEventListener("pointerenter", e => { if (e.pointerType !== "touch") later(() => show(one), 150); });
    one.addEventListener("pointerleave", () => { if (document.activeElement !== one || link !== one) later(hide, 250); });
    one.addEventListener("focus", () => { if (one.matches(":focus-visible")) show(one); });
    one.addEventListener("blur", () => later(hide, 250));
    one.addEventListener("click", hide);
  }
  box.addEventListener("pointerenter", () => clearTimeout(timer));
  box.addEventListener("pointerleave", () => later(hide, 250));
  addEventListener("keydown", e => { if (e.key === "Escape") hide(); });
  addEventListener("beforeprint", hide);
})();
