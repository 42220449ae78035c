// Pictures in order, to step through or to play.  Nothing moves by itself.
({ spec, live, make, readout, publish, slider }) => {
  const count = spec.frames.length;
  live.classList.add("ac-wide");
  // Where there is less room the film keeps a size at which its text can be read, and scrolls.
  const box = make("div", live, { class: "ac-scroll" });
  const picture = make("img", box, { class: "ac-frame", alt: "" });
  picture.setAttribute("style", `width:${spec.width}px;min-width:${Math.round(.72 * spec.width)}px`);
  const row = make("div", live, { class: "ac-sliders" });
  const button = make("button", row, { type: "button", class: "ac-play" });
  const bar = slider(row, spec.label, spec.settings, spec.start, draw);
  readout(live);
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; button.textContent = "Play"; };
  const step = () => {
    const next = (+bar.input.value + 1) % count;
    bar.set(next);
    if (next === count - 1) stop();
  };
  button.addEventListener("click", () => {
    if (timer) return stop();
    if (+bar.input.value === count - 1) bar.set(0);
    timer = setInterval(step, spec.milliseconds);
    button.textContent = "Pause";
  });
  stop();
  function draw(frame) {
    picture.src = "data:image/svg+xml," + encodeURIComponent(spec.frames[frame].map(n => spec.parts[n]).join(""));
    publish({ frame }, spec.captions[frame]);
  }
  draw(spec.start);
  const reach = () => { if (box.scrollWidth > box.clientWidth + 1) box.tabIndex = 0; else box.removeAttribute("tabindex"); };
  picture.addEventListener("load", reach);
  return reach;
}
