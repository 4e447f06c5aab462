/* Draws the curves of a training with uPlot. The figures are the server's, in #metrics; while the training goes on they
   are renewed with each fragment, and the drawings only take the new points. */
"use strict";
(() => {
  const calm = matchMedia("(prefers-color-scheme: dark)");
  let plots = [];
  let drawn = "";

  /* A colour of the stylesheet as a canvas takes it. */
  function colour(name) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = `var(--${name})`;
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }
  const percent = (value) => (value === null || value === undefined ? "–" : `${(100 * value).toFixed(1)} %`);
  const short = (value) => (value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString());

  function charts(labels, others) {
    const line = (label, stroke, value, more) => ({ label, stroke, value: (_, v) => value(v), width: 2, spanGaps: true, points: { size: 5 }, ...more });
    const train = (value) => line(labels.train, colour("edge"), value, { dash: [3, 4] });
    const validation = (value) => line(labels.validation, colour("brand"), value);
    const sisters = Array.from({ length: others }, () => ({ stroke: colour("line"), width: 1.5, points: { show: false } }));
    return [
      { title: labels.accuracy, names: ["train_accuracy", "validation_accuracy"], series: [train(percent), validation(percent), ...sisters], axis: (v) => `${Math.round(100 * v)} %` },
      { title: labels.loss, names: ["train_loss", "validation_loss"], series: [train(short), validation(short)], axis: short },
      { title: labels.rate, names: ["learning_rate"], series: [line(labels.rate, colour("brand"), short)], axis: short },
      { title: labels.pace, names: ["images_per_second"], series: [line(labels.pace, colour("brand"), short)], axis: short },
    ];
  }

  function values(chart, figures) {
    const whole = chart.names.map((name) => figures[name]);
    if (chart.names[0] !== "train_accuracy") return [figures.x, ...whole];
    return [figures.x, ...whole, ...figures.others.map((sister) => figures.x.map((_, index) => sister[index] ?? null))];
  }

  function frame(box, chart) {
    const heading = Object.assign(document.createElement("h3"), { textContent: chart.title });
    const room = Object.assign(document.createElement("div"), { className: "chart" });
    room.append(heading);
    box.append(room);
    return room;
  }

  function make(room, epoch, chart, figures) {
    const axis = { stroke: colour("ink-2"), grid: { stroke: colour("line"), width: 1 }, ticks: { show: false }, font: "12px sans-serif" };
    return new uPlot({
      width: room.clientWidth,
      height: 190,
      scales: { x: { time: false, range: () => [Math.min(1, figures.x[0] ?? 1), Math.max(figures.epochs, 2)] } },
      axes: [{ ...axis, size: 28, incrs: [1, 2, 5, 10, 20, 50, 100] }, { ...axis, size: 56, values: (_, marks) => marks.map(chart.axis) }],
      series: [{ label: epoch, value: (_, v) => (v === null ? "–" : short(v)) }, ...chart.series],
    }, values(chart, figures), room);
  }

  function draw() {
    const box = document.getElementById("plots");
    const text = document.getElementById("metrics")?.dataset.plot;
    if (!box || !text || !window.uPlot) return;
    const fresh = plots.length === 0 || !box.contains(plots[0].root);
    if (text === drawn && !fresh) return;
    const figures = JSON.parse(text);
    if (figures.x.length < 2) return;
    drawn = text;
    document.body.classList.add("plotted");
    const wanted = charts(box.dataset, figures.others.length).filter((chart) => figures[chart.names[0]].some((value) => value));
    if (fresh || plots.length !== wanted.length) {
      box.replaceChildren();
      const rooms = wanted.map((chart) => frame(box, chart)); // all of them first: each is as wide as it stays
      plots = wanted.map((chart, index) => make(rooms[index], box.dataset.epoch, chart, figures));
    } else {
      wanted.forEach((chart, index) => plots[index].setData(values(chart, figures)));
    }
  }

  function again() {
    plots = [];
    draw();
  }

  document.addEventListener("DOMContentLoaded", draw);
  document.addEventListener("htmx:afterSettle", draw);
  document.addEventListener("htmx:sseMessage", () => setTimeout(draw));
  calm.addEventListener("change", again);
  addEventListener("resize", again);
})();
