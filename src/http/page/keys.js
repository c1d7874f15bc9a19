
/* --- asking the server ---------------------------------------------------------------------------------------- */

/* The Authorization field, once somebody has signed in. Kept here and nowhere else. */
let credentials = null;

/* As fetch, with what the server wants to know; never the browser's own prompt for a password. */
async function ask(path, options = {}) {
  const headers = Object.assign({}, options.headers);
  if (credentials) headers.Authorization = credentials;
  const settings = { credentials: "omit", cache: "no-store", redirect: "error", signal: AbortSignal.timeout(10000) };
  const response = await fetch(path, Object.assign(settings, options, { headers }));
  if (response.status === 401) askForLogin();
  return response;
}

/* The server's own words for what went wrong. */
async function wordsOf(response) {
  const text = (await response.text()).trim().slice(0, 300);
  return text || `the server answered ${response.status}`;
}

/* --- the key browser ------------------------------------------------------------------------------------------ */

const PAGE_KEYS = 100;         /* that are shown more at a time */
const SHOWN_BYTES = 64 * 1024; /* of a value; of a larger one that much is fetched */

const found = { keys: new Map(), cursor: "0", prefix: "", run: 0 };
/* What the editor holds: the key that it names, and its value as it was got, to be put back as it is when only its time
 * to live changes. run counts what was begun: an answer that is late
 * is passed over; edits what was typed. meant: what is done on a second press although a condition failed. */
const open = { key: null, etag: null, bytes: null, expires: null, meant: "", hasTtl: false, run: 0, edits: 0 };

/* A key as /kv lists it: text, or {"base64": ...} for what is no text. */
function keyOf(listed) {
  if (typeof listed === "string") return { text: listed, path: encodeURIComponent(listed), isText: true };
  const bytes = Array.from(atob(listed.base64), (letter) => letter.charCodeAt(0));
  const hex = (byte) => byte.toString(16).padStart(2, "0");
  const text = bytes.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : `\\x${hex(byte)}`)).join("");
  return { text, path: bytes.map((byte) => `%${hex(byte)}`).join(""), isText: false };
}

function note(id, text, kind) {
  const node = element(id);
  setText(node, text);
  node.className = `note${kind ? ` ${kind}` : ""}`;
}

function showKeys() {
  const list = element("key-list");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.path : null;
  const items = [...found.keys.values()].sort((a, b) => (a.text < b.text ? -1 : 1)).map((key) => {
    const button = make("button", { type: "button", "data-path": key.path }, key.text === "" ? "(the empty key)" : key.text);
    if (open.key && open.key.path === key.path) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => getKey(key));
    return make("li", {}, button);
  });
  list.replaceChildren(...items);
  /* Whoever goes through them with the keyboard goes on from there. */
  const again = items.find((item) => item.firstChild.dataset.path === focused);
  if (again) again.firstChild.focus({ preventScroll: true });
  element("more").hidden = found.cursor === "0";
  const which = found.prefix ? ` that begin with “${found.prefix}”` : "";
  if (found.keys.size === 0 && found.cursor === "0") note("key-note", found.prefix ? `No keys${which}.` : "There are no keys in database 0 yet.");
  else note("key-note", `${whole.format(found.keys.size)} ${found.cursor === "0" ? "in all" : "shown, there are more"}`);
}

/* Fetches until there is a page more to show, or nothing is left. */
async function findMore() {
  const run = found.run;
  const wanted = found.keys.size + PAGE_KEYS;
  try {
    do {
      const query = new URLSearchParams({ prefix: found.prefix, cursor: found.cursor, count: found.prefix ? "1000" : String(PAGE_KEYS) });
      const response = await ask(`kv?${query}`);
      if (run !== found.run) return;
      if (!response.ok) {
        note("key-note", response.status === 401 ? "Sign in to see keys." : await wordsOf(response), "error");
        return;
      }
      const answer = await response.json();
      found.cursor = String(answer.cursor);
      for (const listed of answer.keys) {
        const key = keyOf(listed);
        found.keys.set(key.path, key);
      }
    } while (found.cursor !== "0" && found.keys.size < wanted);
    showKeys();
  } catch {
    if (run === found.run) note("key-note", "The server does not answer.", "error");
  }
}

function find() {
  Object.assign(found, { keys: new Map(), cursor: "0", prefix: element("prefix").value, run: found.run + 1 });
  return findMore();
}

/* --- the editor ----------------------------------------------------------------------------------------------- */

function resetSure() {
  const button = element("delete");
  button.classList.remove("sure");
  setText(button, "Delete");
}

