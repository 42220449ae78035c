// Pictures in order, to step through or to play.  Nothing moves by itself.
({ spec, live, make, readout, publish, slider }) => {
  const count = spec.frames.length;
  live.classList.add("ac-wide");
  const picture = make("img", live, { class: "ac-frame", alt: "" });
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
    picture.src = spec.frames[frame];
    publish({ frame }, spec.captions[frame]);
  }
  draw(spec.start);
  return () => {};
}
