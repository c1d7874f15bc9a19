
/* --- the page ------------------------------------------------------------------------------------------------- */

const POLL_MS = 1000;
const ROWS_MAX = 10;

let stats = null;      /* the newest */
let answeredMs = null; /* when it came */
let loginWanted = false;
let serving = false; /* commands, as far as is known */

/* --- at the top ----------------------------------------------------------------------------------------------- */

const TILES = [
  { label: "Commands", parts: countParts, unit: "/s", value: (s) => s.ops,
    more: (s) => (s.ops > 0 ? `${asShare(s.writes / s.ops)} writes` : "none just now") },
  { label: "Write p99", parts: microsecondsParts, value: (s) => s.waitP99,
    more: (s) => (s.waitP99 > 0 ? `p50 ${asMicroseconds(s.waitP50)}` : stats.log ? "none just now" : "memory only") },
  { label: "Sync p99", parts: microsecondsParts, value: (s) => s.syncP99,
    more: (s) => (s.syncs > 0 ? `p50 ${asMicroseconds(s.syncP50)}, ${asCount(s.syncs)}/s` : stats.log ? "none just now" : "memory only") },
  { label: "Memory", parts: bytesParts, value: (s) => s.memory,
    more: (s) => (s.limit ? `of ${asBytes(s.limit)} allowed` : `${asBytes(s.resident)} resident`) },
  { label: "Keys", parts: countParts, value: (s) => s.keys, more: (s) => `${asCount(s.hashes)} hashes, ${asCount(s.volatileKeys)} will expire` },
  { label: "Clients", parts: countParts, value: (s) => s.clients, more: (s) => `and ${asCount(s.http)} over HTTP` },
];

function tilesBegin() {
  for (const tile of TILES) {
    tile.number = make("span", {}, "–");
    tile.suffix = make("small", {});
    tile.note = make("div", { class: "more" }, "\u00a0");
    const value = make("div", { class: "value" }, tile.number, tile.suffix);
    element("tiles").append(make("div", { class: "tile" }, make("dt", {}, tile.label), make("dd", {}, value, tile.note)));
  }
}

function showTiles(sample) {
  for (const tile of TILES) {
    const value = tile.value(sample);
    const has = value !== null && value !== undefined;
    const [number, unit] = has ? tile.parts(value) : ["–", ""];
    setText(tile.number, number);
    setText(tile.suffix, has ? `${unit}${tile.unit || ""}` : "");
    setText(tile.note, sample.gap && tile.value(sample) === undefined ? "\u00a0" : tile.more(sample));
  }
}

function chartsBegin() {
  const parent = element("charts");
  const byPercentile = (p50, p99, p999) => [
    { label: "p50", key: p50, ink: "b" }, { label: "p99", key: p99, ink: "a" }, { label: "p99.9", key: p999, ink: "c", dash: [5, 3] }];
  new Chart(parent, { title: "Throughput", unit: "commands per second", format: asCount, empty: 100,
    series: [{ label: "all", key: "ops", ink: "a", area: true, mean: true }, { label: "reads", key: "reads", ink: "b", mean: true },
      { label: "writes", key: "writes", ink: "c", dash: [5, 3], mean: true }] });
  new Chart(parent, { title: "Write latency", unit: "until a write was acknowledged by the log", format: asMicroseconds, log: true,
    series: byPercentile("waitP50", "waitP99", "waitP999") });
  new Chart(parent, { title: "Command latency", unit: "time to run, without the wait for the disk", format: asMicroseconds, log: true,
    series: byPercentile("p50", "p99", "p999") });
  new Chart(parent, { title: "Sync latency", unit: "time of an fsync of the log", format: asMicroseconds, log: true,
    detail: (s) => (s.syncs > 0 ? `, ${asCount(s.syncs)} a second` : ""), series: byPercentile("syncP50", "syncP99", "syncP999") });
  new Chart(parent, { title: "Log", unit: "on disk, against what of it is live", format: asBytes, base: 1024, marks: true, empty: 1024,
    detail: (s) => (s.rewriteShare === null || s.rewriteShare === undefined ? "" : `, rewrite at ${asShare(s.rewriteShare)}`),
    series: [{ label: "on disk", key: "disk", ink: "a", area: true }, { label: "live", key: "live", ink: "b" }] });
  new Chart(parent, { title: "Memory", unit: "bytes", format: asBytes, base: 1024,
    series: [{ label: "used", key: "memory", ink: "a", area: true }, { label: "resident", key: "resident", ink: "b" },
      { label: "limit", key: "limit", ink: "c", dash: [5, 3], optional: true }] });
  new Chart(parent, { title: "Keys", unit: "in all databases", format: asCount, whole: true,
    series: [{ label: "all", key: "keys", ink: "a", area: true }, { label: "with a time to live", key: "volatileKeys", ink: "c", dash: [5, 3] }] });
  new Chart(parent, { title: "Connections", unit: "clients", format: asCount, whole: true,
    series: [{ label: "RESP", key: "clients", ink: "a", area: true }, { label: "HTTP", key: "http", ink: "b" },
      { label: "blocked", key: "blocked", ink: "c", dash: [5, 3] }] });
  new Chart(parent, { title: "Network", unit: "bytes per second, of RESP clients", format: asBytes, base: 1024, empty: 1024,
    series: [{ label: "received", key: "bytesIn", ink: "a", mean: true }, { label: "sent", key: "bytesOut", ink: "b", mean: true }] });
  new Chart(parent, { title: "Event loop", unit: "how long an event may wait", format: asMicroseconds, log: true,
    detail: (s) => (s.busy === undefined ? "" : `, busy ${asShare(s.busy)} of the time`),
    series: [{ label: "p50", key: "lagP50", ink: "b" }, { label: "p99", key: "lagP99", ink: "a" }] });
}

