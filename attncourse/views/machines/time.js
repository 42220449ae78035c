// A strip of frames: numbers that the reader changes, a weight for each frame, what is read.
({ spec, live, make, readout, floats, colour, slider, step, cells, bars, controls, button, say, grey, signed, number, affine, softmax, act }) => {
  const [frames, width] = spec.shape, x = Float64Array.from(floats(spec.x)), frame = t => Array.from(x.subarray(t * width, (t + 1) * width));
  const name = t => spec.frames[t], gate = spec.gate, attention = spec.attention, joints = spec.joints;
  let query = spec.start, temperature = 1, result = null;
  const bar = controls();
  spec.presets.forEach(([text, values]) => button(bar, text, () => { x.set(floats(values)); draw(); }));
  if (spec.temperatures) slider(make("div", live, { class: "ac-sliders" }), "scores times", spec.temperatures, spec.temperatures.indexOf(1), n => { temperature = spec.temperatures[n]; if (result) draw(); });
  // Rows are features, or joints; columns are frames.
  const strip = step(spec.titles[0], spec.symbols[0]);
  let cell = 0;
  const at = n => n % frames * width + Math.floor(n / frames);
  const table = (parent, rows, label, value, options = {}) => {
    const box = make("div", parent, { class: "ac-strip", style: `--n:${frames}` });
    make("div", box, { class: "ac-strip-names" }).append(...rows.map(text => Object.assign(document.createElement("span"), { textContent: text })));
    return cells(box, rows.length, frames, label, { fill: n => options.signed ? signed(value(n), spec.most) : grey(value(n) / spec.most), width: 480, ...options });
  };
  const input = table(strip, spec.features, `${spec.titles[0]}: arrow keys move, space paints, + and - change`, n => x[at(n)], {
    signed: spec.signed, ring: () => attention ? Array.from(spec.features, (_, k) => [k * frames + query, "g"]) : [],
    move: n => { cell = n; query = n % frames; draw(); }, paint: (n, change) => { x[at(n)] = spec.most * change(x[at(n)] / spec.most); draw(); },
  });
  const where = joints && table(step(spec.titles[1], spec.symbols[1]), spec.features, "Weights of the joints", n => result ? spec.most * result.alpha[n % frames][Math.floor(n / frames)] : 0, {
    fill: n => result ? colour(result.alpha[n % frames][Math.floor(n / frames)]) : "",
  });
  const scores = bars(step(spec.titles.at(-3), spec.symbols.at(-3)), spec.frames, spec.limits[0], "soft");
  const weights = bars(step(spec.titles.at(-2), spec.symbols.at(-2)), spec.frames, spec.limits[1], "g", 3);
  const read = bars(step(spec.titles.at(-1), spec.symbols.at(-1)), spec.outputs, spec.limits[2], "y");
  readout(live);
  function draw() {
    const x_ = Array.from({ length: frames }, (_, t) => frame(t));
    const alpha = joints ? x_.map(v => softmax(affine(joints.score, joints.score_bias, affine(joints.look, joints.bias, v).map(Math.tanh)).map(s => s * temperature))) : null;
    const seen = joints ? x_.map((v, t) => v.map((u, k) => width * alpha[t][k] * u)) : x_;
    const product = (a, b) => a.reduce((sum, v, k) => sum + v * b[k], 0);
    const s = attention
      ? (q => x_.map(v => temperature * product(q, affine(attention.key, null, v))))(affine(attention.query, null, x_[query]))
      : x_.map(v => (joints ? 1 : temperature) * (product(gate.weight, v) + gate.bias));
    const w = attention || gate.act === "softmax" ? softmax(s) : s.map(act[gate.act]);
    const values = seen.map(v => affine(spec.value, null, v));
    const sum = spec.outputs.map((_, k) => values.reduce((total, v, t) => total + w[t] * v[k], 0) / (spec.average ? frames : 1));
    result = { alpha, scores: s, weights: w, sum };
    input.draw(); where?.draw(); scores(s); weights(w); read(sum);
    const top = w.indexOf(Math.max(...w));
    say({ x: Array.from(x), cell, query, temperature, ...result },
      `${spec.temperatures ? `Scores times ${temperature}. ` : ""}${name(cell % frames)}, ${spec.features[Math.floor(cell / frames)]}: ${number(x[at(cell)])}${joints ? `, ${number(100 * alpha[cell % frames][Math.floor(cell / frames)], 0)} % of its frame` : ""}. ${attention ? `Query: ${name(query)}. ` : ""}Most weight, ${number(w[top], 3)}, has ${name(top)}`
      + (joints ? `, and in it ${spec.features[alpha[top].indexOf(Math.max(...alpha[top]))]} with ${number(100 * Math.max(...alpha[top]), 0)} %` : "")
      + `. Read: ${spec.outputs.map((text, k) => `${text} ${number(sum[k])}`).join(", ")}.`);
  }
  draw();
  return draw;
}
