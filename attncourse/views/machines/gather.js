// One map -> means over windows -> gates of cells -> the gated map, for extents that the reader sets.
({ spec, live, readout, floats, step, lane, make, cells, choice, controls, button, own, say, grey, number, colour, css, scale }) => {
  const [h, w] = spec.shape, size = h * w, x = Float64Array.from(floats(spec.x));
  let variant = spec.start, judge = 0, at = 0, z = [], gates = [], rows = 1, columns = 1;
  const bar = controls();
  spec.presets.forEach(([name, values]) => button(bar, name, () => { x.set(floats(values)); draw(); }));
  choice(bar, "extent", spec.extents.map(e => e ? `${e} \u00d7 ${e}` : "all"), variant, n => { variant = n; build(); draw(); });
  if (spec.judges.length > 1) choice(bar, "gate", spec.judges.map(j => j.name), 0, n => { judge = n; draw(); });
  if (spec.own) own(bar, h, w, (_, greys) => { x.set(greys); draw(); });
  const cell = n => Math.floor(Math.floor(n / w) * rows / h) * columns + Math.floor(n % w * columns / w);
  // Which positions a cell's window holds; what hangs over the border does not exist.
  const window_ = m => {
    const e = spec.extents[variant] || Math.max(h, w) + 1, p = e * Math.floor(m / columns), q = e * (m % columns), found = [];
    for (let i = Math.max(0, p - e + 1); i < Math.min(h, p + e); i++) for (let j = Math.max(0, q - e + 1); j < Math.min(w, q + e); j++) found.push(i * w + j);
    return found;
  };
  const outline = (c, side, ratio) => {
    const inside = window_(cell(at)), first = inside[0], last = inside.at(-1), left = first % w, up = Math.floor(first / w);
    for (const [style, line] of [[css("halo"), 5], [css("g"), 2.5]]) {
      c.strokeStyle = style; c.lineWidth = line * ratio;
      c.strokeRect(left * side + 2 * ratio, up * side + 2 * ratio, (last % w - left + 1) * side - 4 * ratio, (Math.floor(last / w) - up + 1) * side - 4 * ratio);
    }
  };
  const above = lane(live, 2);
  const painted = cells(step("Paint", "x", above), h, w, "The map: arrow keys move, space paints, + and - change", {
    fill: n => grey(x[n]), over: outline, move: n => { at = n; draw(); }, paint: (n, change) => { x[n] = change(x[n]); draw(); },
  });
  const pooled = step("Gather", "z", above);
  const words = make("p", live, { class: "ac-line" }), below = lane(live, 2);
  const opened = step("Gates", "s", below);
  const result = cells(step("Excite", "y", below), h, w, "The gated map", { fill: n => grey(gates[cell(n)] * x[n]) });
  scale(live)("gate, 0 to 1");
  let small = [];
  readout(live);
  function build() {
    const e = spec.extents[variant];
    rows = e ? Math.ceil(h / e) : 1; columns = e ? Math.ceil(w / e) : 1;
    pooled.replaceChildren(); opened.replaceChildren();
    small = [cells(pooled, rows, columns, "Means, one for each cell", { fill: m => grey(z[m]) }),
      cells(opened, rows, columns, "Gates, one for each cell", { fill: m => colour(gates[m]) })];
    for (const each of small) each.canvas.style.aspectRatio = `${w}/${h}`;
  }
  function draw() {
    const { factor, shift } = spec.judges[judge];
    z = Array.from({ length: rows * columns }, (_, m) => { const inside = window_(m); return inside.reduce((sum, n) => sum + x[n], 0) / inside.length; });
    gates = z.map(v => 1 / (1 + Math.exp(-(factor * v + shift))));
    const y = Array.from(x, (v, n) => gates[cell(n)] * v), m = cell(at);
    [painted, ...small, result].forEach(each => each.draw());
    words.textContent = `The cell under the cursor has the mean ${number(z[m])} of ${window_(m).length} positions, ringed, and the gate ${number(gates[m])}.`;
    say({ x: Array.from(x), variant, judge, at, z, gates, y, spread: Math.max(...gates) - Math.min(...gates) },
      `Row ${Math.floor(at / w) + 1}, column ${at % w + 1}: ${number(x[at])}, mean ${number(z[m])}, gate ${number(gates[m])}, result ${number(y[at])}. Gates from ${number(Math.min(...gates))} to ${number(Math.max(...gates))}.`);
  }
  build();
  draw();
  return draw;
}
