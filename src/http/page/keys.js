
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
/* What the editor holds: the key that it names, or the field of the hash at that key, and its value as it was got, to be
 * put back as it is when only its time to live changes. hash: the fields that were listed of it, null for a key that is
 * none. run counts what was begun: an answer that is late is passed over; edits what was typed. meant: what is done on a
 * second press although a condition failed. */
const open = { key: null, field: null, hash: null, etag: null, bytes: null, expires: null, meant: "", hasTtl: false, run: 0, edits: 0 };

/* A key as /kv lists it, or a field as /hash does: text, or {"base64": ...} for what is no text. */
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
    if (key.type && key.type !== "string") button.setAttribute("data-type", key.type);
    if (open.key && open.key.path === key.path) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => (key.type === "hash" ? getHash(key) : getValue(key, null)));
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
      const query = new URLSearchParams({ prefix: found.prefix, cursor: found.cursor, count: found.prefix ? "1000" : String(PAGE_KEYS), types: "yes" });
      const response = await ask(`kv?${query}`);
      if (run !== found.run) return;
      if (!response.ok) {
        note("key-note", response.status === 401 ? "Sign in to see keys." : await wordsOf(response), "error");
        return;
      }
      const answer = await response.json();
      found.cursor = String(answer.cursor);
      answer.keys.forEach((listed, i) => {
        const key = Object.assign(keyOf(listed), { type: answer.types[i] });
        found.keys.set(key.path, key);
      });
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
  setText(button, open.field !== null ? "Delete field" : open.hash !== null ? "Delete hash" : "Delete");
}

/* Where the server has it, with what else is asked. */
function pathOf(key, field, query = "") {
  const path = field === null ? `kv/${key.path}` : `hash/${key.path}?field=${field.path}`;
  return query === "" ? path : `${path}${path.includes("?") ? "&" : "?"}${query}`;
}

/* For people. */
function nameOf(key, field) {
  return field === null ? `“${key.text}”` : `“${field.text}” of “${key.text}”`;
}

/* Sets what can be done with what the editor holds: a key without its value can be asked for again, and nothing else. */
function showEditor() {
  const isOpen = open.key !== null;
  const isThere = isOpen && open.etag !== null;
  const isWhole = isThere && open.bytes !== null;
  const isHash = open.hash !== null;
  setText(element("editor-title"), !isOpen ? "New key" : open.field !== null ? "Field" : isHash ? "Hash" : "Key");
  element("key").readOnly = isOpen;
  element("field").readOnly = isOpen && (!isHash || open.field !== null);
  element("reload").disabled = !isOpen;
  element("delete").disabled = !isThere && !(isHash && open.field === null);
  element("set-ttl").disabled = !isWhole;
  resetSure();
  showFields();
  showKeys();
}

/* The editor is about that key, or field, from now on, whose value is not there (yet); key null: about a new one. hash:
 * what was listed of its fields; field null with it: about a new field. */
