"use strict";
(() => {
const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const make = (tag, text, kind) => {
  const e = document.createElement(tag);
  if (text !== undefined && text !== null) e.textContent = text;
  if (kind) e.className = kind;
  return e;
};
const time = (us) => (us === null ? "" : (us / 1e6).toFixed(us < 1e9 ? 6 : 3).replace(/(\.\d\d\d)000$/, "$1"));
const span = (us) => us === null ? "" : us < 1000 ? us + " \u00b5s" : us < 1e6 ? (us / 1000).toFixed(us < 1e4 ? 2 : 1) + " ms" : (us / 1e6).toFixed(2) + " s";

// -- the sequence diagram: rows that unfold ------------------------------------------------------------------
const svg = document.querySelector("#stage svg");
const rows = [...svg.querySelectorAll(".r")];
const ROW = +svg.dataset.row, HEAD = +svg.dataset.head, TAIL = +svg.dataset.tail;
const width = +svg.getAttribute("width"), heads = svg.querySelector(".heads");
const open = new Set();
let scale = 1, chosen = null, height = 0, own = false;
const groups = new Map(rows.filter((r) => r.dataset.g).map((r) => [r.dataset.g, r]));

function layout() {
  const seen = new Map();
  let y = HEAD;
  for (const row of rows) {
    const parent = row.dataset.p;
    const visible = parent === undefined || (seen.get(parent) && (row.dataset.s ? !open.has(parent) : open.has(parent)));
    if (row.dataset.g) seen.set(row.dataset.g, visible);
    row.style.display = visible ? "" : "none";
    row.shown = visible;
    if (visible) { row.setAttribute("transform", `translate(0,${y})`); y += ROW; }
    if (row.dataset.g) {
      const is = open.has(row.dataset.g);
      row.setAttribute("aria-expanded", is);
      row.querySelector(".tri").textContent = is ? "\u25be" : "\u25b8";
    }
  }
  height = y + TAIL;
  for (const life of svg.querySelectorAll(".life")) life.setAttribute("d", life.getAttribute("d").replace(/V.*/, "V" + (y + 6)));
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  fit();
  $("fold").disabled = !open.size;
  $("unfold").disabled = open.size === groups.size;
}
function fit() {
  if (!own) scale = Math.min(1.35, Math.max(0.75, ($("stage").clientWidth - 4) / width));
  svg.setAttribute("width", width * scale);
  svg.setAttribute("height", height * scale);
  follow();
}
function follow() {  // the names of the lanes stay in sight
  const past = -svg.getBoundingClientRect().top / scale;
  heads.setAttribute("transform", `translate(0,${Math.max(0, Math.min(past, height - HEAD - ROW))})`);
  heads.classList.toggle("past", past > 0);
}
addEventListener("scroll", follow, { passive: true });
addEventListener("resize", fit);
function toggle(row, wanted) {
  const group = row.dataset.g;
  if (!group || row.dataset.c || open.has(group) === wanted) return false;
  if (open.has(group)) open.delete(group); else open.add(group);
  layout();
  return true;
}
function choose(row, focus) {
  if (chosen) { chosen.classList.remove("chosen"); chosen.setAttribute("tabindex", -1); }
  chosen = row;
  row.classList.add("chosen");
  row.setAttribute("tabindex", 0);
  if (focus) { row.focus({ preventScroll: true }); row.scrollIntoView({ block: "nearest" }); }
}
function activate(row) {
  choose(row);
  if (row.dataset.g && !row.dataset.i) { toggle(row); if (row.dataset.c) note(row); return; }
  if (row.dataset.i) show(row.dataset.i, row.dataset.j, row.querySelector("title").textContent);
  else note(row);
}
svg.addEventListener("click", (event) => {
  const row = event.target.closest(".r");
  if (!row) return;
  if (event.target.closest(".tri")) { choose(row); toggle(row); } else activate(row);
});
svg.addEventListener("keydown", (event) => {
  const row = event.target.closest(".r");
  if (!row) return;
  const shown = rows.filter((r) => r.shown), at = shown.indexOf(row);
  const go = { ArrowDown: shown[at + 1], ArrowUp: shown[at - 1], Home: shown[0], End: shown[shown.length - 1] }[event.key];
  if (go) choose(go, true);
  else if (event.key === "Enter" || event.key === " ") activate(row);
  else if (event.key === "ArrowRight") toggle(row, true);
  else if (event.key === "ArrowLeft") {
    if (!toggle(row, false) && row.dataset.p !== undefined) choose(groups.get(row.dataset.p), true);
  } else return;
  event.preventDefault();
});
$("unfold").onclick = () => { for (const [group, row] of groups) if (!row.dataset.c) open.add(group); layout(); $("unfold").disabled = true; };
$("fold").onclick = () => { open.clear(); layout(); };
$("larger").onclick = () => { own = true; scale = Math.min(3, scale * 1.25); fit(); };
$("smaller").onclick = () => { own = true; scale = Math.max(0.4, scale / 1.25); fit(); };
for (const chip of document.querySelectorAll(".chip")) {
  chip.onclick = () => {
    const on = chip.getAttribute("aria-pressed") !== "true";
    for (const other of document.querySelectorAll(".chip")) other.setAttribute("aria-pressed", on && other === chip);
    for (const row of rows) row.classList.toggle("dim", on && row.dataset.l !== chip.dataset.link);
  };
}
if (rows.length) rows[0].setAttribute("tabindex", 0);
layout();

// -- one frame, field by field --------------------------------------------------------------------------------
function panel(...parts) {
  $("detail").replaceChildren(...parts);
  $("panel").hidden = false;
  document.body.classList.add("looking");
  fit();
}
function shut() {
  $("panel").hidden = true;
  document.body.classList.remove("looking");
  fit();
  if (chosen) chosen.focus({ preventScroll: true });
}
$("close").onclick = shut;
document.addEventListener("keydown", (event) => { if (event.key === "Escape" && !$("panel").hidden) shut(); });
function note(row) {
  const parts = [make("h3", row.querySelector("title").textContent)];
  if (row.dataset.c) parts.push(make("p", "There is no room for these rows in this page. To see them, look at a part of the run: --from and --until, in seconds."));
  panel(...parts);
}
function fields(name, list) {
  const table = make("table"), known = (data.spec[name] || ["", "", {}])[2];
  for (const [field, value] of list) {
    const row = make("tr"), left = make("td", field), right = make("td");
    const [type, section] = known[field] || [];
    if (type) left.append(make("small", type + (section ? " [" + section + "]" : "")));
    if (value !== null && typeof value === "object") right.append(heading("b", value.n), fields(value.n, value.f));
    else right.textContent = value;
    row.append(left, right);
    table.append(row);
  }
  return table;
}
function heading(tag, name) {
  const e = make(tag, name), section = (data.spec[name] || [""])[0];
  if (section) e.append(make("span", " [" + section + "]", "section"));
  return e;
}
function frame(index) {
  const it = data.frames[index], parts = [];
  if (!it) return [make("p", "There was no room for this frame in this page. Look at a part of the run, with --from and --until, in seconds; the recording has all frames.")];
  const protocol = it.n === "header" && it.c === undefined;
  parts.push(protocol ? make("h3", "protocol header [2.2]") : heading("h3", it.n));
  const meaning = protocol ? "Opens the protocol, with its version." : (data.spec[it.n] || [])[1];
  if (meaning) parts.push(make("p", meaning));
  parts.push(make("p", `${time(it.t)} s, ${it.w}${it.c === undefined ? "" : ", channel " + it.c}, ${it.z} bytes`, "section"));
  if (it.p) parts.push(make("p", it.p, "problem"));
  if (it.f) parts.push(fields(it.n, it.f));
  for (const [name, value] of it.m || []) {
    parts.push(heading("h4", name));
    parts.push(typeof value === "string" ? make("pre", value) : value.length ? fields(name, value) : make("p", "empty"));
  }
  if (it.b) parts.push(make("h4", "bytes"), make("pre", it.b.replace(/(..)/g, "$1 ").trim() + (it.x ? ` ... and ${it.x} more` : "")));
  return parts;
}
function show(first, last, about) {
  const parts = [make("p", about, "section"), ...frame(first)];
  if (last && last !== first) parts.push(make("h4", "the last one of these"), ...frame(last));
  panel(...parts);
}

// -- curves -----------------------------------------------------------------------------------------------------
const WIDE = 1e6, strips = [...document.querySelectorAll("#charts svg.track")].map((e) => {
  const path = e.firstElementChild.getAttribute("d"), xs = [], vs = [], top = +e.getAttribute("viewBox").split(" ")[3];
  let x = 0;
  for (const [, kind, value] of path.matchAll(/([HV])(\d+)/g)) {
    if (kind === "H") x = +value; else { xs.push(x); vs.push(top - value); }
  }
  xs.pop(); vs.pop();
  return { e, top, xs, vs, out: e.parentElement.querySelector("output") };
});
const marks = [...document.querySelectorAll(".m")], box = $("charts"), axis = $("axis");
let from = 0, until = WIDE;
const cursor = make("div"), range = make("div");
cursor.id = "cursor"; range.id = "range"; cursor.hidden = range.hidden = true;
box.append(cursor, range);
function ticks() {
  const seconds = (until - from) / WIDE * data.span / 1e6, begin = data.begin / 1e6 + from / WIDE * data.span / 1e6;
  axis.replaceChildren();
  if (!(seconds > 0)) { axis.append(make("i", begin.toFixed(3))); return; }
  const rough = seconds / 8, power = 10 ** Math.floor(Math.log10(rough)), step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= rough);
  for (let n = Math.ceil(begin / step - 1e-9); n * step <= begin + seconds; n++) {
    const place = (n * step - begin) / seconds * 100;
    if (place > 96) break;
    const tick = make("i", (n * step).toFixed(Math.max(0, -Math.floor(Math.log10(step) + 1e-9))));
    tick.style.left = place + "%";
    axis.append(tick);
  }
}
function zoom(begin, end) {
  const least = 50, size = Math.min(WIDE, Math.max(least, end - begin));
  from = Math.max(0, Math.min(WIDE - size, begin));
  until = from + size;
  for (const strip of strips) strip.e.setAttribute("viewBox", `${from} 0 ${size} ${strip.top}`);
  for (const mark of marks) {
    const place = (mark.dataset.x - from) / size * 100;
    mark.style.left = place + "%";
    mark.style.display = place < -1 || place > 101 ? "none" : "";
  }
  ticks();
}
const by = (factor, at = (from + until) / 2) => zoom(at - (at - from) * factor, at + (until - at) * factor);
const move = (part) => zoom(from + (until - from) * part, until + (until - from) * part);
$("in").onclick = () => by(0.5); $("out").onclick = () => by(2); $("whole").onclick = () => zoom(0, WIDE);
$("earlier").onclick = () => move(-0.5); $("later").onclick = () => move(0.5);
box.addEventListener("keydown", (event) => {
  const act = { "+": () => by(0.5), "=": () => by(0.5), "-": () => by(2), 0: () => zoom(0, WIDE), ArrowLeft: () => move(-0.25), ArrowRight: () => move(0.25) }[event.key];
  if (act && event.target === box) { act(); event.preventDefault(); }
});
const place = (event) => {
  const area = axis.getBoundingClientRect();
  const part = Math.max(0, Math.min(1, (event.clientX - area.left) / area.width));
  return { part, x: from + part * (until - from), left: area.left - box.getBoundingClientRect().left + part * area.width };
};
let drag = null;
box.addEventListener("pointerdown", (event) => {
  if (event.button === 0 && event.target.closest(".track")) { drag = place(event); box.setPointerCapture(event.pointerId); }
});
box.addEventListener("pointermove", (event) => {
  const now = place(event);
  cursor.hidden = false;
  cursor.style.left = now.left + "px";
  for (const { xs, vs, out } of strips) {
    let low = 0, high = xs.length;
    while (low < high) { const mid = (low + high) >> 1; if (xs[mid] <= now.x) low = mid + 1; else high = mid; }
    out.textContent = low ? vs[low - 1] : 0;
  }
  range.hidden = !drag;
  if (drag) { range.style.left = Math.min(drag.left, now.left) + "px"; range.style.width = Math.abs(now.left - drag.left) + "px"; }
});
box.addEventListener("pointerup", (event) => {
  const begin = drag, end = place(event);
  drag = null; range.hidden = true;
  if (begin && Math.abs(begin.left - end.left) > 5) zoom(Math.min(begin.x, end.x), Math.max(begin.x, end.x));
});
box.addEventListener("pointercancel", () => { drag = null; range.hidden = true; });
box.addEventListener("pointerleave", () => { cursor.hidden = true; for (const { out } of strips) out.textContent = ""; });
box.addEventListener("dblclick", () => zoom(0, WIDE));
zoom(0, WIDE);

// -- deliveries ---------------------------------------------------------------------------------------------------
const link = (n) => (data.links[n] ? `${data.links[n][0] || ""} ${data.links[n][1]}`.trim() : "link " + n);
const folded = data.table.folded;
const columns = [
  ["Link", (r) => link(r[0]), "w"],
  ["Id", (r) => r[1], "n", (r) => r[3] > 1 ? `${r[1]}-${r[2]}` : r[1]],
  ...(folded ? [["Count", (r) => r[3], "n"]] : []),
  ["Tag", (r) => r[4], ""],
  ["Message", (r) => r[5], "w"],
  ["Sent", (r) => r[6], "n", (r) => time(r[6])],
  ["Received", (r) => r[7], "n", (r) => time(r[7])],
  ["Latency", (r) => r[15], "n", (r) => span(r[15])],
  ["Outcome", (r) => r[10] || "unsettled", "", (r) => (r[10] || "unsettled") + (r[13] ? ": " + r[13] : "")],
  ["Settled after", (r) => r[16], "n", (r) => span(r[16])],
  ["Redelivered", (r) => r[11], "n", (r) => r[11] || ""],
  ["Bytes", (r) => r[12], "n"],
];
const PAGE = 100;
let sorted = null, down = false, found = data.table.rows, first = 0;
columns.forEach(([name, , kind], number) => {
  const head = make("th", null, kind), button = make("button", name);
  head.scope = "col"; button.type = "button";
  button.onclick = () => { down = sorted === number && !down; sorted = number; search(); };
  head.append(button);
  $("heads").append(head);
});
function search() {
  const wanted = $("filter").value.trim().toLowerCase();
  found = data.table.rows;
  if (wanted) found = found.filter((r) => `${link(r[0])} ${r[4]} ${r[5]} ${r[10] || "unsettled"} ${r[13]} ${r[11] ? "redelivered" : ""}`.toLowerCase().includes(wanted));
  if (sorted !== null) {
    const key = columns[sorted][1], sign = down ? -1 : 1;
    found = [...found].sort((a, b) => {
      const x = key(a), y = key(b);
      if (x === y) return 0;
      if (x === null) return 1;
      if (y === null) return -1;
      return (x < y ? -1 : 1) * sign;
    });
  }
  [...$("heads").children].forEach((head, number) => {
    if (number === sorted) head.setAttribute("aria-sort", down ? "descending" : "ascending"); else head.removeAttribute("aria-sort");
  });
  first = 0;
  fill();
}
function fill() {
  $("rows").replaceChildren(...found.slice(first, first + PAGE).map((r) => {
    const row = make("tr");
    row.tabIndex = 0;
    for (const [name, value, kind, text] of columns) row.append(make("td", (text || value)(r), kind + (name === "Outcome" ? " " + (r[10] || "") : "")));
    const act = () => show(r[14], null, `${link(r[0])}, delivery ${r[1]}`);
    row.onclick = act;
    row.onkeydown = (event) => { if (event.key === "Enter") act(); };
    return row;
  }));
  $("where").textContent = found.length ? `${first + 1} to ${Math.min(first + PAGE, found.length)} of ${found.length}` : "none";
  $("previous").disabled = !first;
  $("next").disabled = first + PAGE >= found.length;
}
$("caption").textContent = folded ? `${data.table.all} deliveries, equal ones in one row; latency and time to settle are the longest of a row` : "";
$("filter").oninput = search;
$("previous").onclick = () => { first -= PAGE; fill(); };
$("next").onclick = () => { first += PAGE; fill(); };
search();
document.body.dataset.ready = "yes";
})();
