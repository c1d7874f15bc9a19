
/* --- charts ------------------------------------------------------------------------------------------------ */

/* What all charts show: the samples (samples.js), how many seconds of them, as chosen and as there are, and the moment
 * that is pointed at. */
const view = { samples: [], chosen: 120, seconds: 30, pointed: null };
const charts = [];

const GAP_SECONDS = 3.5; /* between samples; beyond, no line joins them */

/* Round numbers at even distances from 0 to at least most. */
function linearTicks(most, base) {
  if (!(most > 0)) most = 1;
  const unit = base === 1024 ? 1024 ** Math.max(0, Math.floor(Math.log(most) / Math.log(1024))) : 1;
  const rough = most / unit / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].find((times) => times * power >= rough - 1e-9) * power * unit;
  const ticks = [];
  for (let i = 0; i <= Math.ceil(most / step - 1e-9); i++) ticks.push(i * step);
  return ticks;
}

/* Powers of ten around all values. */
function decadeTicks(least, most) {
  let low = Math.floor(Math.log10(least) + 1e-9);
  let high = Math.ceil(Math.log10(most) - 1e-9);
  if (high - low < 2) high = low + 2;
  const ticks = [];
  for (let power = low; power <= high; power++) ticks.push(10 ** power);
  return ticks;
}

/* Seconds that can be seen at once, and how far apart they are told on the axis. */
const SPANS = [[30, 10], [60, 15], [120, 30], [300, 60], [600, 120], [1800, 300], [3600, 900]];

/* A page that was opened just now shows no empty hour. */
function fitSpan() {
  const there = view.samples.length > 0 ? now() - view.samples[0].t : 0;
  view.seconds = Math.min(view.chosen, (SPANS.find(([seconds]) => seconds >= there) || [view.chosen])[0]);
}

function timeTicks(seconds) {
  const step = SPANS.find(([span]) => span === seconds)[1];
  const ticks = [];
  for (let ago = seconds; ago >= 0; ago -= step) {
    const text = ago === 0 ? "now" : ago % 60 === 0 ? `−${ago / 60} min` : `−${ago} s`;
    ticks.push([ago, text]);
  }
  return ticks;
}

class Chart {
  /* spec: title, unit, format; series: label, key (in samples), ink, area, dash, mean (of several seconds in one
   * place: the mean, otherwise the most), optional (not told of while there is none); log, base (of the axis's round
   * numbers), marks (rewrites), whole (numbers), empty (the axis's end while all is 0), detail(sample). */
  constructor(parent, spec) {
    this.spec = spec;
    this.tick = asTick(spec.format);
    this.canvas = make("canvas", { tabindex: "0", role: "img" });
    this.unit = make("span", { class: "unit" }, spec.unit);
    this.values = spec.series.map(() => make("b", {}));
    const legend = make("ul", { class: "legend" });
    this.items = spec.series.map((series, i) => make("li", {}, swatch(series), series.label, this.values[i]));
    legend.append(...this.items);
    const caption = make("figcaption", {}, make("h3", {}, spec.title), this.unit);
    this.figure = make("figure", { class: "card chart" }, caption, legend, make("div", { class: "plot" }, this.canvas));
    parent.append(this.figure);
    this.listen();
    charts.push(this);
  }

  listen() {
    this.canvas.addEventListener("pointermove", (event) => {
      const ago = (this.right - event.offsetX) / (this.right - this.left) * view.seconds;
      point(ago >= 0 && ago <= view.seconds ? now() - ago : null);
    });
    this.canvas.addEventListener("pointerleave", () => point(null));
    this.canvas.addEventListener("blur", () => point(null));
    this.canvas.addEventListener("keydown", (event) => {
      const step = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (event.key === "Escape") point(null);
      if (!step || view.samples.length === 0) return;
      event.preventDefault();
      const from = view.pointed === null ? view.samples.length - 1 : nearest(view.pointed) + step;
      point(view.samples[Math.max(0, Math.min(view.samples.length - 1, from))].t);
    });
    new ResizeObserver(() => this.draw()).observe(this.canvas);
  }

  /* The samples in sight, a few pixels each at least: of more than that, the largest or the mean. */
  columns() {
    const first = now() - view.seconds;
    const seen = view.samples.filter((sample) => sample.t >= first - 2);
    const each = Math.ceil(seen.length / Math.max(60, (this.right - this.left) / 2));
    if (each <= 1) return seen;
    const columns = [];
    /* By number since the first, so that a column holds the same samples from one second to the next. */
    for (let i = 0; i < seen.length; ) {
      const group = Math.floor(seen[i].number / each);
      let end = i;
      while (end < seen.length && Math.floor(seen[end].number / each) === group) end++;
      columns.push(this.merge(seen.slice(i, end)));
      i = end;
    }
    return columns;
  }

