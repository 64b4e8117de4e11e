"use strict";
// The plots: uPlot, with a legend of our own that shows the second under the pointer, else the latest.

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const clock = (second) => `${Math.floor(second / 60)}:${String(Math.floor(second) % 60).padStart(2, "0")}`;
const whole = (value) => Math.abs(value - Math.round(value)) < 1e-9;
const HEIGHT = 150;
const DASHES = [[], [8, 4], [2, 3]];

/** Shade what was broken, and say what it was. */
function shading(plot) {
  return {
    hooks: {
      drawClear: (u) => {
        for (const span of plot.spans) {
          const { left, width } = place(u, span);
          if (width <= 0) continue;
          u.ctx.save();
          u.ctx.globalAlpha = 0.14;
          u.ctx.fillStyle = color("--fault");
          u.ctx.fillRect(left, u.bbox.top, width, u.bbox.height);
          u.ctx.restore();
        }
      },
      draw: (u) => {
        const size = 11 * devicePixelRatio;
        let row = 0;
        let until = -1;
        for (const span of plot.spans) {
          const { left, width } = place(u, span);
          if (width <= 0) continue;
          u.ctx.save();
          u.ctx.beginPath();
          u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
          u.ctx.clip();
          u.ctx.font = `600 ${size}px system-ui, sans-serif`;
          u.ctx.fillStyle = color("--fault");
          u.ctx.textBaseline = "top";
          u.ctx.textAlign = "left";
          const long = u.ctx.measureText(span.what).width + size / 3;
          const at = Math.max(u.bbox.left, Math.min(left + size / 3, u.bbox.left + u.bbox.width - long));
          row = at < until ? (row + 1) % 4 : 0;
          until = at + long;
          u.ctx.fillText(span.what, at, u.bbox.top + size / 3 + row * size * 1.3);
          u.ctx.restore();
        }
      },
    },
  };
}

/** Where a span is within the plot, in the canvas's pixels. */
function place(u, span) {
  const from = Math.max(span.start, u.scales.x.min);
  const to = Math.min(span.end ?? u.scales.x.max, u.scales.x.max);
  const left = u.valToPos(from, "x", true);
  return { left, width: u.valToPos(to, "x", true) - left };
}

/** A plot in the element: `lines` have a name, a variable of the style and a dash or none; `bars` are stacked. */
class Plot {
  constructor(element, { lines, bars = false, logarithmic = false, unit = "", describe }) {
    this.element = element;
    this.lines = lines;
    this.bars = bars;
    this.unit = unit;
    this.spans = [];
    this.shown = [];
    this.canvas = document.createElement("div");
    this.canvas.setAttribute("role", "img");
    this.canvas.setAttribute("aria-label", describe);
    this.legend = document.createElement("ul");
    this.legend.className = "legend";
    this.values = lines.map((line, number) => this.entry(line, number));
    element.append(this.canvas, this.legend);
    const axis = {
      stroke: () => color("--faint"),
      grid: { stroke: () => color("--line"), width: 1 },
      ticks: { stroke: () => color("--line"), width: 1 },
      font: "12px system-ui, sans-serif",
    };
    const y = logarithmic
      ? { distr: 3, range: (u, low, high) => [10, Math.max(high ?? 1000, 1000) * 8] }
      : { range: (u, low, high) => [0, Math.max(4, (high ?? 0) * 1.7)] };
    const filter = (u, splits) => splits.map((value) => (logarithmic && !whole(Math.log10(value)) ? null : value));
    this.u = new uPlot(
      {
        width: Math.max(200, element.clientWidth),
        height: HEIGHT,
        legend: { show: false },
        cursor: { drag: { x: false, y: false }, y: false, points: { show: !bars } },
        scales: { x: { time: false, range: (u, low, high) => [low ?? 0, Math.max(high ?? 0, (low ?? 0) + 60)] }, y },
        axes: [
          { ...axis, size: 28, grid: { show: false }, values: (u, splits) => splits.map(clock) },
          {
            ...axis,
            size: 64,
            grid: { ...axis.grid, filter },
            ticks: { ...axis.ticks, filter },
            filter,
            values: (u, splits) => splits.map((value) => (value !== null && whole(value) ? this.tick(value) : "")),
          },
        ],
        series: [{}, ...lines.map((line, number) => this.series(line, number))],
        plugins: [shading(this)],
        hooks: { setCursor: [() => this.label()] },
      },
      [[], ...lines.map(() => [])],
      this.canvas,
    );
    new ResizeObserver(() => this.resize()).observe(element);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.u.redraw(false));
  }

  tick(value) {
    if (this.unit && value >= 1000) return `${value / 1000} s`;
    return `${value}${this.unit}`;
  }

  series(line, number) {
    const stroke = () => color(line.color);
    if (this.bars) {
      return { stroke, fill: stroke, width: 0, paths: uPlot.paths.bars({ size: [0.85], align: 0 }), points: { show: false } };
    }
    return { stroke, width: 2, dash: DASHES[number % DASHES.length], points: { show: false }, spanGaps: false };
  }

  entry(line, number) {
    const item = document.createElement("li");
    const swatch = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    swatch.setAttribute("viewBox", "0 0 32 16");
    swatch.setAttribute("aria-hidden", "true");
    const mark = document.createElementNS("http://www.w3.org/2000/svg", this.bars ? "rect" : "line");
    const where = this.bars ? { x: 8, y: 0, width: 16, height: 16 } : { x1: 0, y1: 8, x2: 32, y2: 8 };
    for (const [name, value] of Object.entries(where)) mark.setAttribute(name, value);
    if (this.bars) {
      mark.style.fill = `var(${line.color})`;
    } else {
      mark.style.stroke = `var(${line.color})`;
      mark.style.strokeWidth = 4;
      mark.style.strokeDasharray = DASHES[number % DASHES.length].join(" ");
    }
    swatch.append(mark);
    const value = document.createElement("b");
    item.append(swatch, `${line.name} `, value);
    this.legend.append(item);
    return value;
  }

  /** Show these columns, one for each line. */
  show(at, columns, spans) {
    this.spans = spans;
    this.shown = columns;
    const data = this.bars ? stacked(columns) : columns;
    this.u.setData([at, ...data]);
    this.label();
  }

  label() {
    if (!this.u) return;
    const last = this.u.data[0].length - 1;
    const index = this.u.cursor.idx ?? last;
    this.values.forEach((value, number) => {
      const shown = this.shown[number]?.[index];
      value.textContent = shown === null || shown === undefined ? "–" : `${shown}${this.unit}`;
    });
  }

  resize() {
    const width = Math.floor(this.element.clientWidth);
    if (width && width !== this.u.width) this.u.setSize({ width, height: HEIGHT });
  }
}

/** The columns on top of one another: the first is the lowest, and is drawn last. */
function stacked(columns) {
  return columns.map((_, number) =>
    columns[number].map((__, at) => columns.slice(number).reduce((sum, column) => sum + column[at], 0)),
  );
}
