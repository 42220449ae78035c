// What all of the course's explorers share.  No library, no network: the data stand in the figure.
// A kind of explorer is a function of these tools that builds itself and returns how to redraw.
(id, kind) => document.querySelectorAll("#" + id).forEach(figure => {
  if (figure.dataset.ready) return;
  const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const floats = text => new Float32Array(bytes(text).buffer);
  const halves = text => Float32Array.from(new Uint16Array(bytes(text).buffer), n => {
    const power = n >> 10 & 31, digits = n & 1023;
    return (n >> 15 ? -1 : 1) * (power ? 2 ** (power - 15) * (1 + digits / 1024) : digits * 2 ** -24);
  });
  const clamp = (v, n) => Math.max(0, Math.min(n - 1, v));
  const css = name => getComputedStyle(figure).getPropertyValue("--ac-" + name).trim();
  // Numbers as people write them: no -0.000, no 0.49999999999999994.
  const tidy = text => String(text).replace(/-?\d+\.\d{7,}(e[-+]?\d+)?/g, n => String(+(+n).toPrecision(6)))
    .replace(/(^|[^\w.])[-−](0(?:\.0+)?)(?![\d.e])/g, "$1$2");
  const percent = v => (100 * v).toFixed(1) + " %";
  const make = (tag, parent, attributes = {}) => {
    const node = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) k === "text" ? node.textContent = v : node.setAttribute(k, v);
    parent.append(node);
    return node;
  };
  const map = spec.map && bytes(spec.map);  // 256 colours, three bytes each
  const colour = t => { const n = 3 * Math.round(255 * Math.max(0, Math.min(1, t))); return `rgb(${map[n]},${map[n + 1]},${map[n + 2]})`; };
  const live = make("div", figure, { class: "ac-live" });
  figure.querySelector(".ac-poster").before(live);

  // What a screen reader hears, and what the tests read back.
  let words;
  const readout = parent => words = make("p", parent, { class: "ac-read", "aria-live": "polite" });
  const publish = (state, text) => { figure.dataset.state = JSON.stringify(state); words.textContent = tidy(text); };

  // A canvas at the screen's own resolution; its units are those of the page.
  const sharp = (canvas, aspect) => {
    const ratio = devicePixelRatio || 1, c = canvas.getContext("2d");
    canvas.width = Math.round((canvas.clientWidth || 320) * ratio); canvas.height = Math.round(canvas.width * aspect);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    return { c, w: canvas.width / ratio, h: canvas.height / ratio, ratio };
  };
  // Lines with a bright and a dark rim, so that they are seen on any colour.
  const outline = (c, path) => {
    for (const [style, line] of [["#fff", 6.5], ["#1d232a", 5], [css("g"), 2.5]]) { c.strokeStyle = style; c.lineWidth = line; path(); }
  };
  // A ring around a point, whole also at the rim.
  const ring = ({ c, w, h }, x, y, radius) => {
    const inside = (v, size) => Math.max(radius + 3.5, Math.min(size - radius - 3.5, v));
    outline(c, () => { c.beginPath(); c.arc(inside(x, w), inside(y, h), radius, 0, 7); c.stroke(); });
  };
  const toggle = (parent, text, pressed, moved) => {
    const node = make("button", parent, { type: "button", class: "ac-play", text, "aria-pressed": pressed });
    node.addEventListener("click", () => {
      const on = node.getAttribute("aria-pressed") === "false";
      node.setAttribute("aria-pressed", on); moved(on);
    });
  };
  // The bar of colours, and what its ends mean.
  const scale = parent => {
    const line = make("p", parent, { class: "ac-scale" });
    make("i", line, { style: `background:linear-gradient(90deg,${[0, .25, .5, .75, 1].map(t => colour(t))})` });
    const said = make("span", line);
    return text => { said.textContent = text; };
  };

  // A canvas of cells with a cursor that mouse, finger and arrow keys move.
  const grid = (parent, rows, columns, width, height, label, moved) => {
    const canvas = make("canvas", parent, { width, height, tabindex: 0, role: "application", "aria-label": label });
    const at = { row: spec.start[0], column: spec.start[1] };
    const go = (row, column) => {
      row = clamp(row, rows); column = clamp(column, columns);
      if (row !== at.row || column !== at.column) { at.row = row; at.column = column; moved(); }
    };
    const point = event => {
      const box = canvas.getBoundingClientRect();
      go(Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns));
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("keydown", event => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (event.key === "Home") go(0, 0);
      else if (event.key === "End") go(rows - 1, columns - 1);
      else if (step) go(at.row + step[0], at.column + step[1]);
      else return;
      event.preventDefault();
    });
    return [canvas, at];
  };

  // A labelled slider over the names of its settings; calls back with the index.
  const slider = (parent, name, settings, start, moved) => {
    const label = make("label", parent), text = make("span", label);
    const input = make("input", label, { type: "range", min: 0, max: settings.length - 1, step: 1, value: start });
    const say = () => {
      text.textContent = `${name}: ${tidy(settings[+input.value])}`;
      input.setAttribute("aria-valuetext", text.textContent);
    };
    input.addEventListener("input", () => { say(); moved(+input.value); });
    say();
    return { input, set: value => { input.value = value; say(); moved(+input.value); } };
  };

  const redraw = kind({ figure, spec, live, make, readout, publish, grid, slider, bytes, floats, halves, clamp, css, colour, percent, sharp, outline, ring, toggle, scale });
  // Canvases hold colours, so they are drawn anew when the page turns light or dark.
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  let size = live.clientWidth;
  new ResizeObserver(() => { if (live.clientWidth !== size) { size = live.clientWidth; redraw(); } }).observe(live);
  figure.dataset.ready = "yes";
})
