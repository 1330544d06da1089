/* Small conveniences. Every page works without them. */
const root = document.documentElement;

function remember(theme) {
  try {
    if (theme === "system") localStorage.removeItem("theme");
    else localStorage.setItem("theme", theme);
  } catch {
    /* The choice then lasts for this page. */
  }
}

function chooseTheme(theme) {
  if (theme === "system") delete root.dataset.theme;
  else root.dataset.theme = theme;
  remember(theme);
}

function announce(sentence) {
  const region = document.getElementById("announcer");
  if (region && sentence && region.textContent !== sentence) region.textContent = sentence;
}

function fallbackCopy(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "visually-hidden";
  document.body.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

/* navigator.clipboard exists only on secure origins; an intranet without TLS takes the older way. */
async function copy(button) {
  const text = button.dataset.copy;
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text);
    else if (!fallbackCopy(text)) throw new Error("refused");
    button.classList.add("is-copied");
    setTimeout(() => button.classList.remove("is-copied"), 1500);
    announce("Copied.");
  } catch {
    announce("The browser did not allow copying. Select the text instead.");
  }
  button.focus();
}

function toggleMenu(button) {
  const open = button.getAttribute("aria-expanded") !== "true";
  button.setAttribute("aria-expanded", String(open));
  document.getElementById(button.getAttribute("aria-controls")).classList.toggle("is-open", open);
}

function closeMenu() {
  const button = document.querySelector(".menu-button[aria-expanded='true']");
  if (!button) return;
  toggleMenu(button);
  button.focus();
}

const CLICKS = [
  ["[aria-disabled='true']", (element, event) => event.preventDefault()],
  ["[data-copy]", copy],
  [".menu-button", toggleMenu],
  ["[data-dismiss]", (button) => button.closest(".notice").remove()],
  ["[data-opens]", (button) => document.getElementById(button.dataset.opens).showModal()],
  ["[data-closes]", (button) => button.closest("dialog").close()],
];

document.addEventListener("click", (event) => {
  for (const [selector, act] of CLICKS) {
    const element = event.target.closest(selector);
    if (element) act(element, event);
  }
});

document.addEventListener("keydown", (event) => {
  if (event.key === "Escape") closeMenu();
});

document.addEventListener("change", (event) => {
  const field = event.target;
  if (field.name === "theme" && field.closest(".theme-switch")) chooseTheme(field.value);
  if (field.closest(".file-drop")) showChosenFiles(field);
  if (field.matches("[data-submit-on-change]")) field.form.requestSubmit();
});

function showChosenFiles(input) {
  const names = Array.from(input.files, (file) => `${file.name} (${size(file.size)})`);
  const line = input.closest(".file-drop").querySelector(".file-drop__chosen");
  line.textContent = names.join(", ") || line.dataset.empty;
}

function size(bytes) {
  if (bytes < 1e3) return `${bytes} bytes`;
  return bytes < 1e6 ? `${(bytes / 1e3).toFixed(1)} kB` : `${(bytes / 1e6).toFixed(1)} MB`;
}

for (const type of ["dragenter", "dragleave", "drop"]) {
  document.addEventListener(type, (event) => {
    const zone = event.target.closest?.(".file-drop");
    if (zone) zone.classList.toggle("is-over", type === "dragenter");
  });
}

/* A signing or a start of a run happens once, however often the button is pressed. */
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (form.method !== "post" || event.defaultPrevented) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
  setTimeout(() => delete form.dataset.sent, 3000);
});

/* A polled fragment says in data-announce what a listener should hear; only a change is spoken. */
document.addEventListener("htmx:after:swap", () => {
  for (const element of document.querySelectorAll("[data-announce]")) announce(element.dataset.announce);
});

const chosen = document.querySelector(`.theme-switch input[value="${root.dataset.theme ?? "system"}"]`);
if (chosen) chosen.checked = true;
document.querySelector("[data-focus]")?.focus();
