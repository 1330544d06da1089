/* Turns the text of column roles into one row per column of the chosen CSV. The text stays what is sent. */
const HEAD = 64 * 1024;
const MAIN_ROLES = ["feature", "target", "prediction", "score", "identifier", "time", "ignored"];
const SUGGESTED = [
  ["identifier", /^(row_?)?id$|[_ ]id$|^uuid$/i],
  ["target", /^(target|label|outcome|y|y_true|creditability|default)$/i],
  ["prediction", /^(prediction|predicted|y_pred|decision)$/i],
  ["score", /^(score|y_score|proba|probability)$/i],
  ["time", /^(date|time|timestamp)$|_(at|on|date)$/i],
];
const SENSITIVE = /(^|_)(sex|gender|race|ethnic\w*|age|nationality|religion|disab\w*|foreign\w*)(_|$)/i;

const text = document.querySelector("[data-column-roles]");
const file = document.getElementById(text.dataset.columnRoles);

/* The names in the first row, read as the server reads them: commas, double quotes doubled inside quotes. */
function header(start) {
  const names = [""];
  let quoted = false;
  for (let at = 0; at < start.length; at += 1) {
    const character = start[at];
    if (quoted) {
      if (character !== '"') names[names.length - 1] += character;
      else if (start[at + 1] === '"') names[names.length - 1] += start[(at += 1)];
      else quoted = false;
    } else if (character === '"' && !names.at(-1).trim()) {
      names[names.length - 1] = "";
      quoted = true;
    } else if (character === ",") names.push("");
    else if (character === "\n" || character === "\r") {
      if (names.length > 1 || names[0].trim()) return names.map((name) => name.trim());
    } else names[names.length - 1] += character;
  }
  return quoted ? [] : names.map((name) => name.trim());
}

function suggested(name) {
  const main = SUGGESTED.find(([, pattern]) => pattern.test(name))?.[0] ?? "feature";
  return SENSITIVE.test(name) ? [main, "sensitive"] : [main];
}

/* What the text says already, so that a form that comes back refused keeps its roles. */
function stated() {
  const found = new Map();
  for (const line of text.value.split("\n")) {
    const at = line.lastIndexOf("=");
    if (at > 0) found.set(line.slice(0, at).trim(), line.slice(at + 1).split(",").map((role) => role.trim()));
  }
  return found;
}

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function row(name, roles) {
  const select = element("select", { "aria-label": `Role of ${name}` });
  for (const role of MAIN_ROLES) {
    const option = element("option", { value: role }, role[0].toUpperCase() + role.slice(1));
    option.selected = roles.includes(role);
    select.append(option);
  }
  if (!MAIN_ROLES.some((role) => roles.includes(role))) select.value = "ignored";
  const sensitive = element("input", { type: "checkbox", "aria-label": `${name} is sensitive` });
  sensitive.checked = roles.includes("sensitive");
  const made = element("tr", {}, element("th", { scope: "row" }, name), element("td", {}, select), element("td", {}, sensitive));
  made.roles = () => {
    const main = sensitive.checked && select.value === "ignored" ? [] : [select.value];
    return `${name} = ${[...main, ...(sensitive.checked ? ["sensitive"] : [])].join(", ")}`;
  };
  return made;
}

function head(...titles) {
  return element("thead", {}, element("tr", {}, ...titles.map((title) => element("th", { scope: "col" }, title))));
}

const table = element("div", { class: "table-region", role: "region", tabindex: "0", "aria-label": "Roles of the columns" });
const fold = element("details", { class: "disclosure" }, element("summary", {}, "The roles as text"));

function write(body) {
  text.value = Array.from(body.rows, (each) => each.roles()).join("\n");
}

function show(names) {
  const kept = stated();
  const body = element("tbody", {}, ...names.map((name) => row(name, kept.get(name) ?? suggested(name))));
  const caption = element("caption", {}, `${names.length} columns. The roles were suggested from the names: check each.`);
  table.replaceChildren(element("table", { class: "data-table" }, caption, head("Column", "Role", "Sensitive"), body));
  body.addEventListener("change", () => write(body));
  if (!fold.isConnected) {
    text.before(table, fold);
    fold.append(text);
  }
  write(body);
}

function hide() {
  if (!fold.isConnected) return;
  fold.before(text);
  table.remove();
  fold.remove();
}

file.addEventListener("change", async () => {
  const chosen = file.files[0];
  if (!chosen || !/\.(csv|txt)$/i.test(chosen.name)) return hide();
  const start = new TextDecoder().decode(await chosen.slice(0, HEAD).arrayBuffer());
  const names = header(start.replace(/^\uFEFF/, ""));
  return names.length > 1 && new Set(names).size === names.length ? show(names) : hide();
});
