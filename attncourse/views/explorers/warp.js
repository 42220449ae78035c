// Six numbers, a grid and what is read through it: drag a handle, tap a place, or move a slider.
({ spec, live, make, readout, publish, slider, floats, clamp, css }) => {
  const [h, w] = spec.image_shape, [rows, columns] = spec.out, image = floats(spec.image);
  const side = 336, reach = spec.reach, theta = spec.theta.slice(), names = ["θ₁₁", "θ₁₂", "θ₁₃", "θ₂₁", "θ₂₂", "θ₂₃"];
  const steps = Math.round(2 * spec.limit / spec.step) + 1, value = n => n * spec.step - spec.limit, index = v => Math.round((v + spec.limit) / spec.step);
  const box = make("div", live), panel = make("div", live);
  const canvas = make("canvas", box, { width: side, height: side, tabindex: 0, role: "application", "aria-label": spec.label });
  const output = make("canvas", panel, { width: 16 * columns, height: 16 * rows, "aria-hidden": "true", style: "max-width:260px;margin-bottom:10px" });
  readout(panel);
  const presets = make("div", live, { class: "ac-sliders", style: "grid-column:1/-1" });
  const bars = make("div", live, { class: "ac-sliders", style: "grid-column:1/-1" });
  const settings = Array.from({ length: steps }, (_, n) => value(n).toFixed(2));
  let quiet = true;
  const sliders = names.map((name, k) => slider(bars, name, settings, index(theta[k]), n => { theta[k] = value(n); if (!quiet) draw(); }));
  const put = changes => {
    quiet = true;
    for (const [k, v] of changes) sliders[k].set(clamp(index(v), steps));
    quiet = false;
    draw();
  };
  spec.presets.forEach(([name, numbers]) => make("button", presets, { type: "button", class: "ac-play", text: name })
    .addEventListener("click", () => put(numbers.map((v, k) => [k, v]))));

  // Places in the picture: normalised coordinates to canvas and back.
  const X = v => (v / reach + 1) / 2 * side, N = p => (2 * p / side - 1) * reach;
  const source = (x, y) => [theta[0] * x + theta[1] * y + theta[2], theta[3] * x + theta[4] * y + theta[5]];
  const handles = () => [source(0, 0), source(1, 0), source(0, 1)];
  const place = event => {
    const b = canvas.getBoundingClientRect();
    return [(event.clientX - b.left) / b.width, (event.clientY - b.top) / b.height].map(v => N(v * side));
  };
  const grasped = event => {
    const [x, y] = place(event), size = canvas.getBoundingClientRect().width;
    const far = handles().map(([u, v]) => Math.hypot(u - x, v - y) / (2 * reach) * size);
    const best = far.indexOf(Math.min(...far));
    return far[best] < 28 ? best : -1;
  };
  const drag = (handle, [x, y]) => put(handle === 0 ? [[2, x], [5, y]]
    : handle === 1 ? [[0, x - theta[2]], [3, y - theta[5]]] : [[1, x - theta[2]], [4, y - theta[5]]]);
  let held = -1, moved = false;
  canvas.addEventListener("pointerdown", event => {
    held = grasped(event); moved = held >= 0;
    if (moved) canvas.setPointerCapture(event.pointerId);
  });
  canvas.addEventListener("pointermove", event => {
    if (held >= 0) drag(held, place(event));
    else canvas.style.cursor = grasped(event) >= 0 ? "grab" : "crosshair";
  });
  for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { held = -1; });
  canvas.addEventListener("click", event => { if (!moved) drag(0, place(event)); moved = false; });
  // A finger on a handle drags it; anywhere else it scrolls the page.
  canvas.addEventListener("touchstart", event => { if (grasped(event.touches[0]) >= 0) event.preventDefault(); }, { passive: false });
  canvas.addEventListener("keydown", event => {
    const step = { ArrowUp: [0, -1], ArrowDown: [0, 1], ArrowLeft: [-1, 0], ArrowRight: [1, 0] }[event.key];
    if (step) put([[2, theta[2] + step[0] * spec.step], [5, theta[5] + step[1] * spec.step]]);
    else if (event.key === "Home") put(spec.theta.map((v, k) => [k, v]));
    else return;
    event.preventDefault();
  });

  const pixel = (n, m) => n < 0 || m < 0 || n >= h || m >= w ? 0 : image[n * w + m];
  const centres = n => Array.from({ length: n }, (_, i) => (2 * i + 1) / n - 1);
  function read() {
    const values = [];
    let outside = 0;
    for (const y of centres(rows)) for (const x of centres(columns)) {
      const [u, v] = source(x, y), across = ((u + 1) * w - 1) / 2, down = ((v + 1) * h - 1) / 2;
      const m = Math.floor(across), n = Math.floor(down), a = across - m, b = down - n;
      if (Math.abs(u) > 1 || Math.abs(v) > 1) outside++;
      values.push((1 - b) * ((1 - a) * pixel(n, m) + a * pixel(n, m + 1)) + b * ((1 - a) * pixel(n + 1, m) + a * pixel(n + 1, m + 1)));
    }
    return [values, outside];
  }
  const grey = (context, v, ...box) => { const n = Math.round(255 * Math.max(0, Math.min(1, v))); context.fillStyle = `rgb(${n},${n},${n})`; context.fillRect(...box); };
  function draw() {
    const c = canvas.getContext("2d"), o = output.getContext("2d"), [values, outside] = read();
    c.clearRect(0, 0, side, side);
    grey(c, 0.13, 0, 0, side, side);
    const cell = 2 / reach / 2 * side;
    for (let n = 0; n < h * w; n++) grey(c, image[n], X(-1) + n % w * cell / w, X(-1) + Math.floor(n / w) * cell / h, cell / w + .6, cell / h + .6);
    c.strokeStyle = css("x"); c.lineWidth = 2; c.strokeRect(X(-1), X(-1), cell, cell);
    c.fillStyle = css("g");
    for (const y of centres(rows)) for (const x of centres(columns)) {
      const [u, v] = source(x, y);
      c.beginPath(); c.arc(X(u), X(v), 1.6, 0, 7); c.fill();
    }
    c.strokeStyle = css("g"); c.beginPath();
    [[-1, -1], [1, -1], [1, 1], [-1, 1]].forEach(([x, y], k) => { const [u, v] = source(x, y); k ? c.lineTo(X(u), X(v)) : c.moveTo(X(u), X(v)); });
    c.closePath(); c.stroke();
    c.font = "600 14px system-ui"; c.textAlign = "center"; c.textBaseline = "middle";
    const [at, ...ends] = handles();
    ends.forEach(([u, v]) => { c.beginPath(); c.moveTo(X(at[0]), X(at[1])); c.lineTo(X(u), X(v)); c.stroke(); });
    [at, ...ends].forEach(([u, v], k) => {
      c.fillStyle = css("g"); c.beginPath(); c.arc(X(u), X(v), 11, 0, 7); c.fill();
      c.fillStyle = "#1d232a"; c.fillText("+xy"[k], X(u), X(v) + 1);
    });
    values.forEach((v, n) => grey(o, v, n % columns * 16, Math.floor(n / columns) * 16, 16, 16));
    o.strokeStyle = css("y"); o.lineWidth = 4; o.strokeRect(0, 0, 16 * columns, 16 * rows);
    const area = Math.abs(theta[0] * theta[4] - theta[1] * theta[3]);
    publish({ theta: theta.slice(), values, outside },
      `θ = ${theta.map(v => v.toFixed(2)).join(", ")}. The grid covers ${(100 * area).toFixed(0)} % of the image's area; ${outside} of ${rows * columns} readings lie outside. The output's centre reads x = ${theta[2].toFixed(2)}, y = ${theta[5].toFixed(2)}.`);
  }
  quiet = false;
  draw();
  return draw;
}