/* Sets what can be done with what the editor holds: a key without its value can be asked for again, and nothing else. */
function showEditor() {
  const isOpen = open.key !== null;
  const isThere = isOpen && open.etag !== null;
  const isWhole = isThere && open.bytes !== null;
  setText(element("editor-title"), isOpen ? "Key" : "New key");
  element("key").readOnly = isOpen;
  element("reload").disabled = !isOpen;
  element("delete").disabled = !isThere;
  element("set-ttl").disabled = !isWhole;
  resetSure();
  showKeys();
}

/* The editor is about that key from now on, whose value is not there (yet); null: about a new one. */
function turnTo(key) {
  Object.assign(open, { key, etag: null, bytes: null, expires: null, meant: "", hasTtl: false, run: open.run + 1 });
  element("key").value = key ? key.text : "";
  for (const id of ["value", "ttl"]) {
    element(id).value = "";
    element(id).readOnly = key !== null;
  }
  element("save").disabled = key !== null;
  setText(element("value-note"), "");
  note("editor-note", "");
  showLeft();
  showEditor();
}

function newKey() {
  turnTo(null);
}

/* Sixteen bytes a line. */
function hexadecimal(bytes) {
  const lines = [];
  for (let i = 0; i < bytes.length; i += 16) {
    const line = bytes.subarray(i, i + 16);
    const hex = Array.from(line, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const text = Array.from(line, (byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${i.toString(16).padStart(6, "0")}  ${hex.padEnd(47)}  ${text}`);
  }
  return lines.join("\n");
}

/* As text if it is some that can be edited without changing what it does not show. */
function showValue(bytes, size) {
  const isPart = bytes.length < size;
  let text = null;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: isPart });
    if (/[\0\r]/.test(text)) text = null; /* a text field does not keep these */
  } catch {
    /* not UTF-8 */
  }
  const isEditable = text !== null && !isPart;
  const shown = text !== null ? text : hexadecimal(bytes.subarray(0, 8192));
  if (element("value").value !== shown) element("value").value = shown;
  element("value").readOnly = !isEditable;
  element("save").disabled = !isEditable;
  const about = [asBytes(size)];
  if (isPart) about.push(`the first ${asBytes(bytes.length)} are shown, too large to edit here`);
  if (text === null) about.push("no plain text, shown in hexadecimal");
  setText(element("value-note"), about.join(", "));
}

function showTtl(response) {
  const ttl = response.headers.get("X-TTL");
  open.expires = ttl === null ? null : Date.now() + Number(ttl) * 1000;
  element("ttl").value = ttl === null ? "" : ttl;
  element("ttl").readOnly = false;
  open.hasTtl = false;
}

/* What is left, as it passes. */
function showLeft() {
  let text = "empty: for ever";
  if (open.key !== null && open.expires !== null) {
    const left = Math.ceil((open.expires - Date.now()) / 1000);
    text = left > 0 ? `expires in ${asSpan(left)}, kept unless changed; empty: for ever` : "has passed";
  }
  setText(element("ttl-note"), text);
}

/* Browsers take "." and ".." for places beside the page, however they are written: what came back would be something
 * else than the value. */
function isInReach(key) {
  return key.path !== "." && key.path !== "..";
}

function outOfReach(key) {
  return `A browser cannot ask for a key named “${key.text}”: redis-cli can.`;
}

/* Opens a key, or asks for it again. */
async function getKey(key) {
  if (!isInReach(key)) {
    turnTo(key);
    note("editor-note", outOfReach(key), "error");
    return;
  }
  const again = open.key !== null && open.key.path === key.path;
  if (!again) {
    turnTo(key);
    note("editor-note", "Loading…");
  }
  const run = ++open.run;
  const failed = (why) => {
    turnTo(key);
    note("editor-note", why, "error");
  };
  try {
    const response = await ask(`kv/${key.path}`, { headers: { Range: `bytes=0-${SHOWN_BYTES - 1}` } });
    const bytes = response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
    const why = response.ok ? "" : response.status === 404 ? `“${key.text}” is not there any more.` : await wordsOf(response);
    if (run !== open.run) return;
    if (!response.ok) {
      failed(why.includes("invalid characters") ? `“${key.text}” cannot be asked for over HTTP (http-any-key no).` : why);
      return;
    }
    const range = response.headers.get("Content-Range");
    const size = range ? Number(range.split("/")[1]) : bytes.length;
    Object.assign(open, { key, etag: response.headers.get("ETag"), bytes: bytes.length < size ? null : bytes, meant: "" });
    element("key").value = key.text;
    showValue(bytes, size);
    note("editor-note", "");
    showTtl(response);
    showLeft();
    showEditor();
  } catch {
    if (run === open.run) failed("The server does not answer.");
  }
}

/* What an answer of 200 has promised. */
function promised(words) {
  return stats && stats.server.appendfsync === "always" ? `${words}, durably.` : `${words}.`;
}

/* Why a condition did not hold. */
async function whyNot(key, wasOpen) {
  if (!wasOpen) return "There is such a key already. Pressed again, Put overwrites it.";
  const now = await ask(`kv/${key.path}`, { method: "HEAD" });
  if (now.status === 404) return "It is not there any more: deleted, or its time has passed. Pressed again, this makes it anew.";
  return "Somebody changed it meanwhile. Get shows how it is now; pressed again, this overwrites it.";
}

/* Of a key that is open, the time to live stays what it is at the server unless it was changed here. */
function ttlAsked() {
  const ttl = element("ttl").value.trim();
  if (open.key !== null && !open.hasTtl) return "&ttl=keep";
  return ttl ? `&ttl=${encodeURIComponent(ttl)}` : "";
}

/* A put that does not silently undo what somebody else did meanwhile; the second press says that it is meant. */
async function put(key, body, words) {
  if (!isInReach(key)) {
    note("editor-note", outOfReach(key), "error");
    return;
  }
  const wasOpen = open.key !== null;
  const run = ++open.run;
  const edits = open.edits;
  const ttl = ttlAsked();
  note("editor-note", "Putting…");
  const condition = open.meant === "put" ? {} : open.etag ? { "If-Match": open.etag } : { "If-None-Match": "*" };
  try {
    const response = await ask(`kv/${key.path}?empty=yes${ttl}`, { method: "PUT", body, headers: condition });
    const isRefused = response.status === 412;
    const why = response.ok ? "" : isRefused ? await whyNot(key, wasOpen) : await wordsOf(response);
    if (response.ok && key.text.startsWith(found.prefix)) {
      found.keys.set(key.path, key);
      showKeys();
    }
    if (run !== open.run) return;
    if (!response.ok) {
      open.meant = isRefused ? "put" : "";
      const more = why.includes("invalid characters") ? ": over HTTP there are letters, digits, and : _ . - in it (http-any-key)" : "";
      note("editor-note", why + more, "error");
      return;
    }
    Object.assign(open, { key, etag: response.headers.get("ETag"), bytes: body, meant: "" });
    element("key").value = key.text;
    /* Who types on goes on. */
    if (edits === open.edits) {
      showValue(body, body.length);
      showTtl(response);
    }
    note("editor-note", words, "done");
    showLeft();
    showEditor();
  } catch {
    if (run === open.run) note("editor-note", "The server does not answer; whether it was done is not known.", "error");
  }
}

async function deleteKey() {
  const button = element("delete");
  if (!button.classList.contains("sure")) {
    button.classList.add("sure");
    setText(button, "Really delete?");
    setTimeout(resetSure, 4000);
    return;
  }
  const key = open.key;
  const run = ++open.run;
  note("editor-note", "Deleting…");
  const condition = open.meant === "delete" ? {} : { "If-Match": open.etag };
  try {
    const response = await ask(`kv/${key.path}`, { method: "DELETE", headers: condition });
    const why = response.ok ? "" : response.status === 412 ? await whyNot(key, true) : await wordsOf(response);
    const isGone = response.ok || (response.status === 412 && why.startsWith("It is not there"));
    if (isGone) {
      found.keys.delete(key.path);
      showKeys();
    }
    if (run !== open.run) return;
    if (isGone) {
      newKey();
      note("editor-note", response.ok ? promised(`“${key.text}” is deleted`) : `“${key.text}” was not there any more.`, "done");
      return;
    }
    open.meant = response.status === 412 ? "delete" : "";
    resetSure();
    note("editor-note", response.status === 412 ? "Somebody changed it meanwhile. Get shows how it is now; pressed again, this deletes it." : why, "error");
  } catch {
    if (run === open.run) note("editor-note", "The server does not answer; whether it was done is not known.", "error");
  }
}

function keysBegin() {
  element("find").addEventListener("submit", (event) => {
    event.preventDefault();
    find();
  });
  let waiting = 0;
  element("prefix").addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(find, 300);
  });
  element("more").addEventListener("click", findMore);
  element("new-key").addEventListener("click", () => {
    newKey();
    element("key").focus();
  });
  element("editor").addEventListener("submit", (event) => {
    event.preventDefault();
    const text = element("key").value;
    const key = open.key || { text, path: encodeURIComponent(text), isText: true };
    put(key, new TextEncoder().encode(element("value").value), promised("Put"));
  });
  element("ttl").addEventListener("input", () => {
    open.hasTtl = true;
    open.edits++;
  });
  element("value").addEventListener("input", () => {
    open.edits++;
  });
  element("set-ttl").addEventListener("click", () => {
    open.hasTtl = true;
    put(open.key, open.bytes, element("ttl").value.trim() ? "It has that time to live now." : "It stays for ever now.");
  });
  element("reload").addEventListener("click", () => getKey(open.key));
  element("delete").addEventListener("click", deleteKey);
  element("key").addEventListener("input", () => {
    open.meant = "";
  });
  setInterval(showLeft, 1000);
}