  merge(samples) {
    const merged = { t: samples[samples.length - 1].t, gap: samples.some((sample) => sample.gap) };
    for (const { key, mean } of this.spec.series) {
      const values = samples.map((sample) => sample[key]).filter((value) => value !== null && value !== undefined);
      if (values.length === 0) merged[key] = null;
      else merged[key] = mean ? values.reduce((sum, value) => sum + value, 0) / values.length : Math.max(...values);
    }
    return merged;
  }

  ticks(columns) {
    let least = Infinity;
    let most = 0;
    for (const { key } of this.spec.series) {
      for (const sample of columns) {
        const value = sample[key];
        if (value === null || value === undefined) continue;
        most = Math.max(most, value);
        if (value > 0) least = Math.min(least, value);
      }
    }
    if (this.spec.log) return most > 0 ? decadeTicks(least, most) : decadeTicks(1, 1000);
    if (this.spec.whole) most = Math.max(most, 4);
    return linearTicks(most || this.spec.empty || 1, this.spec.base);
  }

  draw() {
    const ratio = window.devicePixelRatio || 1;
    const width = this.canvas.clientWidth;
    const height = this.canvas.clientHeight;
    if (width === 0) return;
    if (this.canvas.width !== Math.round(width * ratio) || this.canvas.height !== Math.round(height * ratio)) {
      this.canvas.width = Math.round(width * ratio);
      this.canvas.height = Math.round(height * ratio);
    }
    const context = this.canvas.getContext("2d");
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = `11px ${getComputedStyle(document.body).fontFamily}`;
    this.ink = inks();
    this.top = 8;
    this.bottom = height - 20;
    this.right = width - 4;
    this.left = this.left || 48;
    const columns = this.columns();
    const ticks = this.ticks(columns);
    this.left = Math.ceil(Math.max(...ticks.map((tick) => context.measureText(this.tick(tick)).width))) + 8;
    this.scale(ticks);
    this.drawGrid(context, ticks);
    context.save();
    context.beginPath();
    context.rect(this.left, 0, this.right - this.left + 4, this.bottom + 1);
    context.clip();
    if (this.spec.marks) this.drawRewrites(context);
    for (const series of this.spec.series) this.drawSeries(context, series, columns);
    this.drawPointed(context);
    context.restore();
    if (columns.length < 2) this.drawEmpty(context);
    this.tell();
  }

  scale(ticks) {
    const low = this.spec.log ? Math.log10(ticks[0]) : ticks[0];
    const high = this.spec.log ? Math.log10(ticks[ticks.length - 1]) : ticks[ticks.length - 1];
    const height = this.bottom - this.top;
    this.y = (value) => {
      const at = this.spec.log ? Math.log10(Math.max(value, ticks[0])) : value;
      return this.bottom - (at - low) / (high - low) * height;
    };
    const end = now();
    this.x = (t) => this.right - (end - t) / view.seconds * (this.right - this.left);
  }

  drawGrid(context, ticks) {
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    const skip = Math.ceil(ticks.length / 7);
    ticks.forEach((tick, i) => {
      const y = Math.round(this.y(tick)) + 0.5;
      context.strokeStyle = i === 0 ? this.ink.line : this.ink.grid;
      context.beginPath();
      context.moveTo(this.left, y);
      context.lineTo(this.right, y);
      context.stroke();
      context.fillStyle = this.ink.muted;
      if (i % skip === 0) context.fillText(this.tick(tick), this.left - 6, y);
    });
    context.textBaseline = "alphabetic";
    for (const [ago, text] of timeTicks(view.seconds)) {
      const x = this.right - ago / view.seconds * (this.right - this.left);
      context.textAlign = ago === 0 ? "right" : ago === view.seconds ? "left" : "center";
      context.fillText(text, x, this.bottom + 15);
    }
  }

  drawSeries(context, series, columns) {
    const { key } = series;
    const ink = this.ink[series.ink];
    context.strokeStyle = ink;
    context.fillStyle = series.area ? this.ink.area : ink;
    context.lineWidth = 1.75;
    context.lineJoin = "round";
    context.setLineDash(series.dash || []);
    let run = [];
    let last = null;
    const finish = () => {
      if (run.length > 0) this.drawRun(context, run, series.area);
      run = [];
    };
    for (const sample of columns) {
      const value = sample[key];
      const missing = value === null || value === undefined;
      const apart = last !== null && sample.t - last > Math.max(GAP_SECONDS, view.seconds / 60);
      if (missing || sample.gap || apart) finish();
      if (!missing) run.push([this.x(sample.t), this.y(value)]);
      last = sample.t;
    }
    finish();
    context.setLineDash([]);
  }

  drawRun(context, run, area) {
    context.beginPath();
    run.forEach(([x, y], i) => (i === 0 ? context.moveTo(x, y) : context.lineTo(x, y)));
    if (run.length === 1) {
      context.save();
      context.fillStyle = context.strokeStyle;
      context.fillRect(run[0][0] - 1, run[0][1] - 1, 2, 2);
      context.restore();
      return;
    }
    context.stroke();
    if (!area) return;
    context.lineTo(run[run.length - 1][0], this.bottom);
    context.lineTo(run[0][0], this.bottom);
    context.fill();
  }