/* --- tables ----------------------------------------------------------------------------------------------------- */

function cells(...contents) {
  return make("tr", {}, ...contents.map(([text, kind]) => make("td", kind ? { class: kind } : {}, text)));
}

/* Commands, and HTTP requests, in one form. */
function requestsOf(answer) {
  const commands = answer.commands.by_name.map((command) => Object.assign({}, command, { failed: command.failed + command.rejected }));
  return commands.concat(answer.http.map((route) => Object.assign({}, route, { name: `${route.method} ${route.route}`, calls: route.requests })));
}

function showCommands(before) {
  const old = new Map(before ? requestsOf(before).map((command) => [command.name, command.calls]) : []);
  const seconds = before ? (stats.server.uptime_us - before.server.uptime_us) / 1e6 : 0;
  const rows = requestsOf(stats).map((command) => {
    const rate = seconds > 0 ? Math.max(0, command.calls - (old.get(command.name) || 0)) / seconds : null;
    return { command, rate };
  });
  rows.sort((a, b) => b.rate - a.rate || b.command.calls - a.command.calls || (a.command.name < b.command.name ? -1 : 1));
  element("commands").replaceChildren(...rows.slice(0, ROWS_MAX).map(({ command, rate }) => cells([command.name, "name"],
    [asCount(rate === null ? null : Math.round(rate)), "number"], [asCount(command.calls), "number"],
    [asCount(command.failed), "number"], [asMicroseconds(command.p50_us), "number"], [asMicroseconds(command.p99_us), "number"])));
  element("commands").parentElement.hidden = rows.length === 0;
  const others = rows.length - ROWS_MAX;
  const about = "Calls and percentiles since the server started; HTTP requests with their wait for the disk.";
  setText(element("commands-note"), rows.length === 0 ? "Nothing was asked for yet." : `${others > 0 ? `and ${others} more. ` : ""}${about}`);
}

