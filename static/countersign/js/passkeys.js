/* Passkeys: makes one, or lets one answer the statement on the page, and sends the form. Codes work without scripts. */
const PATIENCE = 5000;

function bytes(text) {
  const padded = text.replaceAll("-", "+").replaceAll("_", "/").padEnd(Math.ceil(text.length / 4) * 4, "=");
  return Uint8Array.from(atob(padded), (character) => character.charCodeAt(0));
}

function text(buffer) {
  const characters = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(characters).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

const named = (credentials) => credentials.map((each) => ({ ...each, id: bytes(each.id) }));

async function get(options) {
  const publicKey = { ...options, challenge: bytes(options.challenge), allowCredentials: named(options.allowCredentials) };
  const { id, type, response } = await navigator.credentials.get({ publicKey });
  return JSON.stringify({
    id,
    rawId: id,
    type,
    response: {
      clientDataJSON: text(response.clientDataJSON),
      authenticatorData: text(response.authenticatorData),
      signature: text(response.signature),
    },
  });
}

async function create(options) {
  const publicKey = {
    ...options,
    challenge: bytes(options.challenge),
    user: { ...options.user, id: bytes(options.user.id) },
    excludeCredentials: named(options.excludeCredentials),
  };
  const { id, type, response } = await navigator.credentials.create({ publicKey });
  return JSON.stringify({
    id,
    rawId: id,
    type,
    response: { clientDataJSON: text(response.clientDataJSON), attestationObject: text(response.attestationObject) },
  });
}

const typed = (form) => ["password", "code"].map((name) => form.elements[name]).filter((field) => field?.value);

/* The comment is part of what is signed: wait until the statement on the page holds it. */
async function statementFollows(form) {
  const comment = form.elements.comment;
  const follows = () => document.getElementById("statement").dataset.comment === comment.value;
  if (!document.getElementById("statement") || !comment || follows()) return;
  comment.dispatchEvent(new Event("change", { bubbles: true }));
  const end = Date.now() + PATIENCE;
  while (!follows()) {
    if (Date.now() > end) throw new Error("The statement could not be shown anew. Load the page again.");
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function prove(form, button) {
  await statementFollows(form);
  if (button.type === "button") for (const field of typed(form)) field.value = "";
  const { passkey, registration } = form.elements;
  /* Some browsers take one passkey a press: what was answered stays, and the next press goes on. */
  const isAnswered = typed(form).length || (registration && passkey?.value);
  if (passkey?.dataset.requestOptions && !isAnswered) {
    passkey.value = await get(JSON.parse(passkey.dataset.requestOptions));
  }
  if (registration) registration.value = await create(JSON.parse(registration.dataset.creationOptions));
}

const SAID = {
  NotAllowedError: "Nothing was sent: the passkey was not used, or the time ran out. Press the button again.",
  InvalidStateError: "This device holds a passkey of yours for this site already.",
  SecurityError: "This page’s address is not the one that passkeys are bound to here. Open the site by its own name.",
  NotSupportedError: "This device makes no passkey that is taken here.",
};

async function press(button) {
  const form = button.form;
  const said = form.querySelector("[data-passkey-said]");
  said.textContent = "";
  if (form.elements.name && !form.elements.name.reportValidity()) return;
  button.disabled = true;
  try {
    await prove(form, button);
    form.submit();
  } catch (error) {
    said.textContent = SAID[error.name] ?? error.message;
    button.disabled = false;
    button.focus();
  }
}

document.addEventListener("click", (event) => {
  const button = event.target.closest("[data-passkey]");
  if (!button || !window.PublicKeyCredential) return;
  event.preventDefault();
  press(button);
});

if (window.PublicKeyCredential) {
  for (const button of document.querySelectorAll("[data-passkey][hidden]")) button.hidden = false;
} else {
  const sentence = "Passkeys need a browser that has them, and https or localhost.";
  for (const said of document.querySelectorAll("[data-passkey-said]")) said.textContent = sentence;
}
