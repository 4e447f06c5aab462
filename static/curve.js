/* Draws the curves of a training with uPlot. The figures are the server's, in #metrics; while the training goes on they
   are renewed with each fragment, and the drawings only take the new points. */
"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const language = document.documentElement.lang;
  let plots = [];
  let drawn = "";

  /* A colour of the stylesheet as a canvas takes it. */
  function colour(css) {
    const probe = document.body.appendChild(document.createElement("i"));
    probe.style.color = css;
    const value = getComputedStyle(probe).color;
    probe.remove();
    return value;
  }

  const written = (value, options) => new Intl.NumberFormat(language, options).format(value);
  const percent = (digits) => (value) => written(value, { style: "percent", minimumFractionDigits: digits, maximumFractionDigits: digits });
  const whole = (value) => written(value, { maximumFractionDigits: 0 });
  const fixed = (digits) => (value) => written(value, { minimumFractionDigits: digits, maximumFractionDigits: digits });
  const short = (value) => written(value, { maximumSignificantDigits: 3, notation: "compact" });

  /* As many decimals as tell the marks of an axis apart, which are a step from each other. */
  function marks(values, step, share) {
    const each = share ? 100 * step : step;
    let digits = 0;
    while (digits < 9 && Math.abs(each * 10 ** digits - Math.round(each * 10 ** digits)) > 1e-6) digits += 1;
    if (step >= 1e5) return values.map(short);
    return values.map(share ? percent(digits) : fixed(digits));
  }

  function charts(labels, others) {
    const brand = colour("var(--brand)");
    const line = (label, value, more) => ({ label, value: told(value), stroke: brand, width: 2, spanGaps: true, points: { size: 5 }, ...more });
    const train = (value) => line(labels.train, value, { stroke: colour("var(--edge)"), dash: [3, 4] });
    const faint = { stroke: colour("color-mix(in srgb, var(--brand) 40%, var(--sheet))"), width: 1, points: { show: false } };
    const sisters = Array.from({ length: others }, (_, index) => line(labels.others, () => "", { ...faint, class: index ? "unlisted" : "unvalued" }));
    return [
      { title: labels.accuracy, names: ["train_accuracy", "validation_accuracy"], share: true, series: [train(percent(1)), line(labels.validation, percent(1)), ...sisters] },
      { title: labels.loss, names: ["train_loss", "validation_loss"], series: [train(fixed(3)), line(labels.validation, fixed(3))] },
      { title: labels.rate, names: ["learning_rate"], series: [line(labels.rate, fixed(6))] },
      { title: labels.pace, names: ["images_per_second"], series: [line(labels.pace, whole)] },
    ];
  }

  /* What the legend says of a series: its value under the pointer, else that of the last whole epoch. */
  function told(write) {
    return (plot, value, series, index) => {
      const shown = index === null ? plot.data[series][plot.data[0].findLastIndex(Number.isInteger)] : value;
      return shown === null || shown === undefined ? "–" : write(shown);
    };
  }

  function values(chart, figures) {
    const sisters = chart.share ? figures.others : [];
    return [figures.x, ...chart.names.map((name) => figures[name]), ...sisters.map((sister) => figures.x.map((_, index) => sister[index] ?? null))];
  }

  /* The last epoch of the axis: a round number, so that few epochs of many can be told apart. */
  function end(figures) {
    const last = figures.x.at(-1);
    return Math.max(2, Math.min(figures.epochs, [10, 20, 50, 100, 200, 500].find((round) => round >= last) ?? figures.epochs));
  }

  function frame(box, chart) {
    const room = Object.assign(document.createElement("div"), { className: "chart" });
    room.append(Object.assign(document.createElement("h3"), { textContent: chart.title }));
    box.append(room);
    return room;
  }

  function make(room, epoch, chart, figures) {
    const style = getComputedStyle(room);
    const size = parseFloat(style.fontSize);
    const axis = { stroke: colour("var(--ink-2)"), grid: { stroke: colour("var(--line)"), width: 1 }, ticks: { show: false }, font: `${0.8 * size}px ${style.fontFamily}` };
    return new uPlot({
      width: room.clientWidth,
      height: 12 * size,
      cursor: { drag: { x: false } },
      legend: { markers: { dash: (plot, index) => (plot.series[index].dash ? "dotted" : "solid") } },
      scales: { x: { time: false, range: () => [1, end(JSON.parse(drawn))] } },
      axes: [
        { ...axis, size: 2 * size, incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500], values: (_, at) => at.map(whole) },
        { ...axis, size: 4 * size, values: (_, at, __, ___, step) => marks(at, step, chart.share) },
      ],
      series: [{ label: epoch, value: told((x) => whole(Math.ceil(x))) }, ...chart.series],
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
    for (const plot of plots) if (plot.cursor.idx === null || plot.cursor.idx === undefined) plot.setLegend({ idx: null });
  }

  function again() {
    plots = [];
    draw();
  }

  document.addEventListener("DOMContentLoaded", () => {
    draw();
    document.fonts.ready.then(again); // what was drawn before its typeface had come is drawn in another one
  });
  document.addEventListener("htmx:afterSettle", draw);
  document.addEventListener("htmx:sseMessage", () => setTimeout(draw));
  dark.addEventListener("change", again);
  addEventListener("resize", again);
})();
