// Channels -> statistic -> layers -> gates -> gated channels, from maps that the reader paints.
({ spec, live, make, readout, floats, clamp, step, lane, cells, bars, choice, controls, button, own, say, grey, number, affine, act, softmax }) => {
  const [count, h, w] = spec.shape, size = h * w, names = spec.names;
  const x = Float64Array.from(floats(spec.x)), maps = Array.from({ length: count }, (_, k) => x.subarray(k * size, (k + 1) * size));
  let variant = 0, at = [0, 0], picture = null, shown = null;
  const mean = v => v.reduce((a, b) => a + b, 0) / v.length;
  const centred = (v, m = mean(v)) => v.map(u => u - m);
  const statistics = {
    mean: () => maps.map(mean),
    max: () => maps.map(v => Math.max(...v)),
    std: () => maps.map(v => Math.sqrt(mean(centred(v).map(u => u * u)) + spec.epsilon)),
    norm: () => maps.map(v => Math.sqrt(v.reduce((a, u) => a + u * u, 0) + spec.epsilon)),
    covariance: () => { const d = maps.map(v => centred(v)); return d.flatMap(a => d.map(b => mean(a.map((u, n) => u * b[n])))); },
    frequency: () => maps.map((v, k) => {
      const [down, across] = spec.frequencies[k], wave = (i, f, n) => (f ? Math.SQRT2 : 1) * Math.cos(Math.PI * f * (i + .5) / n);
      return mean(v.map((u, n) => u * wave(Math.floor(n / w), down, h) * wave(n % w, across, w)));
    }),
  };

  const bar = controls();
  spec.presets.forEach(([name, values]) => button(bar, name, () => { x.set(floats(values)); picture = shown = null; draw(); }));
  if (spec.variants.length > 1) choice(bar, "squeeze", spec.variants.map(v => v.name), 0, n => { variant = n; build(); draw(); });
  // A picture of the reader's own becomes channels by the declared filters; outside, its rim goes on.
  const filtered = ({ kernel, colours, bias }, n) => {
    let sum = bias;
    for (let p = 0; p < 3; p++) for (let q = 0; q < 3; q++) {
      const m = clamp(Math.floor(n / w) + p - 1, h) * w + clamp(n % w + q - 1, w);
      for (let k = 0; k < 3; k++) sum += kernel[p][q] * colours[k] * picture[3 * m + k];
    }
    return Math.max(0, Math.min(1, sum));
  };
  if (spec.own) {
    own(bar, h, w, means => {
      picture = Array.from(means); shown = spec.own.map(filter => filter.name);
      maps.forEach((map, k) => map.set(map.map((_, n) => filtered(spec.own[k], n))));
      draw();
    });
    const fold = make("details", live), short = v => String(+v.toFixed(3)).replace("-", "\u2212");
    make("summary", fold, { class: "ac-line", text: "What becomes of your picture" });
    make("p", fold, { class: "ac-line", text: "Each channel is a filter of 3 by 3 cells, cut to 0 \u2026 1; outside, the picture's rim goes on." });
    spec.own.forEach(({ name, kernel, colours, bias }, k) => {
      const sum = ["red", "green", "blue"].flatMap((c, n) => colours[n] ? `${short(colours[n])} ${c}` : []).join(" + ");
      make("p", fold, { class: "ac-line", text: `${names[k]}: ${name}. Kernel ${kernel.map(row => row.map(short).join(" ")).join(" / ")} of ${
        new Set(colours).size > 1 ? sum : "the mean of red, green and blue"}${bias ? `, plus ${short(bias)}` : ""}.` });
    });
  }
  const input = lane(step("Channels: paint them", spec.symbols.x), count);
  const named = [], painted = maps.map((map, k) => {
    const box = make("div", input), cell = cells(box, h, w, `Channel ${names[k]}: arrow keys move, space paints, + and - change`, {
      fill: n => grey(map[n]), move: n => { at = [k, n]; draw(); }, paint: (n, change) => { map[n] = change(map[n]); draw(); }, width: 90,
    });
    const said = make("p", box, { class: "ac-cell-name" });
    named.push(() => { said.textContent = shown ? `${names[k]}: ${shown[k]}` : names[k]; });
    if (k) button(box, "\u21c4", () => { const other = maps[k - 1], kept = other.slice(); other.set(map); map.set(kept); if (shown) [shown[k - 1], shown[k]] = [shown[k], shown[k - 1]]; draw(); })
      .setAttribute("aria-label", `Swap ${names[k - 1]} and ${names[k]}`);
    return cell;
  });
  const middle = make("div", live, { class: "ac-steps" });
  const output = lane(step("Gated channels", spec.symbols.y), count);
  const gated = maps.map((map, k) => cells(make("div", output), h, w, `Gated channel ${names[k]}`, { fill: n => grey(gates[k] * map[n]), width: 90 }));
  let rows = [], gates = [];
  readout(live);

  // The steps between: one for the statistic, one for each layer.
  function build() {
    middle.replaceChildren();
    const { title, formula, layers, limits, units } = spec.variants[variant];
    const called = n => units[n].length ? units[n] : names;
    rows = [bars(step(title, formula, middle), called(0), limits[0], "x")];
    layers.forEach((layer, n) => {
      const last = n === layers.length - 1;
      rows.push(bars(step(layer.title, layer.formula, middle), last ? names : called(n + 1), limits[n + 1], last ? "g" : "soft"));
    });
    middle.querySelectorAll(".ac-step-head b").forEach((b, n) => { b.textContent = `${n + 2} `; });
    output.closest(".ac-step").querySelector("b").textContent = `${layers.length + 3} `;
  }
  function draw() {
    const { statistics: wanted, layers } = spec.variants[variant], values = [wanted.flatMap(name => statistics[name]())];
    for (const layer of layers) {
      const before = values.at(-1);
      const scale = layer.normalise ? Math.sqrt(mean(before.map(v => v * v)) + spec.epsilon) : 1;
      const out = affine(layer.weight, layer.bias, before.map(v => v / scale));
      values.push(layer.act === "count softmax" ? softmax(out).map(v => out.length * v) : out.map(act[layer.act]));
    }
    gates = values.at(-1);
    rows.forEach((show, n) => show(values[n]));
    named.forEach(name => name());
    [...painted, ...gated].forEach(cell => cell.draw());
    // Gates that agree to the digits shown are named together.
    const digits = gates.map(v => number(v)), those = v => names.filter((_, k) => digits[k] === number(v)).join(", ");
    const ends = new Set(digits).size === 1 ? "All are alike." : `Widest open: ${those(Math.max(...gates))}; most closed: ${those(Math.min(...gates))}.`;
    say({ variant, at, picture, x: Array.from(x), values, gates, y: maps.map((map, k) => gates[k] * mean(map)) },
      `${names[at[0]]}, row ${Math.floor(at[1] / w) + 1}, column ${at[1] % w + 1}: ${number(maps[at[0]][at[1]])}. Gates: ${digits.map((v, k) => `${names[k]} ${v}`).join(", ")}. ${ends}`);
  }
  build();
  draw();
  return draw;
}
