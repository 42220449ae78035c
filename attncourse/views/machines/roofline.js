// Sizes and speeds -> products, bytes, two times for each block, which of them binds, the roofline.
({ spec, live, make, readout, css, sharp, slider, step, choice, controls, button, say }) => {
  const { forms, channels, sides, batches, rates, bandwidths, passes } = spec, at = { ...spec.start };
  const rules = forms.map(f => Object.fromEntries(["macs", "parameters", "map"].map(key => [key, new Function("C", "H", "W", `return ${f[key]}`)])));
  const three = v => v >= 99.5 ? v.toFixed(0) : v >= 9.95 ? v.toFixed(1) : v.toFixed(2);
  const short = v => { let k = 0; while (v >= 999.5 && k < 4) { v /= 1000; k++; } return `${k || v % 1 ? three(v) : v}${["", " k", " M", " G", " T"][k]}`; };
  const bytes_ = v => `${short(v)}${v < 999.5 ? " " : ""}B`, time = ms => ms >= 999.5 ? `${three(ms / 1000)} s` : ms >= .9995 ? `${three(ms)} ms` : `${three(1000 * ms)} \u00b5s`;
  let ready = false, found = null;
  const change = (key, n) => { at[key] = n; if (ready) draw(); };
  const bar = controls(), moves = {};
  spec.machines.forEach(([name, rate, bandwidth]) => button(bar, name, () => { moves.rate.set(rate); moves.bandwidth.set(bandwidth); }));
  choice(bar, "count", passes.map(([name]) => name), at.pass, n => change("pass", n));
  const knobs = make("div", live, { class: "ac-sliders" });
  const knob = (key, name, settings, unit = "") => { moves[key] = slider(knobs, name, settings.map(v => `${v}${unit}`), at[key], n => change(key, n)); };
  knob("channels", "channels C", channels);
  knob("side", "rows H = columns W", sides);
  knob("batch", "images", batches);
  knob("rate", "multiply-adds in a second", rates, " G");
  knob("bandwidth", "bytes in a second", bandwidths, " G");

  const body = step("The roofline: choose a block", "least time = max(multiply-adds / rate, bytes / bandwidth)");
  const plane = make("canvas", body, { tabindex: 0, role: "application", "aria-label": "Blocks by multiply-adds for a byte, and the most that the machine can do; arrow keys choose a block", style: "aspect-ratio:2;background:none" });
  const table = make("table", make("div", step("Both times of every block, and which binds", ""), { class: "ac-scroll" }), { class: "ac-table" });
  const extra = n => n === 0 || n === 1 ? "ac-extra" : "";  // what a phone leaves out
  const head = make("tr", make("thead", table));
  ["block", "multiply-adds", "bytes", "arithmetic", "memory", "bound by"].forEach((text, n) => make("th", head, { scope: "col", text, class: extra(n - 1) }));
  const rows = make("tbody", table), lines = forms.map(f => { const row = make("tr", rows); make("th", row, { scope: "row", text: f.name }); return { row, cells: Array.from({ length: 5 }, (_, n) => make("td", row, { class: extra(n) })) }; });
  const words = make("p", live, { class: "ac-line" });
  readout(live);

  // Both axes of the roofline are logarithmic.
  const ends = { x: [-2, 4], y: [-1, 5] };
  const place = (w, h, x, y) => [34 + (Math.log10(x) - ends.x[0]) / (ends.x[1] - ends.x[0]) * (w - 44), (h - 26) * (1 - (Math.log10(y) - ends.y[0]) / (ends.y[1] - ends.y[0])) + 4];
  const points = (w, h) => found.intensity.map((v, n) => place(w, h, Math.max(v, 10 ** ends.x[0]), Math.max(found.products[n] / found.least[n] / 1e6, 10 ** ends.y[0])));
  const nearest = event => {
    const box = plane.getBoundingClientRect(), far = points(box.width, box.height).map(([x, y]) => Math.hypot(x - event.clientX + box.left, y - event.clientY + box.top));
    change("block", far.indexOf(Math.min(...far)));
  };
  plane.addEventListener("pointerdown", event => { plane.focus({ preventScroll: true }); nearest(event); });
  plane.addEventListener("keydown", event => {
    const by = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
    if (by) change("block", (at.block + by + forms.length) % forms.length);
    else if (event.key === "Home") change("block", 0);
    else if (event.key === "End") change("block", forms.length - 1);
    else return;
    event.preventDefault();
  });

  function paint() {
    const { c, w, h } = sharp(plane, .5), on = (x, y) => place(w, h, x, y), rate = rates[at.rate], band = bandwidths[at.bandwidth];
    c.clearRect(0, 0, w, h); c.font = "11px system-ui, sans-serif"; c.fillStyle = css("soft"); c.strokeStyle = css("line"); c.lineWidth = 1;
    for (let k = ends.x[0]; k <= ends.x[1]; k += 2) { const [x, y] = on(10 ** k, 10 ** ends.y[0]); c.beginPath(); c.moveTo(x, y); c.lineTo(x, 4); c.stroke(); c.textAlign = k === ends.x[1] ? "right" : "center"; c.fillText(k < 0 ? "0.01" : `${10 ** k}`, x, y + 13); }
    for (let k = 0; k <= ends.y[1]; k += 2) { const [x, y] = on(10 ** ends.x[0], 10 ** k); c.beginPath(); c.moveTo(x, y); c.lineTo(w, y); c.stroke(); c.textAlign = "right"; c.fillText(k > 3 ? "10 k" : `${10 ** k}`, x - 4, y + 4); }
    c.textAlign = "right"; c.fillText("multiply-adds for a byte", w - 4, h - 26);
    c.textAlign = "left"; c.fillText("G in a second", 38, 14);
    c.strokeStyle = css("x"); c.lineWidth = 2.5; c.beginPath();
    c.moveTo(...on(10 ** ends.x[0], band * 10 ** ends.x[0])); c.lineTo(...on(rate / band, rate)); c.lineTo(...on(10 ** ends.x[1], rate)); c.stroke();
    points(w, h).forEach(([x, y], n) => {
      const mine = n === at.block;
      c.fillStyle = css(found.bound[n] ? "g" : "x"); c.beginPath(); c.arc(x, y, mine ? 7 : 5, 0, 7); c.fill();
      if (mine) { c.strokeStyle = css("ink"); c.lineWidth = 2; c.stroke(); c.fillStyle = css("ink"); c.textAlign = x > w / 2 ? "right" : "left"; c.fillText(forms[n].name, x + (x > w / 2 ? -12 : 12), y + (y < h / 2 ? 18 : -10)); }
    });
  }
  function draw() {
    const C = channels[at.channels], H = sides[at.side], B = batches[at.batch], [, factor, times] = passes[at.pass];
    const per = key => rules.map(rule => rule[key](C, H, H)), parameters = per("parameters");
    const products = per("macs").map(v => factor * B * v), bytes = parameters.map(p => 4 * times * (2 * B * C * H * H + p));
    const arithmetic = products.map(v => v / rates[at.rate] / 1e6), memory = bytes.map(v => v / bandwidths[at.bandwidth] / 1e6);
    const least = arithmetic.map((v, n) => Math.max(v, memory[n])), map = per("map").map(v => 4 * B * v);
    found = {
      products, bytes, map, arithmetic, memory, least, intensity: products.map((v, n) => v / bytes[n]),
      ratio: least.map(v => v / least[0]), share: arithmetic.map((v, n) => v / memory[n]), bound: arithmetic.map((v, n) => +(v > memory[n])),
      balance: rates[at.rate] / bandwidths[at.bandwidth],
    };
    lines.forEach(({ row, cells }, n) => {
      row.toggleAttribute("data-chosen", n === at.block);
      [short(products[n]), short(bytes[n]), time(arithmetic[n]), time(memory[n]), found.bound[n] ? "arithmetic" : "memory"].forEach((text, k) => { cells[k].textContent = text; });
    });
    paint();
    const n = at.block;
    words.textContent = `The machine is in balance at ${three(found.balance)} multiply-adds for a byte. The block chosen, ${forms[n].name}, has ${three(found.intensity[n])}. It takes at least ${time(least[n])}` + (n ? `, ${three(found.ratio[n])} times what the ${forms[0].name} takes. Its weights g(x), if they are built, hold ${bytes_(map[n])} for the way back.` : ".");
    say({ ...at, ...found }, `${forms[n].name}: ${short(products[n])} multiply-adds, ${bytes_(bytes[n])}, bound by ${found.bound[n] ? "arithmetic" : "memory"}.`);
  }
  ready = true; draw();
  return draw;
}
