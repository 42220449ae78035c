// One row an image, one column a channel: what did the gates do to this image?
({ spec, live, make, readout, publish, grid, bytes, floats, css, colour, sharp, outline, scale }) => {
  const [rows, columns] = spec.grid, gates = floats(spec.gates), aspect = Math.max(160, Math.min(420, rows * 9)) / 420;
  const box = make("div", live);
  make("p", box, { class: "ac-axis", text: `${spec.axes[0]} \u2193 ${spec.axes[1]} \u2192` });
  const [canvas, at] = grid(box, rows, columns, 420, Math.round(420 * aspect), spec.label, draw);
  scale(box)(`${spec.unit}, ${spec.low} to ${spec.high}`);
  const panel = make("div", live);
  readout(panel);
  const inputs = spec.images && bytes(spec.images), [ih, iw] = spec.image_shape || [0, 0];
  const thumb = inputs && make("canvas", panel, { width: iw, height: ih, "aria-hidden": "true", style: "margin-bottom:10px;max-width:260px;image-rendering:pixelated" });
  const bars = make("canvas", panel, { "aria-hidden": "true" });
  function draw() {
    const { c, w: width, h: height, ratio } = sharp(canvas, aspect), w = width / columns, h = height / rows;
    const edge = n => Math.round(n * ratio) / ratio;
    gates.forEach((v, n) => {
      const x = edge(n % columns * w), y = edge(Math.floor(n / columns) * h);
      c.fillStyle = colour((v - spec.low) / (spec.high - spec.low));
      c.fillRect(x, y, edge((n % columns + 1) * w) - x, edge((Math.floor(n / columns) + 1) * h) - y);
    });
    outline(c, () => {
      c.strokeRect(2, Math.max(2, at.row * h), width - 4, Math.min(h, height - 2 - at.row * h));
      c.strokeRect(Math.max(2, at.column * w), Math.max(2, at.row * h), w - 2, Math.min(h, height - 2 - at.row * h));
    });
    if (thumb) {
      const t = thumb.getContext("2d");
      for (let n = 0; n < ih * iw; n++) {
        const v = inputs[at.row * ih * iw + n];
        t.fillStyle = `rgb(${v},${v},${v})`; t.fillRect(n % iw, Math.floor(n / iw), 1, 1);
      }
    }
    const { c: b, w: wide } = sharp(bars, 130 / 300), high = wide * 130 / 300, foot = high - 20, bw = wide / columns;
    b.clearRect(0, 0, wide, high);
    for (let k = 0; k < columns; k++) {
      const v = (gates[at.row * columns + k] - spec.low) / (spec.high - spec.low);
      b.fillStyle = k === at.column ? css("g") : css("soft");
      b.fillRect(k * bw + .5, foot - v * (foot - 2), Math.max(1, bw - 1), Math.max(1, v * (foot - 2)));
    }
    b.strokeStyle = css("line"); b.beginPath(); b.moveTo(0, foot + .5); b.lineTo(wide, foot + .5); b.stroke();
    b.fillStyle = css("soft"); b.font = "12px system-ui"; b.fillText(spec.bars, 0, high - 4);
    const gate = gates[at.row * columns + at.column];
    publish({ row: at.row, column: at.column, gate }, `${spec.rows[at.row]}; ${spec.columns[at.column]}: ${spec.unit} ${gate.toFixed(3)}.`);
  }
  draw();
  return draw;
}
