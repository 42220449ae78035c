// Where does a position look?  One map of weights for each query position.
({ spec, live, make, readout, publish, grid, floats, css, colour, percent }) => {
  const [rows, columns] = spec.grid, count = rows * columns, maps = floats(spec.maps);
  const side = 320, height = Math.round(side * rows / columns);
  const box = make("div", live);
  const [canvas, at] = grid(box, rows, columns, side, height, spec.label, draw);
  const panel = make("div", live);
  readout(panel);
  const looked = make("canvas", panel, { width: side, height, "aria-hidden": "true" });
  const picture = spec.image && new Image();
  if (picture) { picture.onload = draw; picture.src = spec.image; }
  function draw() {
    const query = at.row * columns + at.column, weights = maps.subarray(query * count, (query + 1) * count);
    let top = 0, entropy = 0;
    weights.forEach((w, n) => { if (w > weights[top]) top = n; if (w > 0) entropy -= w * Math.log2(w); });
    const w = side / columns, h = height / rows, a = canvas.getContext("2d"), b = looked.getContext("2d");
    a.imageSmoothingEnabled = false;
    if (picture) a.drawImage(picture, 0, 0, side, height);
    else { a.fillStyle = css("panel"); a.fillRect(0, 0, side, height); }
    weights.forEach((v, n) => {
      b.fillStyle = colour(v / (weights[top] || 1));
      b.fillRect(Math.floor(n % columns * w), Math.floor(Math.floor(n / columns) * h), Math.ceil(w), Math.ceil(h));
    });
    [a, b].forEach(c => {
      c.strokeStyle = css("g"); c.lineWidth = 3; c.beginPath();
      c.arc((at.column + .5) * w, (at.row + .5) * h, Math.max(7, .55 * Math.min(w, h)), 0, 7); c.stroke();
    });
    publish({ row: at.row, column: at.column, top, weight: weights[top], entropy },
      `Query (row ${at.row}, column ${at.column}): the largest weight, ${percent(weights[top])}, is at (row ${Math.floor(top / columns)}, column ${top % columns}); entropy ${entropy.toFixed(2)} of at most ${Math.log2(count).toFixed(2)} bits.`);
  }
  draw();
  return draw;
}
