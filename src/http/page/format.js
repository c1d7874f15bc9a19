
/* --- elements and text for people ------------------------------------------------------------------------ */

const element = (id) => document.getElementById(id);

/* A new element. Children that are strings become text, whatever is in them. */
function make(name, attributes, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function setText(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

/* Three digits that count: 9.87, 98.7, 987. */
function digits(value) {
  if (value === 0) return "0";
  return value < 9.995 ? value.toFixed(2) : value < 99.95 ? value.toFixed(1) : whole.format(value);
}

function scaled(value, base, units) {
  let unit = 0;
  while (unit < units.length - 1 && value >= base) {
    value /= base;
    unit++;
  }
  return [value, units[unit]];
}

/* Each gives [number, unit]. */
function countParts(value) {
  if (value < 10000) return [value < 9.95 ? String(Number(value.toFixed(1))) : whole.format(value), ""];
  const [number, unit] = scaled(value, 1000, ["", "k", "M", "G", "T"]);
  return [digits(number), unit];
}

function bytesParts(value) {
  const [number, unit] = scaled(value, 1024, ["B", "KiB", "MiB", "GiB", "TiB"]);
  return [unit === "B" ? whole.format(number) : digits(number), unit];
}

function microsecondsParts(value) {
  const [number, unit] = scaled(value * 1000, 1000, ["ns", "µs", "ms", "s"]);
  return [unit === "ns" ? whole.format(number) : digits(number), unit];
}

function shareParts(value) {
  return [whole.format(value * 100), "%"];
}

const joined = (parts) => (value) => value === null || value === undefined ? "–" : parts(value).filter(Boolean).join("\u202f");
const asCount = joined(countParts);
const asBytes = joined(bytesParts);
const asMicroseconds = joined(microsecondsParts);
const asShare = joined(shareParts);

/* A round number on an axis: "10 MiB", not "10.0 MiB". */
const asTick = (format) => (value) => format(value).replace(/\.0+(?=\D|$)/, "").replace(/(\.\d*[1-9])0+(?=\D|$)/, "$1");

/* "3 d 4 h", "5 min 2 s". */
function asSpan(seconds) {
  const units = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  let left = Math.max(0, Math.floor(seconds));
  const parts = [];
  for (const [size, name] of units) {
    const count = Math.floor(left / size);
    left %= size;
    if (count > 0 || (size === 1 && parts.length === 0)) parts.push(`${count}\u202f${name}`);
    if (parts.length === 2) break;
  }
  return parts.join(" ");
}

const clockTime = (ms) => new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hour12: false });
