// Kernels that are mixed by what the mean of the picture says, and one convolution with the mixture.
({ spec, live, make, readout, floats, step, lane, cells, bars, choice, controls, changes, own, say, grey, signed, number, convolve, softmax, act }) => {
  const [h, w] = spec.shape, size = h * w, x = Float64Array.from(floats(spec.x)), { names, kernels, slopes, shifts } = spec;
  let mode = 0, at = 0, result = null;
  const bar = controls(), side = kernels[0].length;
  changes(bar, x, h, w, () => draw());
  choice(bar, "weights", spec.modes.map(([name]) => name), 0, n => { mode = n; draw(); });
  if (spec.own) own(bar, h, w, (_, greys) => { x.set(greys); draw(); });
  const most = Math.max(...kernels.flat(2).map(Math.abs));
  const input = lane(step("Paint the input", "x"), 2), left = make("div", input), right = lane(make("div", input), names.length);
  const painted = cells(left, h, w, "The input: arrow keys move, space paints, + and - change", { fill: n => grey(x[n]), move: n => { at = n; draw(); }, paint: (n, change) => { x[n] = change(x[n]); draw(); } });
  const kernel = (parent, label, value) => { const box = make("div", parent), m = cells(box, side, side, label, { fill: n => signed(value(Math.floor(n / side), n % side), most), width: 100 }); make("p", box, { class: "ac-cell-name", text: label }); return m; };
  names.forEach((name, m) => kernel(right, `kernel ${name}`, (p, q) => kernels[m][p][q]).draw());
  const mean = bars(step("Squeeze: the mean of all pixels", "s = GAP(x)"), ["mean"], [0, 1], "x", 3);
  const scores = bars(step("Route: one score a kernel", "u_m"), names, spec.limits, "soft", 2);
  const weights = bars(step("Weigh the kernels", "a_m"), names, [0, 1], "g", 3);
  const shown = lane(step("Mix the kernels", "W = \u03a3 a_m W_m"), names.length + 1);
  const parts = names.map((name, m) => kernel(shown, `${name}, weighed`, (p, q) => result ? result.weights[m] * kernels[m][p][q] : 0));
  const mixed = kernel(shown, "their sum: the mixture", (p, q) => result ? result.kernel[p][q] : 0);
  const out = lane(step("Convolve once, and rectify", "y = relu(W \u2217 x)"), 2);
  const map = (label, key) => { const box = make("div", out), m = cells(box, h, w, label, { fill: n => grey(result ? result[key][n] / spec.most : 0), width: 160 }); make("p", box, { class: "ac-cell-name", text: label }); return m; };
  const maps = [map("one convolution with the mixture", "y"), map(`${names.length} convolutions, their outputs mixed`, "outputs")];
  readout(live);
  function draw() {
    const s = x.reduce((sum, v) => sum + v, 0) / size, [, kind, temperature] = spec.modes[mode];
    const logits = slopes.map((slope, m) => slope * s + shifts[m]);
    const a = kind === "sigmoid" ? logits.map(act.sigmoid) : kind === "softmax" ? softmax(logits.map(u => u / temperature)) : names.map(() => 1 / names.length);
    const blend = kernels[0].map((row, p) => row.map((_, q) => a.reduce((sum, share, m) => sum + share * kernels[m][p][q], 0)));
    const apart = kernels.map(kernel => convolve(x, h, w, kernel));
    const outputs = apart[0].map((_, n) => act.relu(a.reduce((sum, share, m) => sum + share * apart[m][n], 0)));
    result = { weights: a, kernel: blend, y: convolve(x, h, w, blend).map(act.relu), outputs };
    [painted, ...parts, mixed, ...maps].forEach(cell => cell.draw());
    mean([s]); scores(logits); weights(a);
    say({ x: Array.from(x), at, mode, mean: s, logits, ...result },
      `Row ${Math.floor(at / w) + 1}, column ${at % w + 1}: ${number(x[at])}. Mean ${number(s)}. ` + names.map((name, m) => `${name}: weight ${number(a[m])}`).join(", ") + ".");
  }
  draw();
  return draw;
}
