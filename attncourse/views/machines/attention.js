// Query, keys, products, scale, mask, weights and their sum, over a picture or a row of tokens.
({ spec, live, make, readout, floats, css, colour, slider, step, lane, cells, bars, choice, controls, button, own, say, number, affine, softmax }) => {
  const [rows, columns] = spec.grid, count = rows * columns, width = spec.width;
  const x = Float64Array.from(floats(spec.x)), token = n => Array.from(x.subarray(n * width, (n + 1) * width));
  const place = n => spec.places[n] || spec.place.replace("{row}", Math.floor(n / columns) + 1).replace("{column}", n % columns + 1).replace("{n}", n + 1);
  let query = spec.start, key = spec.key, temperature = 1, scaled = spec.scaled, mask = 0, result = [];
  const rgb = v => `rgb(${[0, 1, 2].map(k => Math.round(255 * Math.max(0, Math.min(1, v[k]))))})`;
  const paintOf = spec.colours ? n => rgb(affine(spec.colours, null, token(n))) : n => colour(token(n)[0]);

  // Which keys a query may read.
  const near = (n, m, reach) => Math.abs(Math.floor(n / columns) - Math.floor(m / columns)) <= reach && Math.abs(n % columns - m % columns) <= reach;
  const masks = {
    "all": () => true,
    "row and column": (n, m) => Math.floor(n / columns) === Math.floor(m / columns) || n % columns === m % columns,
    "window": (n, m) => near(n, m, spec.reach),
    "anchors": (n, m) => Math.floor(m / columns) % spec.every === 0 && m % columns % spec.every === 0,
    "not itself": (n, m) => n !== m,
  };

  const bar = controls();
  spec.presets.forEach(([name, at, j]) => button(bar, name, () => { key = j; query = at; input.cursor.n = at; draw(); }));
  if (spec.scale_choice) choice(bar, "products", ["as they are", "over the root of d"], +scaled, n => { scaled = n === 1; draw(); });
  const terms = spec.terms.slice(), named = ["query and key", "query and place", "key", "place"];
  if (spec.codes) {
    const set = make("fieldset", bar, { class: "ac-choice" });
    make("legend", set, { text: "terms" });
    named.forEach((name, n) => {
      const label = make("label", set), box = make("input", label, { type: "checkbox" });
      make("span", label, { text: `${n + 1} ${name}` });
      box.checked = !!terms[n];
      box.addEventListener("change", () => { terms[n] = +box.checked; draw(); });
    });
  }
  const dot = (a, b) => a.reduce((sum, v, n) => sum + v * b[n], 0);
  // What each of the four terms gives for one key.
  const shares = (head, q, k, n) => {
    const code = spec.codes[Math.floor(n / columns) - Math.floor(query / columns) + rows - 1][n % columns - query % columns + columns - 1];
    const place = affine(head.place, null, code);
    return [dot(k, q), dot(place, q), dot(k, head.asks_key), dot(place, head.asks_place)];
  };
  if (spec.masks.length > 1) choice(bar, "reads", spec.masks, 0, n => { mask = n; draw(); });
  if (spec.temperatures) slider(make("div", live, { class: "ac-sliders" }), "temperature", spec.temperatures, spec.temperatures.indexOf(1), n => { temperature = spec.temperatures[n]; if (result.length) draw(); });
  if (spec.own) own(bar, rows, columns, means => { for (let n = 0; n < count; n++) for (let k = 0; k < 3; k++) x[n * width + k] = means[3 * n + k]; draw(); });

  const names = (c, w, ratio) => {
    c.font = `600 ${Math.max(11 * ratio, .42 * w)}px system-ui`; c.textAlign = "center"; c.textBaseline = "middle";
    for (const [n, name] of Object.entries(spec.places)) {
      if (name.length > 2) continue;
      const at = [(n % columns + .5) * w, (Math.floor(n / columns) + .54) * w];
      c.lineWidth = 3 * ratio; c.strokeStyle = css("halo"); c.strokeText(name, ...at); c.fillStyle = css("ink"); c.fillText(name, ...at);
    }
  };
  const first = step(spec.titles[0], "q = W_q x_i, k_j = W_k x_j");
  const heads = spec.heads.length, area = lane(first, heads + 1), look = (n, label) => make("div", area, { class: "ac-cell" });
  const box = look();
  const input = cells(box, rows, columns, spec.label, { fill: paintOf, move: n => { query = n; draw(); }, ring: () => [[query, "g"]], over: names, start: query });
  make("p", box, { class: "ac-cell-name", text: "x, and the query's ring" });
  const choose = n => { key = n; draw(); };
  const maps = spec.heads.map((head, k) => {
    const box = look();
    const map = cells(box, rows, columns, `Weights of ${head.name}: choose a key with arrow keys, mouse or finger`, {
      fill: n => result.length ? colour(result[k].weights[n] / spec.most) : "", move: choose, ring: () => [[query, "g"], [key, "x"]], start: key,
    });
    make("p", box, { class: "ac-cell-name", text: `${head.name}: weights` });
    return map;
  });
  const scale = make("p", first, { class: "ac-scale", "aria-hidden": "true" });
  make("i", scale, { style: `background:linear-gradient(90deg,${[0, .25, .5, .75, 1].map(t => colour(t))})` });
  scale.append(`0 to ${number(spec.most)}`);
  const written = step("One product, one weight", spec.formula), lines = spec.heads.map(() => make("p", written, { class: "ac-line" }));
  const read = step("What is read: the sum of weight times value", "y_i = \u03a3 a_ij v_j");
  const sums = lane(read, heads);
  sums.style.columnGap = "18px";
  const shown = spec.heads.map(head => {
    const box = make("div", sums), swatch = spec.colours && make("i", box, { class: "ac-swatch" });
    return { swatch, show: bars(box, spec.features, spec.limits, "y") };
  });
  readout(live);

  function draw() {
    result = spec.heads.map(head => {
      const q = affine(head.query, head.query_bias, token(query));
      const keys = Array.from({ length: count }, (_, n) => affine(head.key, head.key_bias, token(n)));
      const open = keys.map((_, n) => masks[spec.masks[mask]](query, n));
      const four = spec.codes && keys.map((k, n) => shares(head, q, k, n));
      const products = four ? four.map(s => dot(s, terms)) : keys.map(k => dot(k, q));
      const logits = products.map(p => p / (scaled ? Math.sqrt(head.query.length) : 1) / temperature);
      const exp = softmax(logits.map((s, n) => open[n] ? s : -Infinity));
      const weights = spec.normaliser === "softmax" ? exp : logits.map((s, n) => open[n] ? s / (spec.normaliser === "none" ? 1 : count) : 0);
      const values = n => head.value ? affine(head.value, head.value_bias, token(n)) : token(n);
      const sum = weights.reduce((a, v, n) => { if (v) values(n).forEach((u, k) => { a[k] = (a[k] || 0) + v * u; }); return a; }, []);
      return { q, k: keys[key], products, logits, weights, sum, ...(four && { four: four[key] }) };
    });
    [input, ...maps].forEach(map => map.draw());
    result.forEach((r, n) => {
      const parts = r.four ? r.four.map((v, k) => terms[k] ? number(v) : "off") : r.q.map((v, k) => `${number(v)}\u00b7${number(r.k[k])}`), long = parts.length > 4;
      lines[n].textContent = `${spec.heads[n].name}: ${r.four ? "s" : "q\u00b7k"} = ${(long ? parts.slice(0, 4) : parts).join(" + ")}${long ? " + \u2026" : ""} = ${number(r.products[key])}`
        + `, score ${number(r.logits[key])}, weight ${number(r.weights[key], 4)} of ${place(key)}`;
      shown[n].show(r.sum);
      if (shown[n].swatch) shown[n].swatch.style.background = rgb(r.sum.length === width ? affine(spec.colours, null, r.sum) : r.sum.map(v => (v - spec.limits[0]) / (spec.limits[1] - spec.limits[0])));
    });
    const tops = result.map((r, n) => {
      const top = r.weights.indexOf(Math.max(...r.weights)), bits = r.weights.reduce((a, v) => v > 0 ? a - v * Math.log2(v) : a, 0);
      return `${spec.heads[n].name}: most, ${number(100 * r.weights[top], 1)} %, from ${place(top)}; as spread as ${number(2 ** bits, 1)} equal weights`;
    });
    say({ query, key, temperature, scaled, ...(spec.codes && { terms: terms.slice() }), mask: spec.masks[mask], heads: result.map(r => ({ ...r, k: r.k })), x: Array.from(x) },
      `Query: ${place(query)}${spec.temperatures ? `, temperature ${temperature}` : ""}. ${tops.join(". ")}.`);
  }
  draw();
  return draw;
}
