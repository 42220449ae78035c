// The course's explorers.  No library, no network: data stand in the figure itself.
(id => document.querySelectorAll("#" + id).forEach(figure => {
  if (figure.dataset.ready) return;
  const spec = JSON.parse(figure.querySelector("script[type='application/json']").textContent);
  const bytes = text => Uint8Array.from(atob(text), c => c.charCodeAt(0));
  const floats = text => new Float32Array(bytes(text).buffer);
  const clamp = (v, n) => Math.max(0, Math.min(n - 1, v));
  const css = name => getComputedStyle(figure).getPropertyValue("--ac-" + name).trim();
  const make = (tag, parent, attributes = {}) => {
    const node = document.createElement(tag);
    for (const [k, v] of Object.entries(attributes)) k === "text" ? node.textContent = v : node.setAttribute(k, v);
    parent.append(node);
    return node;
  };
  const percent = v => (100 * v).toFixed(1) + " %";
  const map = spec.map && bytes(spec.map);            // 256 colours, three bytes each
  const colour = t => { const n = 3 * Math.round(255 * Math.max(0, Math.min(1, t))); return `rgb(${map[n]},${map[n + 1]},${map[n + 2]})`; };
  const live = make("div", figure, { class: "ac-live" });
  figure.querySelector(".ac-poster").before(live);
  const publish = (state, words) => { figure.dataset.state = JSON.stringify(state); read.textContent = words; };
  let read;

  // A canvas of square-ish cells with a cursor that mouse, finger and arrow keys move.
  const grid = (parent, rows, columns, width, height, label, moved) => {
    const canvas = make("canvas", parent, { width, height, tabindex: 0, role: "application", "aria-label": label });
    const at = { row: spec.start[0], column: spec.start[1] };
    const go = (row, column) => {
      row = clamp(row, rows); column = clamp(column, columns);
      if (row !== at.row || column !== at.column) { at.row = row; at.column = column; moved(); }
    };
    const point = event => {
      const box = canvas.getBoundingClientRect();
      go(Math.floor((event.clientY - box.top) / box.height * rows), Math.floor((event.clientX - box.left) / box.width * columns));
    };
    canvas.addEventListener("pointermove", point);
    canvas.addEventListener("pointerdown", point);
    canvas.addEventListener("keydown", event => {
      const step = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] }[event.key];
      if (event.key === "Home") go(0, 0);
      else if (event.key === "End") go(rows - 1, columns - 1);
      else if (step) go(at.row + step[0], at.column + step[1]);
      else return;
      event.preventDefault();
    });
    return [canvas, at];
  };

  const kinds = {
    // Where does a position look?  One map for each query position.
    attention() {
      const [rows, columns] = spec.grid, count = rows * columns, maps = floats(spec.maps);
      const side = 320, height = Math.round(side * rows / columns);
      const box = make("div", live);
      const [canvas, at] = grid(box, rows, columns, side, height, spec.label, draw);
      const panel = make("div", live);
      read = make("p", panel, { class: "ac-read", "aria-live": "polite" });
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
    },
    // One row an image, one column a channel: what did the gates do to this image?
    gates() {
      const [rows, columns] = spec.grid, gates = floats(spec.gates);
      const width = 420, height = Math.max(160, Math.min(420, rows * 9));
      const box = make("div", live);
      const [canvas, at] = grid(box, rows, columns, width, height, spec.label, draw);
      const panel = make("div", live);
      read = make("p", panel, { class: "ac-read", "aria-live": "polite" });
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
    },
    // Curves over settings that were computed beforehand, one slider a setting.
    curves() {
      const names = Object.keys(spec.sliders), lengths = names.map(n => spec.sliders[n].length), data = floats(spec.curves);
      const series = Object.keys(spec.series), points = spec.x.values.length, chosen = spec.start.slice();
      live.classList.add("ac-wide");
      const row = make("div", live, { class: "ac-sliders" });
      names.forEach((name, n) => {
        const label = make("label", row), words = make("span", label);
        const slider = make("input", label, { type: "range", min: 0, max: lengths[n] - 1, step: 1, value: chosen[n] });
        const update = () => {
          chosen[n] = +slider.value;
          words.textContent = `${name}: ${spec.sliders[name][chosen[n]]}`;
          slider.setAttribute("aria-valuetext", words.textContent);
        };
        slider.addEventListener("input", () => { update(); draw(); });
        update();
      });
      const holder = make("div", live);
      read = make("p", live, { class: "ac-read", "aria-live": "polite" });
      const X = v => 52 + (v - spec.x.values[0]) / (spec.x.values[points - 1] - spec.x.values[0]) * 480;
      const Y = v => 210 - (v - spec.y.limits[0]) / (spec.y.limits[1] - spec.y.limits[0]) * 190;
      function draw() {
        const place = chosen.reduce((sum, v, n) => sum * lengths[n] + v, 0) * series.length * points;
        let svg = `<svg viewBox="0 0 680 250" role="img" aria-hidden="true">`;
        spec.y.ticks.forEach(t => svg += `<path d="M52 ${Y(t)}H532" stroke="var(--ac-line)"/><text class="ac-shape" x="46" y="${Y(t) + 4}" text-anchor="end">${t}</text>`);
        spec.x.ticks.forEach(t => svg += `<text class="ac-shape" x="${X(t)}" y="228" text-anchor="middle">${t}</text>`);
        svg += `<text x="292" y="247" text-anchor="middle" style="fill:var(--ac-soft)">${spec.x.label}</text><text x="52" y="12" style="fill:var(--ac-soft)">${spec.y.label}</text>`;
        const state = {}, words = [];
        series.forEach((name, k) => {
          const y = Array.from(data.subarray(place + k * points, place + (k + 1) * points));
          state[name] = y; words.push(`${name} ${y[points - 1].toFixed(3)}`);
          svg += `<path d="M${y.map((v, i) => X(spec.x.values[i]) + " " + Y(v)).join("L")}" fill="none" stroke="var(--ac-${spec.series[name]})" stroke-width="2.5"/>`;
        });
        // Labels at the line's end, pushed apart where lines end together.
        const ends = series.map(name => [name, Y(state[name][points - 1])]).sort((a, b) => a[1] - b[1]);
        ends.forEach((end, i) => { if (i && end[1] < ends[i - 1][1] + 16) end[1] = ends[i - 1][1] + 16; });
        ends.forEach(([name, y]) => svg += `<text x="540" y="${y + 4}" style="fill:var(--ac-${spec.series[name]});font-weight:600">${name}</text>`);
        holder.innerHTML = svg + "</svg>";
        publish({ chosen: chosen.slice(), series: state },
          names.map((n, i) => `${n} ${spec.sliders[n][chosen[i]]}`).join(", ") + `; at ${spec.x.label} ${spec.x.values[points - 1]}: ` + words.join(", ") + ".");
      }
      draw();
      return draw;
    },
  };
  // Canvases hold colours, so they are drawn anew when the page turns light or dark.
  const redraw = kinds[spec.kind]();
  new MutationObserver(redraw).observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
  figure.dataset.ready = "yes";
}))
