// Three painted channels, seven ways to change them, and six decisions that notice or do not.
({ spec, live, readout, floats, step, lane, make, cells, controls, button, say, grey, number, colour, affine, softmax, act }) => {
  const [c, h, w] = spec.shape, size = h * w, d = spec.deciders, letters = "ABCDEFGH";
  const x = Float64Array.from(floats(spec.x)), still = n => Array.from({ length: n }, (_, k) => k);
  let query = spec.query, at = [0, 0], done = "nothing yet", before, was, move, pressed = false, past = [];
  const mean = v => v.reduce((a, b) => a + b, 0) / v.length;
  const channel = (v, k) => Array.from(v.slice(k * size, (k + 1) * size));
  const open = v => 1 / (1 + Math.exp(-v));

  // What each decides: gates of channels, or a map over pixels.
  const decide = (v, q) => {
    const maps = still(c).map(k => channel(v, k)), z = maps.map(mean);
    const hidden = affine(d.reduce, d.reduce_bias, z).map(act.relu);
    const norm = maps.map(m => Math.sqrt(m.reduce((a, u) => a + u * u, 0)));
    const all = Math.max(Math.sqrt(norm.reduce((a, u) => a + u * u, 0)), 1e-12);
    const light = still(size).map(n => affine([d.factor], [0], maps.map(m => m[n]))[0]);
    const rows = still(h).map(i => open(mean(light.slice(i * w, i * w + w)) + d.shift));
    const columns = still(w).map(j => open(mean(light.filter((_, n) => n % w === j)) + d.shift));
    const asked = affine(d.query, null, maps.map(m => m[q]));
    const scores = still(size).map(n => affine(d.key, null, maps.map(m => m[n])).reduce((sum, k, a) => sum + k * asked[a], 0));
    const crossed = n => Math.floor(n / w) === Math.floor(q / w) || n % w === q % w;
    const [left, itself, right] = d.neighbours;
    return {
      SE: affine(d.expand, d.expand_bias, hidden).map(open),
      GCT: norm.map((u, k) => 1 + Math.tanh(d.gamma[k] * (u * Math.sqrt(c) / all - 1))),
      ECA: z.map((u, k) => open(left * (z[k - 1] || 0) + itself * u + right * (z[k + 1] || 0))),
      coordinate: still(size).map(n => rows[Math.floor(n / w)] * columns[n % w]),
      "non-local": softmax(scores),
      "criss-cross": softmax(scores.map((s, n) => crossed(n) ? s : -Infinity)),
    };
  };

  // A press remembers what was; a decision may follow the pixels and the channels that moved.
  const keep = name => {
    past.push({ x: Array.from(x), query });
    if (past.length > 40) past.shift();
    from(name);
  };
  const from = name => { before = Array.from(x); was = query; done = name; pressed = false; move = { pixels: still(size), channels: still(c) }; };
  const apply = (name, change, moved = {}) => {
    keep(name);
    Object.assign(move, moved);
    const old = before;
    for (let k = 0; k < c; k++) for (let n = 0; n < size; n++) x[k * size + n] = change(old[move.channels[k] * size + move.pixels[n]], k);
    query = move.pixels.indexOf(was); pressed = true;
    if (x.every((v, n) => v === old[n])) { query = was; from(`${name}, and no value is another`); }
    draw();
  };
  const same = v => v;
  const bar = controls();
  button(bar, "shuffle pixels", () => apply("the pixels were shuffled", same, { pixels: spec.shuffle }));
  button(bar, "swap two rows", () => apply("the first two rows were swapped", same, { pixels: still(size).map(n => n < w ? n + w : n < 2 * w ? n - w : n) }));
  button(bar, "mirror", () => apply("left and right were mirrored", same, { pixels: still(size).map(n => n - n % w + w - 1 - n % w) }));
  button(bar, "exchange A and B", () => apply("channels A and B were exchanged", same, { channels: [1, 0, ...still(c).slice(2)] }));
  button(bar, "halve A", () => apply("channel A was halved", (v, k) => k ? v : v / 2));
  const halve = button(bar, "halve all", () => apply("all channels were halved", v => v / 2));
  const add = button(bar, "add 0.1", () => apply("0.1 was added everywhere", v => v + .1));
  button(bar, "undo", () => {
    const last = past.pop();
    if (!last) return;
    x.set(last.x); query = last.query;
    from("undone"); draw();
  });
  const second = controls();
  spec.presets.forEach(([name, values]) => button(second, name, () => { keep(""); x.set(floats(values)); query = spec.query; from(`a new map, ${name}`); draw(); }));

  const input = lane(step("Three channels: paint them", "x"), c);
  const painted = still(c).map(k => {
    const box = make("div", input), cell = cells(box, h, w, `Channel ${letters[k]}: arrow keys move, space paints, + and - change`, {
      fill: n => grey(x[k * size + n]), move: n => { at = [k, n]; draw(); }, ring: () => [[query, "g"]], width: 110,
      paint: (n, change) => {
        const value = change(x[k * size + n]);
        if (value === x[k * size + n]) return;
        keep(`channel ${letters[k]} was painted at row ${Math.floor(n / w) + 1}, column ${n % w + 1}`);
        x[k * size + n] = value; draw();
      },
    });
    make("p", box, { class: "ac-cell-name", text: letters[k] });
    return cell;
  });
  make("p", live, { class: "ac-line", text: "The ring marks the pixel that asks in non-local and criss-cross, which makes one pass; it moves with its pixel." });
  const told = make("p", live, { class: "ac-line" });
  const below = lane(step("Six decisions, before and now", "g(x)"), 3);
  let now = {}, old = {}, top = {};
  const seen = spec.names.map(name => {
    const box = make("div", below, { class: "ac-cell" }), gates = ["SE", "GCT", "ECA"].includes(name);
    make("p", box, { class: "ac-cell-name", text: name });
    const pair = lane(box, 2), size_ = gates ? [c, 1] : [h, w];
    const canvases = [["before", () => old], ["now", () => now]].map(([when, of]) => {
      const one = make("div", pair);
      const cell = cells(one, ...size_, `${name}, ${when}`, { fill: n => colour(of()[name][n] / top[name]), width: 60 });
      if (gates) cell.canvas.style.aspectRatio = "1";
      return cell;
    });
    return { name, canvases, word: make("p", box, { class: "ac-line ac-verdict" }) };
  });
  make("p", live, { class: "ac-line", text: "Left before, right now. SE, GCT and ECA: a gate for A, B, C from top to bottom. Each pair has one scale, black for 0, light for the largest of both; a change is given as a share of the largest." });
  readout(live);

  function draw() {
    old = decide(before, was); now = decide(x, query);
    const apart = (a, b) => Math.max(...a.map((v, n) => Math.abs(v - b[n])));
    const found = {}, words = {}, value = Math.max(...x);
    for (const name of spec.names) {
      const order = old[name].length === c ? move.channels : move.pixels;
      top[name] = Math.max(...old[name], ...now[name]);
      const unmoved = apart(now[name], old[name]) / top[name], moved = apart(now[name], order.map(n => old[name][n])) / top[name];
      found[name] = [unmoved, moved];
      words[name] = unmoved < spec.nothing ? "unchanged" : moved < spec.nothing ? "follows" : "changed";
    }
    // Outside these sizes gates are as good as shut or open, and changes drown in their last digits.
    halve.disabled = value < .1; add.disabled = value > 1.5;
    painted.forEach(cell => cell.draw());
    for (const { name, canvases, word } of seen) {
      canvases.forEach(cell => cell.draw());
      word.textContent = words[name] === "changed" ? `changed, by ${number(100 * Math.min(...found[name]), 1)} %` : words[name];
      word.dataset.verdict = words[name];
    }
    const list = word => spec.names.filter(name => words[name] === word).join(", ") || "none";
    told.textContent = `What was done: ${done}.`;
    const count = word => spec.names.filter(name => words[name] === word).length;
    say({ x: Array.from(x), before, query, was, at, move, now, found, words, pressed, alone: +(pressed && count("unchanged") === 1),
      hidden: +(words["criss-cross"] === "unchanged" && words["non-local"] === "changed") },
      `${letters[at[0]]}, row ${Math.floor(at[1] / w) + 1}, column ${at[1] % w + 1}: ${number(x[at[0] * size + at[1]])}. ${done[0].toUpperCase()}${done.slice(1)}. Unchanged: ${list("unchanged")}. Follow: ${list("follows")}. Changed: ${list("changed")}.`);
  }
  from(done);
  draw();
  return draw;
}