  /* A band for as long as one ran, and a line where it ended. */
  drawRewrites(context) {
    context.font = context.font.replace("11px", "10.5px");
    let begun = null;
    let labelled = -Infinity;
    for (const sample of view.samples) {
      if (sample.rewriting && begun === null) begun = sample.t - 1;
      const ended = sample.rewritesEnded > 0;
      if (!ended && sample !== view.samples[view.samples.length - 1]) continue;
      if (begun === null && !ended) continue;
      const from = this.x(begun === null ? sample.t - Math.min(1, sample.rewriteSeconds || 0) : begun);
      const to = this.x(sample.t);
      context.globalAlpha = 0.14;
      context.fillStyle = this.ink.mark;
      context.fillRect(from, this.top, Math.max(to - from, 1), this.bottom - this.top);
      context.globalAlpha = 1;
      if (ended) {
        context.fillRect(Math.round(to), this.top, 1, this.bottom - this.top);
        const text = sample.rewriteFailed ? "rewrite failed" : "rewrite";
        const room = context.measureText(text).width;
        if (to - room - 6 > labelled && to - room - 6 > this.left) {
          context.textAlign = "right";
          context.fillText(text, to - 4, this.top + 9);
          labelled = to;
        }
      }
      begun = null;
    }
  }

  drawPointed(context) {
    if (view.pointed === null) return;
    const at = nearest(view.pointed);
    if (at < 0) return;
    const sample = view.samples[at];
    const x = Math.round(this.x(sample.t)) + 0.5;
    context.strokeStyle = this.ink.faint;
    context.lineWidth = 1;
    context.beginPath();
    context.moveTo(x, this.top);
    context.lineTo(x, this.bottom);
    context.stroke();
    for (const series of this.spec.series) {
      const value = sample[series.key];
      if (value === null || value === undefined) continue;
      context.fillStyle = this.ink[series.ink];
      context.beginPath();
      context.arc(x, this.y(value), 3, 0, 7);
      context.fill();
    }
  }

  drawEmpty(context) {
    context.fillStyle = this.ink.muted;
    context.textAlign = "center";
    context.font = context.font.replace(/^[\d.]+px/, "13px");
    context.fillText("gathering figures", (this.left + this.right) / 2, (this.top + this.bottom) / 2);
  }

  /* The values under the pointer, or the newest. */
  tell() {
    const at = view.pointed === null ? view.samples.length - 1 : nearest(view.pointed);
    const sample = at >= 0 ? view.samples[at] : {};
    const texts = this.spec.series.map((series) => this.spec.format(sample[series.key]));
    texts.forEach((text, i) => {
      setText(this.values[i], text);
      this.items[i].hidden = Boolean(this.spec.series[i].optional) && text === "–";
    });
    const unit = this.spec.detail && view.pointed === null ? this.spec.detail(sample) : "";
    setText(this.unit, view.pointed === null || at < 0 ? this.spec.unit + unit : `at ${clockTime(sample.ms)}`);
    const words = this.spec.series.map((series, i) => `${series.label} ${texts[i]}`).join(", ");
    this.canvas.setAttribute("aria-label", `${this.spec.title}, ${this.spec.unit}: ${words}`);
  }
}

const now = () => performance.now() / 1000;

/* The place of the sample nearest to a moment; -1 without any. */
function nearest(t) {
  let best = -1;
  for (let i = view.samples.length - 1; i >= 0; i--) {
    if (best >= 0 && Math.abs(view.samples[i].t - t) > Math.abs(view.samples[best].t - t)) break;
    best = i;
  }
  return best;
}

/* The cross-hair is the same in all charts. */
function point(t) {
  if (view.pointed === t) return;
  view.pointed = t;
  requestDraw();
}

let drawRequested = false;
function requestDraw() {
  if (drawRequested) return;
  drawRequested = true;
  requestAnimationFrame(() => {
    drawRequested = false;
    fitSpan();
    for (const chart of charts) chart.draw();
  });
}

/* The page's colours as they are now, light or dark. */
function inks() {
  const style = getComputedStyle(document.documentElement);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  const found = {};
  for (const name of ["a", "b", "c", "d", "area", "line", "grid", "muted", "faint", "mark"]) found[name] = read(name);
  return found;
}

function swatch(series) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
  for (const [key, value] of Object.entries({ width: 16, height: 8, "aria-hidden": "true" })) svg.setAttribute(key, value);
  for (const [key, value] of Object.entries({ x1: 0, y1: 4, x2: 16, y2: 4, class: `ink-${series.ink}` })) line.setAttribute(key, value);
  if (series.dash) line.setAttribute("stroke-dasharray", series.dash.join(" "));
  svg.append(line);
  return svg;
}

window.matchMedia("(prefers-color-scheme: dark)").addEventListener("change", requestDraw);
