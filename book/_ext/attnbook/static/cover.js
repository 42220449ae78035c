// The cover: f(g(x), x) on a photograph, for the four questions what, where, when and which.
// A machine of the course's bench; everything is computed here, from the pixels of the poster.
({ figure, spec, live, make, readout, css, colour, choice, cells, bars, say, number, softmax, act, button }) => {
  const H = 160, W = 240, poster = figure.querySelector(".ac-poster"), WORDS = ["what", "where", "when", "which"];
  let kind = 0, P = null;

  // A picture of h x w x 3 numbers, painted on a canvas of its own size; the screen scales it.
  const picture = (a, h, w) => {
    const canvas = document.createElement("canvas"); canvas.width = w; canvas.height = h;
    const c = canvas.getContext("2d"), image = c.createImageData(w, h);
    for (let n = 0; n < h * w; n++) {
      for (let k = 0; k < 3; k++) image.data[4 * n + k] = Math.round(255 * Math.max(0, Math.min(1, a[3 * n + k])));
      image.data[4 * n + 3] = 255;
    }
    c.putImageData(image, 0, 0);
    return canvas;
  };
  const shown = (parent, label, rows = 2, columns = 3) => {
    const view = { image: null };
    const { draw } = cells(parent, rows, columns, label, {
      fill: () => "#0000", over: c => view.image && c.drawImage(view.image, 0, 0, c.canvas.width, c.canvas.height),
    });
    return image => { view.image = image; draw(); };
  };
  const clip = v => Math.max(0, Math.min(1, v));
  const meanOf = a => [0, 1, 2].map(k => { let sum = 0; for (let n = k; n < a.length; n += 3) sum += a[n]; return sum / (a.length / 3); });
  const average = a => a.reduce((sum, v) => sum + v, 0) / a.length;
  const grey = a => Float64Array.from({ length: a.length / 3 }, (_, n) => (a[3 * n] + a[3 * n + 1] + a[3 * n + 2]) / 3);
  // How much grey changes to the right and downwards, times four.
  const edges = a => {
    const g = grey(a);
    return g.map((v, n) => Math.min(1, 4 * ((n % W < W - 1 ? Math.abs(g[n + 1] - v) : 0) + (n < g.length - W ? Math.abs(g[n + W] - v) : 0))));
  };
  // The mean over a square of pixels; beyond the rim the outermost pixel goes on.
  const box = (a, reach) => {
    const pass = (a, step, at, size) => Float64Array.from(a, (_, i) => {
      const here = at(i);
      let sum = 0;
      for (let d = -reach; d <= reach; d++) sum += a[i + step * (Math.max(0, Math.min(size - 1, here + d)) - here)];
      return sum / (2 * reach + 1);
    });
    return pass(pass(a, 3, i => Math.floor(i / 3) % W, W), 3 * W, i => Math.floor(i / 3 / W), H);
  };
  const tripled = (a, gate = 1) => Float64Array.from({ length: 3 * a.length }, (_, i) => gate * a[Math.floor(i / 3)]);
  const one = (a, k) => Float64Array.from({ length: a.length }, (_, i) => i % 3 === k ? a[i] : 0);

  choice(live, "g decides", WORDS, 0, n => { kind = n; show(); });
  const panel = make("div", live, { class: "ac-cover-panel" });
  const places = [["x", "x: the input"], ["g", "g(x): the weights"], ["y", "f(g(x), x): the result"]].map(([word, title]) => {
    const place = make("div", panel, { class: `ac-cover-${word}` });
    make("p", place, { class: "ac-cover-head", text: title });
    return WORDS.map(() => make("div", place, { hidden: "" }));
  });
  readout(live);

  // what: a gate for each channel, from the means of all channels, or from the reader's hand.
  const what = () => {
    const [left, middle, right] = places.map(place => place[0]), names = ["red", "green", "blue", "edges"];
    const E = edges(P), channels = n => n < 3 ? one(P, n) : tripled(E);
    const z = [...meanOf(P), average(E)], level = average(z), squeezed = z.map(v => act.sigmoid(8 * (v - level)));
    let gates = [...squeezed], by = "g";
    shown(left, "The photograph: a cat's face")(picture(P, H, W));
    const lanes = [left, right].map(parent => make("div", parent, { class: "ac-lane", style: "--n:4" }));
    const tiles = lanes.map((lane, n) => names.map(name => {
      const cell = make("div", lane), view = shown(cell, `The channel ${name}${n ? ", times its gate" : ""}`);
      make("p", cell, { class: "ac-cell-name", text: name });
      return view;
    }));
    names.forEach((_, n) => tiles[0][n](picture(channels(n), H, W)));
    const result = shown(make("div", right), "The gated channels in one picture");
    right.prepend(right.lastChild);
    const rows = names.map((name, n) => {
      const label = make("label", middle, { class: "ac-cover-gate" }), text = make("span", label);
      const input = make("input", label, { type: "range", min: 0, max: 1, step: .01 });
      input.addEventListener("input", () => { gates[n] = +input.value; by = "the reader"; draw(); });
      return { text, input };
    });
    button(middle, "let g decide", () => { gates = [...squeezed]; by = "g"; draw(); });
    const draw = () => {
      rows.forEach(({ text, input }, n) => {
        text.textContent = `${names[n]}: mean ${number(z[n])}, gate ${number(gates[n])}`;
        if (by === "g") input.value = gates[n];
        tiles[1][n](picture(channels(n).map(v => gates[n] * v), H, W));
      });
      const y = P.map((v, i) => clip(gates[i % 3] * v + gates[3] * E[Math.floor(i / 3)]));
      result(picture(y, H, W));
      const top = gates.indexOf(Math.max(...gates)), least = gates.indexOf(Math.min(...gates));
      say({ kind: "what", by, means: z, gates: [...gates], y: meanOf(y) },
        `What counts: ${names[top]} most (${number(gates[top])}), ${names[least]} least (${number(gates[least])}). ${by === "g" ? "The mean of each channel, held against the mean of all, sets its gate." : "You set the gates; each multiplies its whole channel."}`);
    };
    return draw;
  };

  // where: a weight for each position, the softmax of its likeness to one position.
  const where = () => {
    const [left, middle, right] = places.map(place => place[1]), rows = 20, columns = 30, count = rows * columns, side = 8;
    const E = edges(P), tokens = Array.from({ length: count }, () => [0, 0, 0, 0]);
    for (let n = 0; n < H * W; n++) {
      const token = tokens[Math.floor(n / W / side) * columns + Math.floor(n % W / side)];
      for (let k = 0; k < 3; k++) token[k] += P[3 * n + k] / side ** 2;
      token[3] += E[n] / side ** 2;
    }
    const m = [0, 1, 2, 3].map(k => average(tokens.map(t => t[k])));
    const d = m.map((v, k) => Math.sqrt(average(tokens.map(t => (t[k] - v) ** 2))));
    const units = tokens.map(t => { const u = t.map((v, k) => (v - m[k]) / d[k]), norm = Math.hypot(...u); return u.map(v => v / norm); });
    let query = 7 * columns + 10, sharp = 12, weights = [];
    const whole = picture(P, H, W);
    const input = cells(left, rows, columns, "The photograph: choose a position with mouse, finger or arrow keys", {
      fill: () => "#0000", over: c => c.drawImage(whole, 0, 0, c.canvas.width, c.canvas.height),
      move: n => { query = n; draw(); }, ring: () => [[query, "g"]], start: query,
    });
    make("p", left, { class: "ac-cell-name", text: "Move the ring: it asks which places look alike." });
    const map = cells(middle, rows, columns, "The weights of all positions", {
      fill: n => weights.length ? colour(weights[n] / Math.max(...weights)) : "#0000", ring: () => [[query, "g"]],
    });
    const scale = make("p", middle, { class: "ac-scale", "aria-hidden": "true" });
    make("i", scale, { style: `background:linear-gradient(90deg,${[0, .25, .5, .75, 1].map(t => colour(t))})` });
    const most = make("span", scale);
    choice(middle, "softmax", ["soft", "sharp"], 1, n => { sharp = n ? 12 : 4; draw(); });
    const result = shown(right, "The photograph, as bright at each position as its weight");
    const read = make("p", right, { class: "ac-cell-name" }), swatch = make("i", right, { class: "ac-swatch" });
    const draw = () => {
      weights = softmax(units.map(u => sharp * u.reduce((sum, v, k) => sum + v * units[query][k], 0)));
      const top = Math.max(...weights), y = [0, 1, 2, 3].map(k => weights.reduce((sum, w, n) => sum + w * tokens[n][k], 0));
      input.draw(); map.draw();
      result(picture(P.map((v, i) => {
        const n = Math.floor(i / 3);
        return v * (.25 + .75 * weights[Math.floor(n / W / side) * columns + Math.floor(n % W / side)] / top);
      }), H, W));
      most.textContent = `0 to ${number(100 * top, 1)} %`;
      read.textContent = "The sum of weight times colour:";
      swatch.style.background = `rgb(${y.slice(0, 3).map(v => Math.round(255 * v))})`;
      const ten = [...weights].sort((a, b) => b - a).slice(0, 30).reduce((a, v) => a + v, 0);
      say({ kind: "where", query, sharp, weights, y },
        `Where to look, asked from row ${Math.floor(query / columns) + 1}, column ${query % columns + 1}: 30 of the 600 positions hold ${number(100 * ten, 0)} % of the weight.`);
    };
    return draw;
  };

  // when: a weight for each frame of a camera that moves; in one of them the light is off.
  const when = () => {
    const [left, middle, right] = places.map(place => place[2]), side = 120, names = [1, 2, 3, 4, 5, 6].map(n => `frame ${n}`);
    const frames = names.map((_, t) => Float64Array.from({ length: side * side * 3 }, (_, i) => {
      const n = Math.floor(i / 3);
      return (t === 3 ? .15 : 1) * P[3 * ((Math.floor(n / side) + 8 * t) * W + n % side + 24 * t) + i % 3];
    }));
    const pictures = frames.map(f => picture(f, side, side));
    let query = 1, sharp = 100;
    const strip = cells(left, 2, 3, "Six frames of a camera that moves: choose the one that asks", {
      fill: () => "#0000", move: n => { query = n; draw(); }, ring: () => [[query, "g"]], start: query,
      over: (c, w) => pictures.forEach((image, n) => c.drawImage(image, n % 3 * w, Math.floor(n / 3) * w, w, w)),
    });
    make("p", left, { class: "ac-cell-name", text: "Choose the frame that asks. In frame 4 the light is off." });
    const weigh = bars(middle, names, [0, 1], "g");
    choice(middle, "softmax", ["flat", "soft", "sharp"], 1, n => { sharp = [0, 100, 1000][n]; draw(); });
    const result = shown(make("div", right, { class: "ac-cover-square" }), "The sum of the frames, each times its weight", 1, 1);
    const draw = () => {
      const scores = frames.map(f => { let sum = 0; for (let i = 0; i < f.length; i++) sum += (f[i] - frames[query][i]) ** 2; return -sharp * sum / f.length; });
      const weights = softmax(scores), y = new Float64Array(frames[0].length);
      frames.forEach((f, t) => { for (let i = 0; i < y.length; i++) y[i] += weights[t] * f[i]; });
      strip.draw(); weigh(weights); result(picture(y, side, side));
      say({ kind: "when", query, sharp, scores, weights, y: meanOf(y) },
        `When to look, asked from frame ${query + 1}: that frame gets ${number(100 * weights[query], 0)} %, the dark one ${number(100 * weights[3], 0)} %. ${sharp ? "" : "Equal weights blur the moving picture."}`);
    };
    return draw;
  };

  // which: two branches, mixed by weights that depend on how rough the input is.
  const which = () => {
    const [left, middle, right] = places.map(place => place[3]), names = ["sharpened", "blurred"];
    const noise = new Float64Array(P.length);
    for (let i = 0, seed = 1; i < noise.length; i++) { seed = seed * 16807 % 2147483647; noise[i] = seed / 2147483647 - .5; }
    let amount = 0, hand = 0, x, branches, rough;
    const input = shown(left, "The photograph, with the noise that is chosen");
    choice(left, "noise", ["none", "some", "much"], 0, n => { amount = [0, .3, .6][n]; prepare(); draw(); });
    const lane = make("div", middle, { class: "ac-lane", style: "--n:2" });
    const tiles = names.map(name => {
      const cell = make("div", lane), view = shown(cell, `The ${name} branch`);
      make("p", cell, { class: "ac-cell-name", text: name });
      return view;
    });
    const weigh = bars(middle, names, [0, 1], "g");
    choice(middle, "weights", ["by g", "sharp", "equal", "blurred"], 0, n => { hand = n; draw(); });
    const result = shown(right, "The two branches, mixed by their weights");
    const prepare = () => {
      x = P.map((v, i) => clip(v + amount * noise[i]));
      const near = box(x, 1);
      branches = [x.map((v, i) => clip(2 * v - near[i])), box(x, 3)];
      rough = average(edges(x));
    };
    const draw = () => {
      const scores = [10 * (.35 - rough), 10 * (rough - .35)];
      const weights = [softmax(scores), [1, 0], [.5, .5], [0, 1]][hand];
      const y = x.map((_, i) => weights[0] * branches[0][i] + weights[1] * branches[1][i]);
      input(picture(x, H, W));
      branches.forEach((b, n) => tiles[n](picture(b, H, W)));
      weigh(weights); result(picture(y, H, W));
      say({ kind: "which", amount, hand, rough, scores, weights, y: meanOf(y), left: average(edges(y)) },
        `Which branch: ${number(100 * weights[0], 0)} % sharpened, ${number(100 * weights[1], 0)} % blurred. ${hand ? "You chose the weights." : `The input's edges have the mean ${number(rough)}: g blurs a rough input and sharpens a calm one.`}`);
    };
    prepare();
    return draw;
  };

  const makers = [what, where, when, which], made = [];
  const show = () => {
    if (!P) return;
    places.forEach(place => place.forEach((box, n) => { box.hidden = n !== kind; }));
    (made[kind] ??= makers[kind]())();
  };
  const begin = () => {
    const canvas = document.createElement("canvas"); canvas.width = W; canvas.height = H;
    const c = canvas.getContext("2d"); c.drawImage(poster, 0, 0);
    const data = c.getImageData(0, 0, W, H).data;
    P = Float64Array.from({ length: H * W * 3 }, (_, i) => data[4 * Math.floor(i / 3) + i % 3] / 255);
    show();
  };
  if (poster.complete && poster.naturalWidth) begin();
  else poster.addEventListener("load", begin);
  return show;
}
