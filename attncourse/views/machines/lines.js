// One map -> means of rows and columns -> a gate for each line -> their product, and the gated map.
({ spec, live, readout, floats, step, lane, make, cells, choice, controls, button, own, say, grey, number, colour, scale }) => {
  const [h, w] = spec.shape, x = Float64Array.from(floats(spec.x));
  let judge = 0, used = 0, at = 0, rows = [], columns = [], p = [], q = [], gate = [];
  const bar = controls();
  spec.presets.forEach(([name, values]) => button(bar, name, () => { x.set(floats(values)); draw(); }));
  choice(bar, "gates", spec.used, 0, n => { used = n; draw(); });
  if (spec.judges.length > 1) choice(bar, "open for", spec.judges.map(j => j.name), 0, n => { judge = n; draw(); });
  if (spec.own) own(bar, h, w, (_, greys) => { x.set(greys); draw(); });
  const above = lane(live, 2);
  const painted = cells(step("Paint", "x", above), h, w, "The map: arrow keys move, space paints, + and - change", {
    fill: n => grey(x[n]), move: n => { at = n; draw(); }, paint: (n, change) => { x[n] = change(x[n]); draw(); },
  });
  const looked = step("Mean of every row, of every column", "z", above);
  const of_rows = cells(looked, h, 1, "Means of rows", { fill: n => grey(rows[n]), width: 40 });
  const of_columns = cells(looked, 1, w, "Means of columns", { fill: n => grey(columns[n]) });
  const words = make("p", live, { class: "ac-line" }), below = lane(live, 2);
  const crossed = cells(step("Gates of rows times gates of columns", "p q", below), h, w, "The gate of every cell", { fill: n => colour(gate[n]) });
  const result = cells(step("Gate", "y", below), h, w, "The gated map", { fill: n => grey(gate[n] * x[n]) });
  of_rows.canvas.style.width = `${100 / w}%`;
  scale(live)("gate, 0 to 1");
  readout(live);
  function draw() {
    const { factor, shift } = spec.judges[judge], open = z => 1 / (1 + Math.exp(-(factor * z + shift)));
    rows = Array.from({ length: h }, (_, i) => { let sum = 0; for (let j = 0; j < w; j++) sum += x[i * w + j]; return sum / w; });
    columns = Array.from({ length: w }, (_, j) => { let sum = 0; for (let i = 0; i < h; i++) sum += x[i * w + j]; return sum / h; });
    p = rows.map(open); q = columns.map(open);
    gate = Array.from(x, (_, n) => (used === 2 ? 1 : p[Math.floor(n / w)]) * (used === 1 ? 1 : q[n % w]));
    const y = Array.from(x, (v, n) => gate[n] * v), i = Math.floor(at / w), j = at % w;
    [painted, of_rows, of_columns, crossed, result].forEach(each => each.draw());
    words.textContent = `Row ${i + 1} has the mean ${number(rows[i])} and the gate ${number(p[i])}, column ${j + 1} the mean ${number(columns[j])} and the gate ${number(q[j])}; where they cross the gate is ${number(gate[at])}.`;
    say({ x: Array.from(x), judge, used, at, rows, columns, p, q, gate, y },
      `Row ${i + 1}, column ${j + 1}: ${number(x[at])}, gate ${number(gate[at])}, result ${number(y[at])}.`);
  }
  draw();
  return draw;
}