/* A word of a command as redis-cli would take it; what is no text came from the server as \xHH. */
function quoted(word) {
  const hex = (letter) => `\\x${letter.charCodeAt(0).toString(16).padStart(2, "0")}`;
  if (/^[^\s"'\x00-\x1f]+$/.test(word)) return word;
  return `"${word.replace(/"/g, '\\"').replace(/[\x00-\x1f]/g, hex)}"`;
}

let slowShown = null;

function showSlow() {
  /* What stays as it is can be selected and copied. */
  const told = JSON.stringify([stats.slow, stats.slower_than_us]);
  if (told === slowShown) return;
  slowShown = told;
  const rows = (stats.slow || []).map((slow) => {
    const words = slow.words.map(quoted).join(" ");
    const row = cells([clockTime(slow.time_s * 1000)], [slow.us < 1 ? "under 1\u202fµs" : asMicroseconds(slow.us), "number"], [words, "words"],
      [slow.client ? `${slow.client}, ${slow.peer}` : slow.peer]);
    row.children[2].setAttribute("title", words);
    return row;
  });
  element("slow").replaceChildren(...rows);
  element("slow").parentElement.hidden = rows.length === 0;
  const limit = stats.slower_than_us;
  let text = "";
  if (stats.slow === undefined) text = "This user may not see slow commands (SLOWLOG GET).";
  else if (limit < 0) text = "Slow commands are not kept: slowlog-log-slower-than is below 0.";
  else text = `${rows.length === 0 ? "None so far. " : ""}Kept is what takes longer than ${asMicroseconds(limit)} (slowlog-log-slower-than).`;
  setText(element("slow-note"), text);
}

/* --- how the server does ------------------------------------------------------------------------------------------ */

/* Whether it serves commands from now on: the keys are looked up when it begins to. */
function setServing(now) {
  if (now && !serving) find();
  serving = now;
}

function showState(state, text) {
  element("status").dataset.state = state;
  setText(element("status-text"), text);
}

/* text "": all is well. action: [label, function] of a button. */
function showBanner(text, action) {
  const banner = element("banner");
  banner.hidden = text === "";
  if (banner.firstChild && banner.firstChild.textContent === text) return;
  banner.replaceChildren(make("span", {}, text));
  if (!action) return;
  const button = make("button", { type: "button" }, action[0]);
  button.addEventListener("click", action[1]);
  banner.append(button);
}

function showServer() {
  const server = stats.server;
  const log = stats.log;
  const sync = log ? `appendfsync ${server.appendfsync}` : "memory only";
  setText(element("about"), `version ${server.version}, ${sync}, up ${asSpan(server.uptime_us / 1e6)}`);
  document.body.classList.remove("stale");
  setServing(!server.loading);
  if (server.loading) {
    const share = log && log.recovery_bytes_total ? log.recovery_bytes / log.recovery_bytes_total : 0;
    showState("warn", `Loading, ${asShare(share)}`);
    showBanner("The server is replaying its log. Commands are served when all of it is there.");
  } else if (log && log.full) {
    showState("bad", "Disk full");
    showBanner("The disk is full: writes are refused, reads go on. Writes resume by themselves when there is room.");
  } else if (log && log.last_rewrite_failed && !log.rewriting) {
    showState("warn", "Serving; the last rewrite failed");
    showBanner("");
  } else if (!log) {
    showState("warn", "Serving from memory only");
    showBanner("Nothing is kept on disk (appendonly no): a stop or a crash loses all data. " +
      "CONFIG SET appendonly yes begins a log now, with all that is in memory; then put appendonly yes into the configuration.");
  } else {
    showState("good", "Serving");
    showBanner("");
  }
}

function showGone() {
  setServing(false);
  showState("bad", "No answer");
  document.body.classList.add("stale");
  const since = answeredMs === null ? "" : ` since ${clockTime(answeredMs)}`;
  showBanner(`The server has not answered${since}. This page goes on trying, once a second.`);
}

/* --- signing in ------------------------------------------------------------------------------------------------- */

function askForLogin() {
  const dialog = element("login");
  if (dialog.open) return;
  loginWanted = true;
  setServing(false);
  showState("warn", "Signed out");
  showBanner("This server asks for a password.", ["Sign in", askForLogin]);
  setText(element("login-note"), credentials ? "Wrong user or password." : "");
  credentials = null;
  dialog.showModal();
  element("password").focus();
}

function loginBegin() {
  const dialog = element("login");
  element("login-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const bytes = new TextEncoder().encode(`${element("user").value}:${element("password").value}`);
    credentials = `Basic ${btoa(String.fromCharCode(...bytes))}`;
    element("password").value = "";
    loginWanted = false;
    dialog.close();
    poll();
  });
  element("login-cancel").addEventListener("click", () => dialog.close());
}

/* --- every second ------------------------------------------------------------------------------------------------- */

let polls = 0;
let asking = false;

async function poll() {
  if (asking || loginWanted) return;
  asking = true;
  try {
    const response = await ask("stats", { signal: AbortSignal.timeout(5000) });
    if (response.status === 401) return;
    if (!response.ok) {
      showState("bad", "Refused");
      showBanner(`The server does not tell its figures: ${await wordsOf(response)}`);
      return;
    }
    const before = stats;
    stats = await response.json();
    answeredMs = Date.now();
    const sample = sampleOf(stats, before, polls++);
    samplesAdd(sample);
    showServer();
    showTiles(sample);
    showCommands(isContinued(stats, before) ? before : null);
    showSlow();
  } catch {
    showGone();
  } finally {
    asking = false;
    requestDraw();
  }
}

/* For whoever looks from the browser's console. */
globalThis.dkv = { view, charts, now };

function begin() {
  tilesBegin();
  chartsBegin();
  keysBegin();
  loginBegin();
  newKey();
  note("key-note", "");
  for (const input of document.getElementsByName("range")) {
    input.addEventListener("change", () => {
      view.chosen = Number(input.value);
      requestDraw();
    });
    if (input.checked) view.chosen = Number(input.value);
  }
  setInterval(poll, POLL_MS);
  poll();
}

begin();