function turnTo(key, field = null, hash = null) {
  const isNew = key === null || (hash !== null && field === null);
  Object.assign(open, { key, field, hash, etag: null, bytes: null, expires: null, meant: "", hasTtl: false, run: open.run + 1 });
  element("key").value = key ? key.text : "";
  element("field").value = field ? field.text : "";
  for (const id of ["value", "ttl"]) {
    element(id).value = "";
    element(id).readOnly = !isNew;
  }
  element("save").disabled = !isNew;
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
  if ((open.field !== null || open.hash === null) && open.key !== null && open.expires !== null) {
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

/* --- hashes --------------------------------------------------------------------------------------------------- */

const PAGE_FIELDS = 100;    /* that are asked for at a time */
const PREVIEW_LETTERS = 80; /* of a field's value, in the list */

function fieldOf(listed) {
  const value = keyOf(listed.value).text;
  const preview = value.length > PREVIEW_LETTERS ? `${value.slice(0, PREVIEW_LETTERS)}…` : value;
  return Object.assign(keyOf(listed.name), { preview, ttl: listed.ttl });
}

function showFields() {
  const { hash } = open;
  element("fields").hidden = hash === null;
  if (hash === null) return;
  const list = element("field-list");
  const focused = list.contains(document.activeElement) ? document.activeElement.dataset.path : null;
  const items = [...hash.fields.values()].sort((a, b) => (a.text < b.text ? -1 : 1)).map((field) => {
    const about = field.ttl === undefined ? field.preview : `${field.preview} (expires in ${asSpan(field.ttl)})`;
    const button = make("button", { type: "button", "data-path": field.path }, field.text === "" ? "(the empty name)" : field.text,
      make("span", { class: "preview" }, ` ${about}`));
    if (open.field && open.field.path === field.path) button.setAttribute("aria-current", "true");
    button.addEventListener("click", () => getValue(open.key, field));
    return make("li", {}, button);
  });
  list.replaceChildren(...items);
  const again = items.find((item) => item.firstChild.dataset.path === focused);
  if (again) again.firstChild.focus({ preventScroll: true });
  element("more-fields").hidden = hash.cursor === "0";
  const shown = hash.cursor === "0" ? "" : `, ${whole.format(hash.fields.size)} shown`;
  const expires = hash.ttl === null ? "" : `; the key expires in ${asSpan(hash.ttl)}`;
  setText(element("fields-note"), `${whole.format(hash.size)} ${hash.size === 1 ? "field" : "fields"}${shown}${expires}`);
}

/* The next page of a hash's fields, as an answer of the server's that is fine or not. Where values are too large to be
 * told together, fewer at a time. */
async function fieldsAsk(key, cursor) {
  let count = PAGE_FIELDS;
  let response;
  do {
    response = await ask(`hash/${key.path}?${new URLSearchParams({ cursor, count: String(count) })}`);
    count = Math.floor(count / 10);
  } while (response.status === 413 && count > 0);
  return response;
}

/* Opens a hash, from its first fields on; or lists more of the one that is open. */
async function getHash(key, more = false) {
  if (!isInReach(key)) {
    turnTo(key);
    note("editor-note", outOfReach(key), "error");
    return;
  }
  if (!more && (open.key === null || open.key.path !== key.path)) turnTo(key);
  if (!more) note("editor-note", "Loading…");
  const run = ++open.run;
  const old = more ? open.hash : null;
  try {
    const response = await fieldsAsk(key, old ? old.cursor : "0");
    const answer = response.ok ? await response.json() : null;
    const why = response.ok ? "" : response.status === 404 ? `“${key.text}” is not there any more.` : await wordsOf(response);
    if (run !== open.run) return;
    if (response.status === 409) {
      key.type = "string";
      getValue(key, null);
      return;
    }
    if (!response.ok) {
      turnTo(key);
      note("editor-note", why, "error");
      return;
    }
    const ttl = response.headers.get("X-TTL");
    const hash = { size: answer.size, cursor: answer.cursor, ttl: ttl === null ? null : Number(ttl), fields: old ? old.fields : new Map() };
    for (const listed of answer.fields) {
      const field = fieldOf(listed);
      hash.fields.set(field.path, field);
    }
    if (more) {
      open.hash = hash;
      showFields();
    } else {
      turnTo(Object.assign(key, { type: "hash" }), null, hash);
    }
  } catch {
    if (run === open.run) note("editor-note", "The server does not answer.", "error");
  }
}

/* What a put or a delete did to the list. bytes null: the field is gone. */
function fieldChanged(field, bytes, ttl) {
  if (open.hash === null) open.hash = { size: 0, cursor: "0", ttl: null, fields: new Map() };
  const { hash } = open;
  const wasThere = hash.fields.has(field.path);
  if (bytes === null) {
    hash.fields.delete(field.path);
    hash.size -= wasThere ? 1 : 0;
    return;
  }
  const value = new TextDecoder().decode(bytes.subarray(0, 4 * PREVIEW_LETTERS));
  const preview = value.length > PREVIEW_LETTERS ? `${value.slice(0, PREVIEW_LETTERS)}…` : value;
  hash.fields.set(field.path, Object.assign({}, field, { preview, ttl }));
  hash.size += wasThere ? 0 : 1;
}

/* Opens a key, or a field of the hash that is open, or asks for it again. */
async function getValue(key, field) {
  if (!isInReach(key)) {
    turnTo(key);
    note("editor-note", outOfReach(key), "error");
    return;
  }
  const pathNow = (one) => (one === null ? null : one.path);
  const again = open.key !== null && open.key.path === key.path && pathNow(open.field) === pathNow(field);
  const hash = field === null ? null : open.hash;
  if (!again) {
    turnTo(key, field, hash);
    note("editor-note", "Loading…");
  }
  const run = ++open.run;
  const failed = (why) => {
    turnTo(key, field, hash);
    note("editor-note", why, "error");
  };
  try {
    const response = await ask(pathOf(key, field), { headers: { Range: `bytes=0-${SHOWN_BYTES - 1}` } });
    const bytes = response.ok ? new Uint8Array(await response.arrayBuffer()) : null;
    const why = response.ok ? "" : response.status === 404 ? `${nameOf(key, field)} is not there any more.` : await wordsOf(response);
    if (run !== open.run) return;
    if (response.status === 409 && field === null) {
      getHash(key);
      return;
    }
    if (!response.ok) {
      failed(why.includes("invalid characters") ? `“${key.text}” cannot be asked for over HTTP (http-any-key no).` : why);
      return;
    }
    const range = response.headers.get("Content-Range");
    const size = range ? Number(range.split("/")[1]) : bytes.length;
    Object.assign(open, { key, field, etag: response.headers.get("ETag"), bytes: bytes.length < size ? null : bytes, meant: "" });
    if (field === null) open.hash = null;
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
async function whyNot(key, field, wasOpen) {
  if (!wasOpen) return `There is such a ${field === null ? "key" : "field"} already. Pressed again, Put overwrites it.`;
  const now = await ask(pathOf(key, field), { method: "HEAD" });
  if (now.status === 404) return "It is not there any more: deleted, or its time has passed. Pressed again, this makes it anew.";
  return "Somebody changed it meanwhile. Get shows how it is now; pressed again, this overwrites it.";
}

/* Of a key that is open, the time to live stays what it is at the server unless it was changed here. */
function ttlAsked() {
  const ttl = element("ttl").value.trim();
  if (open.etag !== null && !open.hasTtl) return "&ttl=keep";
  return ttl ? `&ttl=${encodeURIComponent(ttl)}` : "";
}

/* A put that does not silently undo what somebody else did meanwhile; the second press says that it is meant. */
async function put(key, field, body, words) {
  if (!isInReach(key)) {
    note("editor-note", outOfReach(key), "error");
    return;
  }
  const wasOpen = open.etag !== null;
  const run = ++open.run;
  const edits = open.edits;
  const ttl = ttlAsked();
  note("editor-note", "Putting…");
  const condition = open.meant === "put" ? {} : open.etag ? { "If-Match": open.etag } : { "If-None-Match": "*" };
  try {
    const response = await ask(pathOf(key, field, `empty=yes${ttl}`), { method: "PUT", body, headers: condition });
    const isRefused = response.status === 412;
    const why = response.ok ? "" : isRefused ? await whyNot(key, field, wasOpen) : await wordsOf(response);
    if (response.ok && key.text.startsWith(found.prefix)) {
      found.keys.set(key.path, Object.assign(key, { type: field === null ? "string" : "hash" }));
      showKeys();
    }
    if (run !== open.run) return;
    if (!response.ok) {
      open.meant = isRefused ? "put" : "";
      const more = why.includes("invalid characters") ? ": over HTTP there are letters, digits, and : _ . - in it (http-any-key)" : "";
      note("editor-note", why + more, "error");
      return;
    }
    /* A new field of a key that was not opened: there may be others. */
    if (field !== null && open.hash === null) {
      await getHash(key);
      note("editor-note", words, "done");
      return;
    }
    const left = response.headers.get("X-TTL");
    Object.assign(open, { key, field, etag: response.headers.get("ETag"), bytes: body, meant: "" });
    if (field !== null) fieldChanged(field, body, left === null ? undefined : Number(left));
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
  const { key, field } = open;
  const run = ++open.run;
  note("editor-note", "Deleting…");
  const condition = open.meant === "delete" || open.etag === null ? {} : { "If-Match": open.etag };
  try {
    const response = await ask(pathOf(key, field), { method: "DELETE", headers: condition });
    const why = response.ok ? "" : response.status === 412 ? await whyNot(key, field, true) : await wordsOf(response);
    const isGone = response.ok || (response.status === 412 && why.startsWith("It is not there"));
    const words = response.ok ? promised(`${nameOf(key, field)} is deleted`) : `${nameOf(key, field)} was not there any more.`;
    const isLast = field !== null && run === open.run && open.hash.cursor === "0" && open.hash.fields.size <= 1;
    if (isGone && (field === null || isLast)) {
      found.keys.delete(key.path);
      showKeys();
    }
    if (run !== open.run) return;
    if (isGone) {
      if (field !== null) fieldChanged(field, null);
      if (field === null || isLast) newKey();
      else turnTo(key, null, open.hash);
      note("editor-note", words, "done");
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
    const name = element("field").value;
    const isOfHash = open.key === null || open.hash !== null;
    const field = open.field || (isOfHash && name !== "" ? { text: name, path: encodeURIComponent(name), isText: true } : null);
    if (open.hash !== null && field === null) note("editor-note", "A field of a hash needs a name.", "error");
    else put(key, field, new TextEncoder().encode(element("value").value), promised("Put"));
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
    put(open.key, open.field, open.bytes, element("ttl").value.trim() ? "It has that time to live now." : "It stays for ever now.");
  });
  element("reload").addEventListener("click", () => {
    if (open.hash !== null && open.field === null) getHash(open.key);
    else getValue(open.key, open.field);
  });
  element("more-fields").addEventListener("click", () => getHash(open.key, true));
  element("new-field").addEventListener("click", () => {
    turnTo(open.key, null, open.hash);
    element("field").focus();
  });
  element("delete").addEventListener("click", deleteKey);
  for (const id of ["key", "field"]) {
    element(id).addEventListener("input", () => {
      open.meant = "";
    });
  }
  setInterval(showLeft, 1000);
}
