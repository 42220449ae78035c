// Curves over settings that were computed beforehand, one slider a setting.
({ spec, live, make, readout, publish, slider, floats }) => {
  const names = Object.keys(spec.sliders), lengths = names.map(n => spec.sliders[n].length), data = floats(spec.curves);
  const series = Object.keys(spec.series), points = spec.x.values.length, chosen = spec.start.slice();
  live.classList.add("ac-wide");
  const row = make("div", live, { class: "ac-sliders" });
  names.forEach((name, n) => slider(row, name, spec.sliders[name], chosen[n], value => { chosen[n] = value; draw(); }));
  const holder = make("div", live);
  readout(live);
  const key = make("p", live, { class: "ac-key" });
  live.insertBefore(key, holder);
  series.forEach(name => {
    const item = make("span", key);
    make("i", item, { style: `background:var(--ac-${spec.series[name]})`, "aria-hidden": "true" });
    item.append(name);
  });
  // As wide as its place, so that text keeps its size; where it is narrow the names stand above.
  let right = 532;
  const X = v => 52 + (v - spec.x.values[0]) / (spec.x.values[points - 1] - spec.x.values[0]) * (right - 52);
  const Y = v => 210 - (v - spec.y.limits[0]) / (spec.y.limits[1] - spec.y.limits[0]) * 190;
  function draw() {
    const place = chosen.reduce((sum, v, n) => sum * lengths[n] + v, 0) * series.length * points;
    const wide = Math.max(240, holder.clientWidth || 680), narrow = wide < 560;
    right = narrow ? wide - 12 : wide - 148;
    key.hidden = !narrow;
    // A label that is wider than its place stands in two lines.
    const middle = spec.x.label.length / 2, gaps = Array.from(spec.x.label.matchAll(/ /g), m => m.index).sort((a, b) => Math.abs(a - middle) - Math.abs(b - middle));
    const lines = gaps.length && 6.6 * spec.x.label.length > wide - 16 ? [spec.x.label.slice(0, gaps[0]), spec.x.label.slice(gaps[0] + 1)] : [spec.x.label];
    let svg = `<svg viewBox="0 0 ${wide} ${234 + 16 * lines.length}" aria-hidden="true">`;
    spec.y.ticks.forEach(t => svg += `<path d="M52 ${Y(t)}H${right}" stroke="var(--ac-line)"/><text class="ac-shape" x="46" y="${Y(t) + 4}" text-anchor="end">${t}</text>`);
    spec.x.ticks.filter((_, n) => wide > 400 || n % 2 === 0).forEach(t => svg += `<text class="ac-shape" x="${X(t)}" y="228" text-anchor="middle">${t}</text>`);
    lines.forEach((line, n) => svg += `<text x="${lines.length > 1 ? wide / 2 : (52 + right) / 2}" y="${247 + 16 * n}" text-anchor="middle" style="fill:var(--ac-soft)">${line}</text>`);
    svg += `<text x="52" y="12" style="fill:var(--ac-soft)">${spec.y.label}</text>`;
    const state = {}, words = [];
    series.forEach((name, k) => {
      const y = Array.from(data.subarray(place + k * points, place + (k + 1) * points));
      state[name] = y; words.push(`${name} ${y[points - 1].toFixed(3)}`);
      svg += `<path d="M${y.map((v, i) => X(spec.x.values[i]) + " " + Y(v)).join("L")}" fill="none" stroke="var(--ac-${spec.series[name]})" stroke-width="2.5"/>`;
    });
    // Labels at the lines' ends, pushed apart where lines end together.
    const ends = series.map(name => [name, Y(state[name][points - 1])]).sort((a, b) => a[1] - b[1]);
    ends.forEach((end, i) => { if (i && end[1] < ends[i - 1][1] + 16) end[1] = ends[i - 1][1] + 16; });
    if (!narrow) ends.forEach(([name, y]) => svg += `<path d="M${right + 6} ${y}h12" stroke="var(--ac-${spec.series[name]})" stroke-width="3"/><text x="${right + 23}" y="${y + 4}">${name}</text>`);
    holder.innerHTML = svg + "</svg>";
    publish({ chosen: chosen.slice(), series: state },
      names.map((n, i) => `${n} ${spec.sliders[n][chosen[i]]}`).join(", ") + `; at ${spec.x.label} ${spec.x.values[points - 1]}: ` + words.join(", ") + ".");
  }
  draw();
  return draw;
}
