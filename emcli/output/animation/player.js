"use strict";
const film = document.querySelector(".film");
const frames = [...film.querySelectorAll("figure")];
const parts = [...film.querySelectorAll("[data-frame]")];
const slider = film.querySelector("input");
const button = film.querySelector(".play");
const told = film.querySelector(".told");
const dot = film.querySelector(".dot");
const last = frames.length - 1;
let current = last;
let timer = null;

function show(index) {
  current = Math.min(Math.max(index, 0), last);
  for (const part of parts) part.hidden = Number(part.dataset.frame) !== current;
  const at = frames[current].dataset;
  told.textContent = at.told;
  slider.value = current;
  slider.setAttribute("aria-valuetext", at.told);
  dot.hidden = at.x === undefined;
  dot.style.left = at.x + "%";
  dot.style.top = at.y + "%";
}

function pause() {
  clearInterval(timer);
  timer = null;
  button.textContent = "Play";
}

function play() {
  if (current === last) show(0);
  button.textContent = "Pause";
  timer = setInterval(() => {
    show(current + 1);
    if (current === last) pause();
  }, Number(film.dataset.interval));
}

function toggle() {
  if (timer === null) play();
  else pause();
}

function step(by) {
  pause();
  show(current + by);
}

function follow() {
  const asked = /^#iteration=(\w+)$/.exec(location.hash);
  if (!asked) return;
  const found = frames.findIndex((frame) => frame.dataset.iteration === asked[1]);
  if (found >= 0 || asked[1] === "last") show(found >= 0 ? found : last);
}

slider.addEventListener("input", () => {
  pause();
  show(Number(slider.value));
});
button.addEventListener("click", toggle);
film.querySelector(".back").addEventListener("click", () => step(-1));
film.querySelector(".on").addEventListener("click", () => step(1));
const keys = {
  " ": toggle,
  ArrowRight: () => step(1),
  ArrowLeft: () => step(-1),
  Home: () => step(-last),
  End: () => step(last),
};
document.addEventListener("keydown", (event) => {
  const act = keys[event.key];
  const own = event.target === slider || (event.key === " " && event.target.closest("button"));
  if (!act || own || event.altKey || event.ctrlKey || event.metaKey) return;
  event.preventDefault();
  act();
});
window.addEventListener("hashchange", follow);
film.querySelector(".controls").hidden = false;
show(0);
follow();
