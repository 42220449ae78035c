// Branches with kernels of their own, a weight for each, and what their mixture is.
({ spec, live, make, readout, floats, step, lane, cells, bars, choice, controls, button, own, say, grey, signed, number, convolve, affine, softmax, act }) => {
  const [h, w] = spec.shape, size = h * w, x = Float64Array.from(floats(spec.x)), branches = spec.branches, channels = spec.channels;
  let fixed = -1, at = 0, result = null;
  const bar = controls();
  spec.presets.forEach(([name, values]) => button(bar, name, () => { x.set(floats(values)); draw(); }));
  choice(bar, "weights", ["computed", "equal", ...branches.map(b => `${b.name} alone`)], 0, n => { fixed = n - 1; draw(); });
  if (spec.own) own(bar, h, w, (_, greys) => { x.set(greys); draw(); });
  const input = lane(step("Paint the input", "x"), 2), left = make("div", input), right = make("div", input);
  const painted = cells(left, h, w, "The input: arrow keys move, space paints, + and - change", { fill: n => grey(x[n]), move: n => { at = n; draw(); }, paint: (n, change) => { x[n] = change(x[n]); draw(); } });
  const kernels = lane(right, branches.length);
  branches.forEach(({ name, kernels: [kernel], dilation }) => {
    const side = kernel.length, reach = (side - 1) * dilation + 1, box = make("div", kernels), most = Math.max(...kernel.flat().map(Math.abs));
    const weight = n => { const [p, q] = [Math.floor(n / reach), n % reach]; return p % dilation || q % dilation ? 0 : kernel[p / dilation][q / dilation]; };
    cells(box, reach, reach, `Kernel of ${name}, ${reach} x ${reach}`, { fill: n => signed(weight(n), most), width: 100 }).draw();
    make("p", box, { class: "ac-cell-name", text: `${name}: reach ${reach}` });
  });
  const split = lane(step("Split: every branch filters the input", "U_k = relu(w_k \u2217 x)"), branches.length * channels.length);
  const map = (parent, label, value, most) => { const box = make("div", parent), m = cells(box, h, w, label, { fill: n => grey(value(n) / spec.most), width: 120 }); make("p", box, { class: "ac-cell-name", text: label }); return m; };
  const filtered = branches.flatMap((b, k) => channels.map((name, c) => map(split, `${b.name}, ${name}`, n => result ? result.maps[k][c][n] : 0)));
  const pooled = bars(step("Fuse: the mean of their sum", "s = mean(\u03a3 U_k)"), channels, spec.limits[0], "x", 3);
  const scores = bars(step("Score: one number a branch and channel", "A_k z, z = relu(W s)"), branches.flatMap(b => channels.map(c => `${b.name}, ${c}`)), spec.limits[1], "soft");
  const weights = bars(step("Select: a softmax over the branches", "a_k"), branches.flatMap(b => channels.map(c => `${b.name}, ${c}`)), [0, 1], "g", 3);
  const mixed = lane(step("The mixture", "V = \u03a3 a_k U_k"), channels.length);
  const outputs = channels.map((name, c) => map(mixed, name, n => result ? result.mixed[c][n] : 0));
  readout(live);
  function draw() {
    const maps = branches.map(b => channels.map((_, c) => convolve(x, h, w, b.kernels[c], b.biases[c], b.dilation).map(act.relu)));
    const means = channels.map((_, c) => maps.reduce((sum, m) => sum + m[c].reduce((a, v) => a + v, 0) / size, 0));
    const z = affine(spec.reduce, spec.reduce_bias, means).map(act.relu);
    const logits = branches.map(b => affine(b.score, null, z));
    const computed = channels.map((_, c) => softmax(logits.map(row => row[c])));
    const share = branches.map((_, k) => channels.map((_, c) => fixed < 0 ? computed[c][k] : fixed === 0 ? 1 / branches.length : +(k === fixed - 1)));
    const blend = channels.map((_, c) => maps[0][c].map((_, n) => branches.reduce((sum, _, k) => sum + share[k][c] * maps[k][c][n], 0)));
    result = { maps, means, z, logits, share, mixed: blend };
    [painted, ...filtered, ...outputs].forEach(cell => cell.draw());
    pooled(means); scores(logits.flat()); weights(share.flat());
    say({ x: Array.from(x), at, fixed, means, z, logits, share, mixed: blend },
      `Row ${Math.floor(at / w) + 1}, column ${at % w + 1}: ${number(x[at])}. ` + branches.map((b, k) => `${b.name}: ${channels.map((name, c) => `${number(100 * share[k][c], 1)} % of ${name}`).join(", ")}`).join(". ") + ".");
  }
  draw();
  return draw;
}
