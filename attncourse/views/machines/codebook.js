// Pixels of two channels as points of a plane, codewords that the reader drags, shares, residuals.
({ spec, live, make, readout, floats, css, colour, slider, scale, step, lane, cells, bars, choice, controls, button, say, grey, number, softmax }) => {
  const [rows, columns] = spec.grid, count = rows * columns, words = floats(spec.words), size = words.length / 2, reach = spec.reach;
  const u = Float64Array.from(floats(spec.x)), d = Array.from(words, v => +v.toFixed(2)), names = Array.from({ length: size }, (_, k) => `d_${k + 1}`);
  let pixel = spec.start, word = 0, tau = spec.factors[spec.at], a = [], ready = false;
  const bar = controls();
  spec.presets.forEach(([name, values]) => button(bar, name, () => { u.set(floats(values)); draw(); }));
  button(bar, "codewords as they were", () => { words.forEach((v, n) => { d[n] = +v.toFixed(2); }); draw(); });
  choice(bar, "codeword", names.map((_, k) => `${k + 1}`), 0, k => { word = k; draw(); });
  slider(make("div", live, { class: "ac-sliders" }), "smoothing factor \u03c4", spec.factors.map(v => number(v, 1)), spec.at, n => { tau = spec.factors[n]; if (ready) draw(); });

  // The two channels, and the plane in which a pixel is a point.
  const two = make("div", live, { class: "ac-two" });
  const box = step("The pixels as points: drag a codeword", "u_i, d_k", two);
  const plane = make("canvas", box, { tabindex: 0, role: "application", "aria-label": spec.label, style: "aspect-ratio:1" });
  const beside = make("div", two, { class: "ac-steps" }), input = lane(step("The channels: choose a pixel", "u", beside), 2);
  const channels = [0, 1].map(c => {
    const map = cells(make("div", input), rows, columns, `Channel ${spec.names[c]}: choose a pixel with arrow keys, mouse or finger`, {
      fill: n => grey((u[2 * n + c] / reach + 1) / 2), move: n => { pixel = n; draw(); }, ring: () => [[pixel, "g"]], start: pixel, width: 120,
    });
    make("p", map.canvas.parentNode, { class: "ac-cell-name", text: spec.names[c] });
    return map;
  });
  const shares = bars(step("How much of this pixel belongs to each", "a_ik = softmax_k(\u03c4 |u_i \u2212 d_k|\u00b2)", beside), names, [0, 1], "g");
  const body = step("How much of every pixel", "a_ik"), area = lane(body, size);
  const maps = names.map((_, k) => {
    const map = cells(make("div", area), rows, columns, `Share of codeword ${k + 1} at every pixel`, { fill: n => colour(a[n][k]), width: 90 });
    make("p", map.canvas.parentNode, { class: "ac-cell-name", text: `codeword ${k + 1}` });
    return map;
  });
  scale(body)("0 to 1");
  const e = bars(step("Residuals, added up: the code", "e_k = \u03a3_i a_ik (u_i \u2212 d_k)"), names.flatMap((_, k) => spec.names.map(name => `e_${k + 1}, ${name}`)), spec.limits, "y", 1);
  const means = bars(step("Beside it, what SE would see", "z = mean of u"), spec.names, [-reach, reach], "x");
  readout(live);

  const at = (event, b = plane.getBoundingClientRect()) => [((event.clientX - b.left) / b.width * 2 - 1) * reach, (1 - (event.clientY - b.top) / b.height * 2) * reach];
  const put = (x, y) => { [x, y].forEach((v, c) => { d[2 * word + c] = +Math.max(-reach, Math.min(reach, v)).toFixed(2); }); draw(); };
  const grasped = event => {
    const [x, y] = at(event), far = names.map((_, k) => Math.hypot(d[2 * k] - x, d[2 * k + 1] - y) / reach * plane.clientWidth / 2), k = far.indexOf(Math.min(...far));
    return far[k] < 24 ? k : -1;
  };
  const take = k => { word = k; live.querySelectorAll(".ac-choice input")[k].checked = true; draw(); };
  let held = false;
  plane.addEventListener("pointerdown", event => {
    const k = grasped(event);
    plane.focus({ preventScroll: true });
    if (k < 0) return;
    held = true; plane.setPointerCapture(event.pointerId); take(k);
  });
  plane.addEventListener("pointermove", event => { if (held) put(...at(event)); });
  for (const end of ["pointerup", "pointercancel"]) plane.addEventListener(end, () => { held = false; });
  plane.addEventListener("click", event => { if (grasped(event) < 0) put(...at(event)); });
  plane.addEventListener("touchstart", event => { if (grasped(event.touches[0]) >= 0) event.preventDefault(); }, { passive: false });
  plane.addEventListener("keydown", event => {
    const by = { ArrowUp: [0, .1], ArrowDown: [0, -.1], ArrowLeft: [-.1, 0], ArrowRight: [.1, 0] }[event.key];
    if (by) put(d[2 * word] + by[0], d[2 * word + 1] + by[1]);
    else if (event.key === "Home") take(0);
    else if (event.key === "End") take(size - 1);
    else return;
    event.preventDefault();
  });

  function paint() {
    const ratio = devicePixelRatio || 1, side = plane.width = plane.height = Math.round((plane.clientWidth || 320) * ratio), c = plane.getContext("2d");
    const place = (x, y) => [(x / reach + 1) / 2 * side, (1 - y / reach) / 2 * side];
    c.fillStyle = grey(.13); c.fillRect(0, 0, side, side);
    c.strokeStyle = grey(.35); c.lineWidth = ratio;
    for (const [p, q] of [[place(-reach, 0), place(reach, 0)], [place(0, -reach), place(0, reach)]]) { c.beginPath(); c.moveTo(...p); c.lineTo(...q); c.stroke(); }
    for (let n = 0; n < count; n++) {
      c.fillStyle = colour(.4 + .6 * a[n][word]); c.beginPath(); c.arc(...place(u[2 * n], u[2 * n + 1]), 4 * ratio, 0, 7); c.fill();
    }
    const mine = place(u[2 * pixel], u[2 * pixel + 1]);
    c.font = `600 ${13 * ratio}px system-ui`; c.textAlign = "center"; c.textBaseline = "middle";
    names.forEach((_, k) => {
      const here = place(d[2 * k], d[2 * k + 1]);
      c.strokeStyle = css("g"); c.globalAlpha = Math.max(.12, a[pixel][k]); c.lineWidth = 2.5 * ratio; c.beginPath(); c.moveTo(...mine); c.lineTo(...here); c.stroke(); c.globalAlpha = 1;
      c.fillStyle = css("g"); c.beginPath(); c.arc(...here, 10 * ratio, 0, 7); c.fill();
      if (k === word) { c.strokeStyle = "#fff"; c.stroke(); }
      c.fillStyle = "#1d232a"; c.fillText(`${k + 1}`, here[0], here[1] + ratio);
    });
    for (const [style, line] of [["#000", 4], ["#fff", 2]]) { c.strokeStyle = style; c.lineWidth = line * ratio; c.beginPath(); c.arc(...mine, 6 * ratio, 0, 7); c.stroke(); }
  }
  function draw() {
    const sums = new Array(2 * size).fill(0), load = new Array(size).fill(0), mean = [0, 0];
    a = Array.from({ length: count }, (_, n) => softmax(names.map((_, k) => tau * ((u[2 * n] - d[2 * k]) ** 2 + (u[2 * n + 1] - d[2 * k + 1]) ** 2))));
    a.forEach((row, n) => [0, 1].forEach(c => {
      mean[c] += u[2 * n + c] / count;
      row.forEach((share, k) => { sums[2 * k + c] += share * (u[2 * n + c] - d[2 * k + c]); load[k] += share / 2 / count; });
    }));
    channels.forEach(map => { map.cursor.n = pixel; map.draw(); });
    maps.forEach(map => map.draw());
    shares(a[pixel]); e(sums); means(mean); paint();
    say({ x: Array.from(u), words: d.slice(), tau, pixel, word, shares: a[pixel], a, load, sums, mean },
      `Pixel in row ${Math.floor(pixel / columns) + 1}, column ${pixel % columns + 1}: ${a[pixel].map((v, k) => `${number(v)} of codeword ${k + 1}`).join(", ")}. Codeword ${word + 1} at ${number(d[2 * word])}, ${number(d[2 * word + 1])} has ${number(100 * load[word], 0)} % of all pixels.`);
  }
  draw(); ready = true;
  return draw;
}
