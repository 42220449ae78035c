// The table of all mechanisms: sliders that evaluate the closed forms, heads that sort.
(() => {
  "use strict";
  const root = document.querySelector(".ac-compare");
  if (!root) return;
  const forms = window.attncourseForms, body = root.querySelector("tbody"), rows = [...body.rows];
  const said = root.querySelector(".ac-compare-said"), number = new Intl.NumberFormat("en");
  const sliders = [...root.querySelectorAll("input[type=range]")];
  const choice = (slider) => slider.dataset.choices.split(" ")[Number(slider.value)];
  let sorted = { key: "category", down: false };

  const compute = () => {
    const set = Object.fromEntries(sliders.map((s) => [s.dataset.letter, choice(s)]));
    for (const slider of sliders) {
      slider.nextElementSibling.textContent = choice(slider);
      slider.setAttribute("aria-valuetext", choice(slider));
    }
    for (const row of rows) {
      const form = forms[row.dataset.stem];
      const r = set.r === "own" ? form.own : Number(set.r);
      const at = [...["C", "H", "W", "T", "K"].map((letter) => Number(set[letter])), r];
      for (const key of ["parameters", "macs"]) {
        const value = form[key](...at), shown = row.querySelectorAll(".ac-number > span")[key === "macs" ? 1 : 0];
        row.dataset[key] = value;
        shown.textContent = Number.isNaN(value) ? "not defined" : number.format(value);
      }
    }
  };

  const sort = () => {
    const { key, down } = sorted, sign = down ? -1 : 1;
    const of = (row) => (key === "name" ? row.dataset.name : Number(row.dataset[key]));
    const before = (a, b) => {
      if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
      return a < b ? -sign : a > b ? sign : 0;
    };
    body.append(...[...rows].sort((a, b) => before(of(a), of(b)) || Number(a.dataset.category) - Number(b.dataset.category)));
    for (const head of root.querySelectorAll("th[data-key]")) {
      if (head.dataset.key === key) head.setAttribute("aria-sort", down ? "descending" : "ascending");
      else head.removeAttribute("aria-sort");
    }
  };

  for (const head of root.querySelectorAll("th[data-key]")) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = head.textContent;
    head.replaceChildren(button);
    button.addEventListener("click", () => {
      const again = sorted.key === head.dataset.key;
      sorted = { key: head.dataset.key, down: again && !sorted.down };
      sort();
      said.textContent = `Sorted by ${button.textContent}, ${sorted.down ? "falling" : "rising"}.`;
    });
  }
  for (const slider of sliders) slider.addEventListener("input", () => {
    compute();
    sort();
    said.textContent = `${slider.previousElementSibling.textContent}: ${choice(slider)}.`;
  });
  compute();
  sort();
  root.querySelector(".ac-compare-controls").hidden = false;
})();
