// A gater looks at the picture and switches filters on or off; then the picture is looked at again.
({ spec, live, make, readout, floats, step, lane, cells, bars, choice, controls, button, changes, own, say, grey, signed, number, convolve, affine }) => {
  const [h, w] = spec.shape, size = h * w, x = Float64Array.from(floats(spec.x)), { names, kernels } = spec;
  const side = kernels[0].length, most = Math.max(...kernels.flat(2).map(Math.abs));
  let mode = 0, at = 0, result = null, drawn = names.map(() => 0);
  const bar = controls();
  changes(bar, x, h, w, () => draw());
  choice(bar, "gates", spec.modes.map(([name]) => name), 0, n => { mode = n; draw(); });
  button(bar, "draw noise", () => { drawn = names.map(() => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random())); draw(); });
  if (spec.own) own(bar, h, w, (_, greys) => { x.set(greys); draw(); });
  const input = lane(step("Paint the image", "x"), 2), left = make("div", input), right = lane(make("div", input), Math.ceil(names.length / 2));
  const painted = cells(left, h, w, "The image: arrow keys move, space paints, + and - change", { fill: n => grey(x[n]), move: n => { at = n; draw(); }, paint: (n, change) => { x[n] = change(x[n]); draw(); } });
  names.forEach((name, k) => { const box = make("div", right); cells(box, side, side, `filter ${name}`, { fill: n => signed(kernels[k][Math.floor(n / side)][n % side], most), width: 80 }).draw(); make("p", box, { class: "ac-cell-name", text: name }); });
  const seen = bars(step("The first look: the gater's features", "E(x)"), spec.features, [0, 1], "x");
  const scores = bars(step("One score a filter, and noise in training", "\u03c4 + \u03b5"), names, spec.limits, "soft");
  const gates = bars(step("Gates", "s"), names, [0, 1], "g");
  const out = lane(step("The second look, with the chosen filters", "O_j = s_j relu(F_j \u2217 x)"), names.length);
  const maps = names.map((name, k) => { const box = make("div", out), m = cells(box, h, w, `map of ${name}`, { fill: n => grey(result ? result.y[k][n] / spec.most : 0), width: 110 }); make("p", box, { class: "ac-cell-name", text: name }); return m; });
  readout(live);
  const soft = v => Math.max(0, Math.min(1, 1.2 / (1 + Math.exp(-v)) - .1));
  const change = (across, down) => {
    let sum = 0, count = 0;
    for (let i = 0; i + down < h; i++) for (let j = 0; j + across < w; j++) { sum += Math.abs(x[(i + down) * w + j + across] - x[i * w + j]); count++; }
    return sum / count;
  };
  function draw() {
    const [, noisy, hard] = spec.modes[mode], features = [x.reduce((sum, v) => sum + v, 0) / size, change(1, 0), change(0, 1)];
    const noise = noisy ? drawn : names.map(() => 0), tau = affine(spec.weight, spec.bias, features).map((v, k) => v + noise[k]);
    const s = tau.map(v => hard ? +(v > 0) : soft(v));
    result = { features, tau, gates: s, y: kernels.map((kernel, k) => convolve(x, h, w, kernel).map(v => s[k] * Math.max(0, v))) };
    [painted, ...maps].forEach(cell => cell.draw());
    seen(features); scores(tau); gates(s);
    const on = s.filter(v => v > 0).length;
    say({ x: Array.from(x), at, mode, noise, on, ...result },
      `Row ${Math.floor(at / w) + 1}, column ${at % w + 1}: ${number(x[at])}. Filters that are on: ${on} of ${names.length}. ` + names.map((name, k) => `${name}: gate ${number(s[k])}`).join(", ") + ".");
  }
  draw();
  return draw;
}
