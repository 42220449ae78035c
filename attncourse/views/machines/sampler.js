// Points at which an image is read: a grid under six numbers, a glimpse, or the taps of a kernel.
// One reading is shown whole: the four pixels around it, their shares, and the sum.
({ spec, live, make, readout, slider, floats, clamp, css, cells, lane, step, controls, button, own, say, number, grey }) => {
  const [h, w] = spec.image_shape, image = floats(spec.image), reach = spec.reach, state = spec.start.slice();
  const value = n => n * spec.step - spec.limit, index = v => Math.round((v + spec.limit) / spec.step), steps = Math.round(2 * spec.limit / spec.step) + 1;
  const centres = n => Array.from({ length: n }, (_, i) => (2 * i + 1) / n - 1);
  // A mode: names of its numbers, its handles (place, which numbers they move), its outputs
  // (rows, columns, scale) and their points in normalised coordinates, pixel edges at -1 and 1.
  const pixelsAcross = 2 / w, pixelsDown = 2 / h;
  const modes = {
    affine: () => {
      const [rows, columns] = spec.out, at = (x, y) => [state[0] * x + state[1] * y + state[2], state[3] * x + state[4] * y + state[5]];
      return {
        names: ["θ₁₁", "θ₁₂", "θ₁₃", "θ₂₁", "θ₂₂", "θ₂₃"], outputs: [[rows, columns, ""]], corners: [[[-1, -1], [1, -1], [1, 1], [-1, 1]].map(p => at(...p))],
        points: centres(rows).flatMap(y => centres(columns).map(x => [at(x, y)])),
        handles: [["+", at(0, 0), ([x, y]) => [[2, x], [5, y]]], ["x", at(1, 0), ([x, y]) => [[0, x - state[2]], [3, y - state[5]]]], ["y", at(0, 1), ([x, y]) => [[1, x - state[2]], [4, y - state[5]]]]],
      };
    },
    glimpse: () => {
      // The window of the finest square is mapped: at -1 and 1 it lies flush with the border.
      const m = spec.size, far = n => Math.max(n - m, 0) / n, cx = state[0] * far(w), cy = state[1] * far(h);
      const points = [], corners = [], outputs = [];
      for (let s = 0; s < spec.scales; s++) {
        const block = 2 ** s, side = m * block, half = side / 2;
        outputs.push([m, m, `${side} pixels`]);
        corners.push([[-1, -1], [1, -1], [1, 1], [-1, 1]].map(([x, y]) => [cx + x * half * pixelsAcross, cy + y * half * pixelsDown]));
        for (let i = 0; i < m; i++) for (let j = 0; j < m; j++) points.push(Array.from({ length: block * block }, (_, n) => [
          cx + (block * j + n % block - (side - 1) / 2) * pixelsAcross, cy + (block * i + Math.floor(n / block) - (side - 1) / 2) * pixelsDown]));
      }
      return { names: ["x", "y"], outputs, corners, points, handles: [["+", [cx, cy], ([x, y]) => [[0, far(w) ? x / far(w) : 0], [1, far(h) ? y / far(h) : 0]]]] };
    },
    taps: () => {
      const side = Math.round(Math.sqrt(spec.weights.length)), half = (side - 1) / 2;
      const at = k => [state[2 * k] * pixelsAcross + spec.centre[0] + (k % side - half) * pixelsAcross, state[2 * k + 1] * pixelsDown + spec.centre[1] + (Math.floor(k / side) - half) * pixelsDown];
      const places = spec.weights.map((_, k) => at(k));
      return {
        names: spec.weights.flatMap((_, k) => [`Δx ${k + 1}`, `Δy ${k + 1}`]), outputs: [[side, side, "readings"]], corners: [], points: places.map(p => [p]),
        handles: places.map((p, k) => [`${k + 1}`, p, ([x, y]) => [[2 * k, state[2 * k] + (x - p[0]) / pixelsAcross], [2 * k + 1, state[2 * k + 1] + (y - p[1]) / pixelsDown]]]),
      };
    },
  };
  let now = modes[spec.mode](), chosen = 0, values = [], quiet = true, replaced = false;

  const presets = controls();
  spec.presets.forEach(([name, numbers]) => button(presets, name, () => put(numbers.map((v, k) => [k, v]))));
  if (spec.own) own(presets, h, w, (_, greys) => { replaced = true; image.set(greys); draw(); });
  const first = make("div", live, { class: "ac-two" }), box = make("div", first), panel = lane(first, now.outputs.length);
  const canvas = make("canvas", box, { tabindex: 0, role: "application", "aria-label": spec.label, style: `aspect-ratio:${w}/${h}` });
  let before = 0;
  const outputs = now.outputs.map(([rows, columns, name]) => {
    const from = before, cell = make("div", panel, { class: "ac-cell" });
    before += rows * columns;
    const map = cells(cell, rows, columns, `What is read${name && ", " + name}: choose a reading with arrow keys, mouse or finger`, {
      fill: n => grey(values[from + n] || 0), move: n => { chosen = from + n; draw(); }, ring: () => chosen >= from && chosen < from + rows * columns ? [[chosen - from, "g"]] : [], width: 200,
    });
    if (name) make("p", cell, { class: "ac-cell-name", text: name });
    return map;
  });
  const one = make("p", step("One reading", "Σ share × pixel"), { class: "ac-line" });
  readout(live);
  const sliding = now.names.length < 9 ? make("div", live, { class: "ac-sliders" }) : null;
  const settings = Array.from({ length: steps }, (_, n) => value(n).toFixed(2));
  const sliders = sliding && now.names.map((name, k) => slider(sliding, name, settings, index(state[k]), n => { state[k] = value(n); if (!quiet) draw(); }));
  const put = changes => {
    quiet = true;
    for (const [k, v] of changes) {
      const n = clamp(index(v), steps);
      if (sliders) sliders[k].set(n); else state[k] = value(n);
    }
    quiet = false;
    draw();
  };

  // Places in the picture: normalised coordinates to canvas and back.
  const X = (v, side) => (v / reach + 1) / 2 * side;
  const place = event => {
    const b = canvas.getBoundingClientRect();
    return [((event.clientX - b.left) / b.width * 2 - 1) * reach, ((event.clientY - b.top) / b.height * 2 - 1) * reach];
  };
  const grasped = event => {
    const [x, y] = place(event), b = canvas.getBoundingClientRect();
    const far = now.handles.map(([, [u, v]]) => Math.hypot((u - x) * b.width, (v - y) * b.height) / (2 * reach));
    const best = far.indexOf(Math.min(...far));
    return far[best] < 28 ? best : -1;
  };
  // What keys and clicks move: the centre, or the tap whose reading is looked at.
  const main = () => now.handles.length < 9 ? 0 : chosen;
  let held = -1, moved = false;
  canvas.addEventListener("pointerdown", event => {
    held = grasped(event); moved = held >= 0;
    if (moved) canvas.setPointerCapture(event.pointerId);
    if (moved && now.handles.length >= 9) chosen = held;
  });
  canvas.addEventListener("pointermove", event => {
    if (held >= 0) put(now.handles[held][2](place(event)));
    else canvas.style.cursor = grasped(event) >= 0 ? "grab" : "crosshair";
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = -1; });
  canvas.addEventListener("click", event => { if (!moved) put(now.handles[main()][2](place(event))); moved = false; });
  // A finger on a handle drags it; anywhere else it scrolls the page.
  canvas.addEventListener("touchstart", event => { if (grasped(event.touches[0]) >= 0) event.preventDefault(); }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const by = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (by) { const [k, l] = now.handles[main()][2](now.handles[main()][1]).map(([k]) => k); put([[k, state[k] + by[0] * spec.step], [l, state[l] + by[1] * spec.step]]); }
    else if (event.key === "Home") put(spec.start.map((v, k) => [k, v]));
    else return;
    event.preventDefault();
  });

  const pixel = (n, m) => n < 0 || m < 0 || n >= h || m >= w ? 0 : image[n * w + m];
  // The four pixels around a point: [row, column, share, value].
  const around = ([u, v]) => {
    const across = ((u + 1) * w - 1) / 2, down = ((v + 1) * h - 1) / 2, m = Math.floor(across), n = Math.floor(down), a = across - m, b = down - n;
    return [[n, m, (1 - b) * (1 - a)], [n, m + 1, (1 - b) * a], [n + 1, m, b * (1 - a)], [n + 1, m + 1, b * a]].map(([i, j, s]) => [i, j, s, pixel(i, j)]);
  };
  const read = point => around(point).reduce((sum, [, , share, v]) => sum + share * v, 0);
  function draw() {
    now = modes[spec.mode]();
    values = now.points.map(group => group.reduce((sum, p) => sum + read(p), 0) / group.length);
    const ratio = devicePixelRatio || 1, side = canvas.width = Math.round((canvas.clientWidth || 336) * ratio), tall = canvas.height = Math.round(side * h / w);
    const c = canvas.getContext("2d"), at = ([u, v]) => [X(u, side), X(v, tall)];
    c.fillStyle = grey(.13); c.fillRect(0, 0, side, tall);
    const [left, top] = at([-1, -1]), across = side / reach / w, down = tall / reach / h;
    for (let n = 0; n < h * w; n++) { c.fillStyle = grey(image[n]); c.fillRect(left + n % w * across, top + Math.floor(n / w) * down, across + .6, down + .6); }
    c.strokeStyle = css("x"); c.lineWidth = 2 * ratio; c.strokeRect(left, top, across * w, down * h);
    c.fillStyle = c.strokeStyle = css("g");
    if (now.points.length * now.points[0].length < 1200) for (const group of now.points) for (const p of group) { c.beginPath(); c.arc(...at(p), 1.6 * ratio, 0, 7); c.fill(); }
    for (const outline of now.corners) { c.beginPath(); outline.forEach((p, k) => k ? c.lineTo(...at(p)) : c.moveTo(...at(p))); c.closePath(); c.stroke(); }
    // The chosen reading, and the pixels that it takes from.
    const points = now.points[chosen], shares = around(points[0]);
    for (const [i, j, share] of points.length > 1 ? [] : shares) if (share > 0 && i >= 0 && j >= 0 && i < h && j < w) { c.strokeStyle = css("y"); c.strokeRect(left + j * across, top + i * down, across, down); }
    c.font = `600 ${14 * ratio}px system-ui`; c.textAlign = "center"; c.textBaseline = "middle";
    const many = now.handles.length > 3;
    now.handles.forEach(([, p], k) => {
      if (k && !many) { c.strokeStyle = css("g"); c.beginPath(); c.moveTo(...at(now.handles[0][1])); c.lineTo(...at(p)); c.stroke(); }
    });
    now.handles.forEach(([name, p]) => { c.fillStyle = css("g"); c.beginPath(); c.arc(...at(p), (many ? 9 : 11) * ratio, 0, 7); c.fill(); c.fillStyle = "#1d232a"; c.fillText(name, at(p)[0], at(p)[1] + ratio); });
    for (const p of points) for (const [style, line] of [[css("halo"), 4], [css("y"), 2]]) { c.strokeStyle = style; c.lineWidth = line * ratio; c.beginPath(); c.arc(...at(p), 5 * ratio, 0, 7); c.stroke(); }
    outputs.forEach(map => map.draw());
    const written = points.length > 1 ? `the mean of ${points.length} readings = ${number(values[chosen], 3)}`
      : shares.map(([i, j, share, v]) => `${number(share, 3)} × ${number(v)}${i < 0 || j < 0 || i >= h || j >= w ? " (outside)" : ""}`).join(" + ") + ` = ${number(values[chosen], 3)}`;
    one.textContent = `At x = ${number(points[0][0])}, y = ${number(points[0][1])}: ${written}`;
    const outside = now.points.flat().filter(p => Math.max(...p.map(Math.abs)) > 1).length, total = now.points.flat().length;
    const sum = spec.weights?.reduce((a, v, k) => a + v * values[k], 0);
    const facts = {
      affine: () => `θ = ${state.map(v => number(v)).join(", ")}. The grid covers ${number(100 * Math.abs(state[0] * state[4] - state[1] * state[3]), 0)} % of the image's area; ${outside} of ${total} readings lie outside.`,
      glimpse: () => `Location x = ${number(state[0])}, y = ${number(state[1])}: ${values.length} numbers from ${total} readings of ${h * w} pixels, ${outside} of them outside.`,
      taps: () => `The kernel's answer: ${number(sum, 3)}. Without offsets it reads a square.`,
    };
    say({ theta: state.slice(), values, outside, chosen, shares, sum, ...(replaced && { image: Array.from(image) }) }, facts[spec.mode]());
  }
  quiet = false;
  draw();
  return draw;
}
