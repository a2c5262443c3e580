"use strict";
// Reads values off the charts, walks a lineage, shows two programs side by side. It makes no markup
// of any text, and the page is whole without it.
(() => {
  const number = (v) => Math.abs(v) >= 1000 ? Math.round(v).toLocaleString("en-US")
    : String(Number(v.toPrecision(4)));
  const scale = (text) => {
    const [low, high, start, end] = text.split(" ").map(Number);
    return (pixel) => low + (high - low) * (pixel - start) / (end - start);
  };

  function readable(figure) {
    const plot = figure.querySelector(".plot"), svg = plot && plot.querySelector("svg");
    if (!svg) return;
    const x = scale(svg.dataset.x), y = scale(svg.dataset.y);
    const lines = new Map();
    for (const line of svg.querySelectorAll("polyline[data-name]")) {
      const points = line.getAttribute("points").split(" ").filter(Boolean);
      lines.set(line.dataset.name, points.map((p) => p.split(",").map(Number)));
    }
    for (const dot of svg.querySelectorAll("circle[data-name]")) {
      const name = dot.dataset.name;
      if (!lines.has(name)) lines.set(name, []);
      lines.get(name).push([Number(dot.getAttribute("cx")), Number(dot.getAttribute("cy"))]);
    }
    const all = [...new Set([...lines.values()].flat().map((p) => p[0]))].sort((a, b) => a - b);
    if (!all.length) return;
    const cursor = document.createElementNS("http://www.w3.org/2000/svg", "line");
    cursor.setAttribute("class", "cursor");
    cursor.setAttribute("y1", 12);
    cursor.setAttribute("y2", 254);
    const readout = figure.querySelector(".readout");
    let index = all.length - 1;
    const show = () => {
      const at = all[index];
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      svg.append(cursor);
      const values = [];
      for (const [name, points] of lines) {
        const near = points.reduce((a, b) => Math.abs(b[0] - at) < Math.abs(a[0] - at) ? b : a);
        if (Math.abs(near[0] - at) < 6) values.push(name + " " + number(y(near[1])));
      }
      readout.textContent = "at " + number(x(at)) + ": " + values.slice(0, 8).join("; ");
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const at = (event.clientX - box.left) * 480 / box.width;
      index = all.reduce((best, v, i) => Math.abs(v - at) < Math.abs(all[best] - at) ? i : best, 0);
      show();
    });
    plot.addEventListener("keydown", (event) => {
      const far = event.shiftKey ? 10 : 1;
      const to = { ArrowLeft: index - far, ArrowRight: index + far, Home: 0, End: all.length - 1 };
      if (!(event.key in to)) return;
      event.preventDefault();
      index = Math.min(all.length - 1, Math.max(0, to[event.key]));
      show();
    });
  }

  function walkable(box) {
    const select = box.querySelector("select"), panels = [...box.querySelectorAll("[data-panel]")];
    const [back, on] = box.querySelectorAll("button");
    const dots = [...box.querySelectorAll("[data-step]")];
    const show = () => {
      panels.forEach((panel, i) => { panel.hidden = i !== select.selectedIndex; });
      dots.forEach((dot) => dot.classList.toggle("chosen", dot.dataset.step === select.value));
      back.disabled = select.selectedIndex === 0;
      on.disabled = select.selectedIndex === panels.length - 1;
    };
    const go = (index) => { select.selectedIndex = index; show(); };
    back.addEventListener("click", () => go(select.selectedIndex - 1));
    on.addEventListener("click", () => go(select.selectedIndex + 1));
    dots.forEach((dot) => dot.addEventListener("click", () => {
      select.value = dot.dataset.step;
      show();
    }));
    select.addEventListener("change", show);
    select.closest(".controls").hidden = false;
    show();
  }

  function comparable(box) {
    const selects = [...box.querySelectorAll("select")];
    const pairs = [...box.querySelectorAll("[data-pair]")];
    const show = () => {
      const wanted = selects.map((select) => select.value).join(" ");
      pairs.forEach((pair) => { pair.hidden = pair.dataset.pair !== wanted; });
    };
    selects.forEach((select) => select.addEventListener("change", show));
    selects[0].closest(".controls").hidden = false;
    show();
  }

  function begin() {
    document.querySelectorAll("figure").forEach(readable);
    document.querySelectorAll(".lineage").forEach(walkable);
    document.querySelectorAll(".compare").forEach(comparable);
  }

  async function refresh() {
    const answer = await fetch(location.pathname, { cache: "no-store" });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    const chosen = [...document.querySelectorAll("select")].map((s) => [s.id, s.value]);
    const open = [...document.querySelectorAll("details")].map((d) => d.open);
    const focused = document.activeElement && document.activeElement.id;
    document.querySelector("main").replaceWith(fresh.querySelector("main"));
    for (const [id, value] of chosen) {
      const select = document.getElementById(id);
      if (select && [...select.options].some((o) => o.value === value)) select.value = value;
    }
    document.querySelectorAll("details").forEach((d, i) => { d.open = Boolean(open[i]); });
    begin();
    const again = focused && document.getElementById(focused);
    if (again) again.focus();
  }

  begin();
  const seconds = Number(document.documentElement.dataset.refresh || 0);
  if (seconds) setInterval(() => refresh().catch(() => {}), seconds * 1000);
})();
