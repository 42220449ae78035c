// What the live machines share: numbered steps, painted cells, bars with their numbers, choices.
// A machine is a function of these tools that builds itself and returns how to redraw.
kind => tools => {
  const { figure, spec, live, make, publish, css, clamp } = tools;
  live.className = "ac-machine";
  let count = 0;

  // One step of the computation: its number, what happens, the formula, and a place for its numbers.
  const step = (title, formula = "", parent = live) => {
    const box = make("section", parent, { class: "ac-step", "aria-label": title });
    const head = make("p", box, { class: "ac-step-head" });
    make("b", head, { text: `${++count} ` });
    head.append(title);
    if (formula) symbols(make("span", head, { class: "ac-eq" }), formula);
    return make("div", box, { class: "ac-step-body" });
  };
  // `a_ij` and `W_{1}` with their indices below the line.
  const symbols = (parent, formula) => formula.split(/_(\{[^}]+\}|[\p{L}\p{N}]+)/u)
    .forEach((part, n) => n % 2 ? make("sub", parent, { text: part.replace(/[{}]/g, "") }) : parent.append(part));
  const lane = (parent, columns) => make("div", parent, { class: "ac-lane", style: `--n:${columns}` });

  // A canvas of cells, sharp on every screen.  With `move` it has a cursor for mouse, finger and
  // keys; with `paint` a press changes the cell under the cursor, and so do space, + and -.
  const cells = (parent, rows, columns, label, { fill, move, paint, ring = () => [], over, start = 0, width = 320 }) => {
    const active = move || paint, keys = active ? { tabindex: 0, role: "application" } : { role: "img" };
    const canvas = make("canvas", parent, { "aria-label": label, style: `aspect-ratio:${columns}/${rows}`, ...keys });
    const cursor = { n: start };
    const draw = () => {
      const ratio = devicePixelRatio || 1, wide = Math.round((canvas.clientWidth || width) * ratio);
      const w = wide / columns, c = canvas.getContext("2d");
      canvas.width = wide; canvas.height = Math.round(w * rows);
      for (let n = 0; n < rows * columns; n++) {
        c.fillStyle = fill(n);
        const left = Math.floor(n % columns * w), top = Math.floor(Math.floor(n / columns) * w);
        c.fillRect(left, top, Math.ceil(w), Math.ceil(w));
      }
      if (over) over(c, w, ratio);
      // A ring has a halo, so that it is seen on any colour.
      for (const [n, name] of [...ring(), ...(paint && canvas === document.activeElement ? [[cursor.n, "ink"]] : [])]) {
        const size = w - 3 * ratio, left = n % columns * w + 1.5 * ratio, top = Math.floor(n / columns) * w + 1.5 * ratio;
        for (const [style, line] of [[css("halo"), 5], [css(name), 2.5]]) {
          c.strokeStyle = style; c.lineWidth = line * ratio; c.strokeRect(left, top, size, size);
        }
      }
    };
    const go = n => { if (n !== cursor.n) { cursor.n = n; move?.(n); draw(); } };
    if (active) {
      let held = false, value = 1;
      const under = event => {
        const box = canvas.getBoundingClientRect();
        const at = (p, q, n) => clamp(Math.floor(p / q * n), n);
        return at(event.clientY - box.top, box.height, rows) * columns + at(event.clientX - box.left, box.width, columns);
      };
      canvas.addEventListener("pointerdown", event => {
        held = true; go(under(event)); canvas.focus({ preventScroll: true });
        if (paint) paint(cursor.n, was => value = was > .5 ? 0 : 1);
      });
      canvas.addEventListener("pointermove", event => {
        const n = under(event);
        if (n === cursor.n || (paint && !held)) return;
        go(n);
        if (paint) paint(n, () => value);
      });
      for (const end of ["pointerup", "pointercancel", "pointerleave"]) canvas.addEventListener(end, () => { held = false; });
      canvas.addEventListener("keydown", event => {
        const move = { ArrowUp: -columns, ArrowDown: columns, ArrowLeft: -1, ArrowRight: 1 }[event.key];
        const inRow = Math.abs(move) > 1 || columns === 1 || (cursor.n % columns + move >= 0 && cursor.n % columns + move < columns);
        const change = { " ": was => was > .5 ? 0 : 1, "+": was => Math.min(1, was + .1), "-": was => Math.max(0, was - .1) }[event.key];
        if (move) { if (inRow && cursor.n + move >= 0 && cursor.n + move < rows * columns) go(cursor.n + move); }
        else if (event.key === "Home") go(0);
        else if (event.key === "End") go(rows * columns - 1);
        else if (paint && change) paint(cursor.n, change);
        else return;
        event.preventDefault();
      });
      canvas.addEventListener("focus", draw);
      canvas.addEventListener("blur", draw);
    }
    return { canvas, cursor, draw, go };
  };

  // Numbers as bars between two limits, each with its name and its value in words.
  const bars = (parent, names, limits, word, digits = 2) => {
    const [low, high] = limits, zero = Math.max(0, -low / (high - low));
    const all = make("div", parent, { class: "ac-bars" });
    const rows = names.map(name => {
      const row = make("div", all, { class: "ac-bar" });
      symbols(make("span", row, { class: "ac-bar-name" }), name);
      const track = make("i", make("span", row, { class: "ac-track", "aria-hidden": "true" }), { style: `background:var(--ac-${word})` });
      return { row, track, text: make("output", row) };
    });
    return values => rows.forEach(({ track, text }, n) => {
      const at = clampTo((values[n] - low) / (high - low)), left = Math.min(at, zero), right = Math.max(at, zero);
      track.style.marginLeft = `${100 * left}%`;
      track.style.width = `${100 * (right - left)}%`;
      text.textContent = number(values[n], digits);
    });
  };
  const clampTo = t => Math.max(0, Math.min(1, t));
  const number = (v, digits = 2) => { const t = v.toFixed(digits); return (+t === 0 ? (0).toFixed(digits) : t).replace("-", "\u2212"); };

  // Radio buttons that look like one switch.
  const choice = (parent, name, options, start, moved) => {
    const set = make("fieldset", parent, { class: "ac-choice" });
    make("legend", set, { text: name });
    options.forEach((option, n) => {
      const label = make("label", set), input = make("input", label, { type: "radio", name: `${figure.id}-${name}`, value: n });
      make("span", label, { text: option });
      input.checked = n === start;
      input.addEventListener("change", () => moved(n));
    });
  };
  const controls = () => make("div", live, { class: "ac-controls" });
  const button = (parent, text, pressed) => {
    const node = make("button", parent, { type: "button", class: "ac-play", text });
    node.addEventListener("click", pressed);
    return node;
  };

  // What may become of a painted picture: its start, a turn, its inverse, a preset.
  const changes = (parent, x, h, w, draw) => {
    const start = Array.from(x), become = values => { x.set(values); draw(); };
    button(parent, "start again", () => become(start));
    if (h === w) button(parent, "turn by 90\u00b0", () => become(x.map((_, n) => x[n % w * w + w - 1 - Math.floor(n / w)])));
    button(parent, "invert", () => become(x.map(v => 1 - v)));
    spec.presets.forEach(([name, values]) => button(parent, name, () => become(tools.floats(values))));
  };

  // A reader's own picture, averaged to rows x columns x 3 numbers from 0 to 1; it stays in the page.
  // What takes it may also have it in grey.
  const own = (parent, rows, columns, taken) => {
    const input = make("input", make("label", parent, { class: "ac-own", text: "your own picture " }), { type: "file", accept: "image/*" });
    const read = file => {
      if (!file?.type.startsWith("image/")) return;
      const picture = new Image(), url = URL.createObjectURL(file);
      picture.onload = () => {
        const fine = 8, canvas = document.createElement("canvas"), w = canvas.width = columns * fine, h = canvas.height = rows * fine;
        const c = canvas.getContext("2d"), side = Math.min(picture.width / columns, picture.height / rows);
        c.drawImage(picture, (picture.width - side * columns) / 2, (picture.height - side * rows) / 2, side * columns, side * rows, 0, 0, w, h);
        const data = c.getImageData(0, 0, w, h).data, means = new Float64Array(rows * columns * 3);
        for (let n = 0; n < w * h; n++) for (let k = 0; k < 3; k++) {
          means[3 * (Math.floor(Math.floor(n / w) / fine) * columns + Math.floor(n % w / fine)) + k] += data[4 * n + k] / 255 / fine ** 2;
        }
        URL.revokeObjectURL(url);
        taken(means, means.filter((_, n) => n % 3 === 0).map((v, n) => (v + means[3 * n + 1] + means[3 * n + 2]) / 3));
      };
      picture.src = url;
    };
    input.addEventListener("change", () => read(input.files[0]));
    live.addEventListener("dragover", event => event.preventDefault());
    live.addEventListener("drop", event => { event.preventDefault(); read(event.dataTransfer.files[0]); });
  };

  // What there is to reach; a goal is met where a number of the state passes a bound.
  const goals = (spec.goals || []).map(goal => {
    const line = make("p", live, { class: "ac-goal" });
    return { ...goal, line, mark: make("span", line, { text: "\u25cb " }), text: line.append(goal.text), met: false };
  });
  const say = (state, words) => {
    publish(state, words);
    for (const goal of goals) {
      const value = goal.path.reduce((v, key) => v[key], state);
      goal.met ||= goal.above === undefined ? value < goal.below : value > goal.above;
      goal.mark.textContent = goal.met ? "\u25cf reached: " : "\u25cb ";
    }
  };

  const grey = v => { const n = Math.round(255 * clampTo(v)); return `rgb(${n},${n},${n})`; };
  const signed = (v, most) => {
    const t = Math.max(-1, Math.min(1, v / (most || 1))), from = t < 0 ? [33, 102, 172] : [178, 24, 43];
    return `rgb(${from.map(k => Math.round(247 + (k - 247) * Math.abs(t)))})`;
  };
  // A kernel moved over h x w numbers, its taps `dilation` apart, with zeros outside.
  const convolve = (x, h, w, kernel, bias = 0, dilation = 1) => Array.from({ length: h * w }, (_, n) => {
    const half = (kernel.length - 1) / 2;
    let sum = bias;
    kernel.forEach((row, p) => row.forEach((tap, q) => {
      const i = Math.floor(n / w) + (p - half) * dilation, j = n % w + (q - half) * dilation;
      if (i >= 0 && j >= 0 && i < h && j < w) sum += tap * x[i * w + j];
    }));
    return sum;
  });
  const affine = (w, b, x) => w.map((row, n) => row.reduce((sum, v, k) => sum + v * x[k], b ? b[n] : 0));
  const softmax = s => { const top = Math.max(...s), e = s.map(v => Math.exp(v - top)), sum = e.reduce((a, v) => a + v, 0); return e.map(v => v / sum); };
  const act = {
    none: v => v, relu: v => Math.max(0, v), sigmoid: v => 1 / (1 + Math.exp(-v)), tanh: Math.tanh, "1 + tanh": v => 1 + Math.tanh(v),
  };

  return kind({ ...tools, step, lane, cells, bars, choice, controls, button, changes, own, say, grey, signed, number, convolve, affine, softmax, act });
}
