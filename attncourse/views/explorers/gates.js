// One row an image, one column a channel: what did the gates do to this image?
({ spec, live, make, readout, publish, grid, bytes, floats, css, colour }) => {
  const [rows, columns] = spec.grid, gates = floats(spec.gates);
  const width = 420, height = Math.max(160, Math.min(420, rows * 9));
  const box = make("div", live);
  const [canvas, at] = grid(box, rows, columns, width, height, spec.label, draw);
  const panel = make("div", live);
  readout(panel);
  const inputs = spec.images && bytes(spec.images), [ih, iw] = spec.image_shape || [0, 0];
  const thumb = inputs && make("canvas", panel, { width: iw * 6, height: ih * 6, "aria-hidden": "true", style: "margin-bottom:10px" });
  const bars = make("canvas", panel, { width: 300, height: 130, "aria-hidden": "true" });
  function draw() {
    const c = canvas.getContext("2d"), w = width / columns, h = height / rows;
    gates.forEach((v, n) => {
      c.fillStyle = colour((v - spec.low) / (spec.high - spec.low));
      c.fillRect(Math.floor(n % columns * w), Math.floor(Math.floor(n / columns) * h), Math.ceil(w), Math.ceil(h));
    });
    c.strokeStyle = css("g"); c.lineWidth = 2; c.strokeRect(1, at.row * h, width - 2, h);
    c.lineWidth = 3; c.strokeRect(at.column * w, at.row * h - 1, w, h + 2);
    if (thumb) {
      const t = thumb.getContext("2d");
      for (let n = 0; n < ih * iw; n++) {
        const v = inputs[at.row * ih * iw + n];
        t.fillStyle = `rgb(${v},${v},${v})`; t.fillRect(n % iw * 6, Math.floor(n / iw) * 6, 6, 6);
      }
    }
    const b = bars.getContext("2d"), bw = 300 / columns;
    b.clearRect(0, 0, 300, 130);
    for (let k = 0; k < columns; k++) {
      const v = (gates[at.row * columns + k] - spec.low) / (spec.high - spec.low);
      b.fillStyle = k === at.column ? css("g") : css("soft");
      b.fillRect(k * bw + .5, 110 - v * 108, Math.max(1, bw - 1), Math.max(1, v * 108));
    }
    b.strokeStyle = css("line"); b.beginPath(); b.moveTo(0, 110.5); b.lineTo(300, 110.5); b.stroke();
    b.fillStyle = css("soft"); b.font = "12px system-ui"; b.fillText(spec.bars, 0, 126);
    const gate = gates[at.row * columns + at.column];
    publish({ row: at.row, column: at.column, gate }, `${spec.rows[at.row]}; ${spec.columns[at.column]}: gate ${gate.toFixed(3)}.`);
  }
  draw();
  return draw;
}
