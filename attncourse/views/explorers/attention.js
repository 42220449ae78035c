// Where does a position look?  One map of weights for each query position.
({ spec, live, make, readout, publish, grid, halves, css, colour, percent, sharp, outline, ring, toggle, scale }) => {
  const [rows, columns] = spec.grid, count = rows * columns, maps = halves(spec.maps), high = maps.reduce((a, v) => Math.max(a, v), 0);
  const name = n => spec.names[n] || spec.place.replace("{row}", Math.floor(n / columns) + 1).replace("{column}", n % columns + 1).replace("{n}", n + 1);
  let relative = spec.relative, over = false;
  live.classList.add("ac-pair");
  const [canvas, at] = grid(make("div", live), rows, columns, 320, Math.round(320 * rows / columns), spec.label, draw);
  const looked = make("canvas", make("div", live), { role: "img", "aria-label": `The ${spec.weight}s of the chosen position` });
  const row = make("div", live, { class: "ac-below" });
  const bar = scale(row);
  const picture = spec.image && new Image();
  toggle(row, "scale to this map", relative, on => { relative = on; draw(); });
  if (picture) {
    toggle(row, "lay over the image", false, on => { over = on; draw(); });
    picture.onload = draw; picture.src = spec.image;
  }
  readout(make("div", live, { class: "ac-below" }));
  const paint = c => { c.c.imageSmoothingEnabled = picture.width >= 96; c.c.drawImage(picture, 0, 0, c.w, c.h); };
  // Short names stand on their positions; in large cells they leave the middle free.
  const letters = ({ c, w, h }) => {
    const cell = w / columns, large = cell > 30, size = Math.max(11, Math.min(16, .5 * cell));
    c.font = `600 ${size}px system-ui`; c.textAlign = "center"; c.textBaseline = "middle"; c.lineJoin = "round";
    for (const [n, text] of Object.entries(spec.names)) {
      const short = text.split(" ").pop();
      if (short.length > 2) continue;
      const x = n % columns * cell + (large ? size : cell / 2), y = Math.floor(n / columns) * h / rows + (large ? size : h / rows / 2);
      c.lineWidth = 4; c.strokeStyle = "#1d232a"; c.strokeText(short, x, y); c.fillStyle = "#fff"; c.fillText(short, x, y);
    }
  };
  function draw() {
    const query = at.row * columns + at.column, weights = maps.subarray(query * count, (query + 1) * count);
    let top = 0, entropy = 0;
    weights.forEach((w, n) => { if (w > weights[top]) top = n; if (w > 0) entropy -= w * Math.log2(w); });
    const a = sharp(canvas, rows / columns), b = sharp(looked, rows / columns), limit = (relative ? weights[top] : high) || 1;
    if (picture?.width) paint(a);
    else { a.c.fillStyle = css("panel"); a.c.fillRect(0, 0, a.w, a.h); }
    if (over && picture.width) { paint(b); b.c.globalAlpha = .65; }
    const edge = n => Math.round(n * b.ratio) / b.ratio, w = b.w / columns, h = b.h / rows;
    weights.forEach((v, n) => {
      const x = edge(n % columns * w), y = edge(Math.floor(n / columns) * h);
      b.c.fillStyle = colour(v / limit);
      b.c.fillRect(x, y, edge((n % columns + 1) * w) - x, edge((Math.floor(n / columns) + 1) * h) - y);
    });
    b.c.globalAlpha = 1;
    [a, b].forEach(view => {
      letters(view);
      if (Math.min(w, h) > 30) outline(view.c, () => view.c.strokeRect(at.column * w + 3.5, at.row * h + 3.5, w - 7, h - 7));
      else ring(view, (at.column + .5) * w, (at.row + .5) * h, Math.max(6, .48 * Math.min(w, h)));
    });
    bar(`${spec.weight}, 0 to ${percent(limit)}${relative ? " in this map" : " in all maps"}`);
    publish({ row: at.row, column: at.column, top, weight: weights[top], entropy, limit, over },
      `Chosen: ${name(query)}. The largest ${spec.weight}, ${percent(weights[top])}, is at ${name(top)}; entropy ${entropy.toFixed(2)} of at most ${Math.log2(count).toFixed(2)} bits.`);
  }
  draw();
  return draw;
}
