"use strict";
// The page: a stream of events keeps it as the broker is, actions are posted. Whatever a client of the broker can name
// (queues, links, containers, messages) comes into the page as text, by textContent, and never as markup.

const $ = (id) => document.getElementById(id);
const token = document.querySelector("meta[name=broker-token]").content;

// -- text

// Controls, marks of direction and what has no width would change the line that they stand in.
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]/g;
const shown = (text) => String(text).replace(UNSEEN, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
const whole = (number) => number == null ? "–" : Math.round(number).toLocaleString("en");
const rate = (number) => number == null ? "–" : number.toLocaleString("en", { maximumFractionDigits: 1 });
const size = (bytes) => {
  let unit = 0;
  while (bytes >= 1024 && unit < 4) { bytes /= 1024; unit++; }
  return `${bytes.toLocaleString("en", { maximumFractionDigits: unit ? 1 : 0 })} ${["B", "KB", "MB", "GB", "TB"][unit]}`;
};
const several = (count, one, more = one + "s") => `${whole(count)} ${count === 1 ? one : more}`;

function element(name, text, cls) {
  const made = document.createElement(name);
  if (text != null) made.textContent = text;
  if (cls) made.className = cls;
  return made;
}

function put(id, text) {
  const place = $(id);
  if (place.textContent !== text) place.textContent = text;
}

// -- the state: what is looked at. It is in the address, so that a page that is loaded again shows the same.

const COLUMNS = [
  ["name", "Name"], ["depth", "Messages", whole], ["waiting", "Waiting", whole], ["acquired", "Unsettled", whole],
  ["bytes", "Size", size], ["consumers", "Consumers", whole], ["producers", "Producers", whole],
  ["in", "In/s", rate], ["out", "Ack/s", rate],
];
const PAGE = 50;
const state = { text: "", sort: "name", descending: false, page: 0, node: null, tab: "nodes", connections: 0 };

function remember() {
  const words = new URLSearchParams();
  for (const [name, value] of Object.entries(state)) if (value) words.set(name, value === true ? "1" : value);
  history.replaceState(null, "", "#" + words);
}

function recall() {
  const words = new URLSearchParams(location.hash.slice(1));
  state.text = words.get("text") || "";
  state.sort = COLUMNS.some((column) => column[0] === words.get("sort")) ? words.get("sort") : "name";
  state.descending = words.get("descending") === "1";
  state.page = parseInt(words.get("page"), 10) || 0;
  state.connections = parseInt(words.get("connections"), 10) || 0;
  state.node = words.get("node");
  state.tab = words.get("tab") === "connections" ? "connections" : "nodes";
  $("filter").value = state.text;
}

// -- the stream

let stream = null, retry = 0;
let order = { names: [], start: 0, found: 0, all: 0 }, connected = { total: 0, offset: 0, items: [] };
const nodes = new Map();  // rows by name: no plain object, which has names of its own
let current = null;  // the node in detail, as the broker has it

function live(kind, text) {
  $("state").dataset.state = kind;
  put("state", text);
}

function watch() {
  clearTimeout(retry);
  if (stream) stream.close();
  stream = null;
  remember();
  heads();
  if (document.hidden) return;
  const words = new URLSearchParams({ text: state.text, sort: state.sort, page: state.page, rows: PAGE });
  if (state.descending) words.set("descending", "1");
  if (state.node !== null) words.set("node", state.node);
  if (state.tab === "connections") words.set("connections", state.connections);
  const source = stream = new EventSource(location.origin + "/events?" + words);
  const on = (name, show) => source.addEventListener(name, (event) => {
    if (source === stream) show(JSON.parse(event.data));
  });
  nodes.clear();
  source.onopen = () => live("live", "live");
  source.onerror = () => {
    if (source !== stream) return;
    live("lost", "no answer from the broker; trying again");
    if (source.readyState === EventSource.CLOSED) retry = setTimeout(watch, 3000);
  };
  on("overview", showOverview);
  on("nodes", (data) => {
    for (const [name, row] of Object.entries(data.rows || {})) nodes.set(name, row);
    if (data.order) order = data.order;
    showNodes();
  });
  on("node", showNode);
  on("connections", (data) => { connected = data; showConnections(); });
}

const rates = { in: [], out: [] };

function spark(name, value) {
  const line = rates[name];
  if (value == null) return;
  line.push(value);
  if (line.length > 120) line.shift();
  const most = Math.max(1, ...line);
  const points = line.map((v, i) => `${120 - line.length + i + 1},${(23 - 21 * v / most).toFixed(1)}`);
  $(name + "-line").firstElementChild.setAttribute("points", points.join(" "));
}

let lastOverview = null;

function showOverview(data) {
  lastOverview = data;
  put("depth", whole(data.depth));
  put("bytes", size(data.bytes));
  put("tab-nodes", `Queues and topics (${whole(data.nodes)})`);
  put("tab-connections", `Connections (${whole(data.connections)})`);
  put("in", rate(data.in));
  put("out", rate(data.out));
  put("connected", whole(data.connections));
  put("links", several(data.links, "link"));
  put("dead", whole(data.dead_letters));
  put("dead-queues", data.dead_letter_queues ? `in ${several(data.dead_letter_queues, "queue")}` : "no queue for them");
  $("dead-tile").classList.toggle("alert", data.dead_letters > 0);
  put("transactions", whole(data.transactions));
  const ends = [`${whole(data.committed)} committed`, `${whole(data.rolled_back)} rolled back`];
  if (data.timed_out) ends.push(`${whole(data.timed_out)} too late`);
  put("transactions-ended", ends.join(", "));
  put("refused", whole(data.refused));
  put("errors", data.internal_errors ? several(data.internal_errors, "internal error") + ": see the log" : "no internal errors");
  $("error-tile").classList.toggle("alert", data.internal_errors > 0);
}

setInterval(() => {
  if (!lastOverview || $("state").dataset.state !== "live") return;
  spark("in", lastOverview.in);
  spark("out", lastOverview.out);
}, 1000);

// -- the list of nodes

function heads() {
  const row = $("heads");
  if (!row.children.length) {
    for (const [name, title, form] of COLUMNS) {
      const head = element("th", null, form ? "n" : "");
      const button = element("button", title);
      button.type = "button";
      button.addEventListener("click", () => {
        state.descending = state.sort === name ? !state.descending : Boolean(form);  // numbers: the most at first
        state.sort = name;
        state.page = 0;
        watch();
      });
      head.append(button);
      row.append(head);
    }
  }
  COLUMNS.forEach(([name], i) => {
    const head = row.children[i];
    if (name === state.sort) head.setAttribute("aria-sort", state.descending ? "descending" : "ascending");
    else head.removeAttribute("aria-sort");
  });
}

function makeRow(name) {
  const row = element("tr");
  row.tabIndex = 0;
  for (const [, , form] of COLUMNS) row.append(element("td", null, form ? "n" : "name"));
  const choose = () => open(name);
  row.addEventListener("click", choose);
  row.addEventListener("keydown", (event) => { if (event.key === "Enter") choose(); });
  return row;
}

const trs = new Map();

function showNodes() {
  const body = $("rows");
  for (const [name, row] of trs) {
    if (!order.names.includes(name)) { row.remove(); trs.delete(name); }
  }
  order.names.forEach((name, i) => {
    let row = trs.get(name);
    if (!row) trs.set(name, row = makeRow(name));
    const data = nodes.get(name);
    if (data && row.data !== data) fill(row, row.data = data);
    row.classList.toggle("chosen", name === state.node);
    if (body.children[i] !== row) body.insertBefore(row, body.children[i] || null);
  });
  if (state.tab === "nodes") showRange(order.start, order.names.length, order.found);
  $("empty").hidden = order.names.length > 0;
  put("empty", order.all ? "No name has this in it." : "No queues yet: each is made with the first client that names it.");
}

function fill(row, data) {
  COLUMNS.forEach(([name, , form], i) => {
    const cell = row.children[i];
    if (form) {
      const text = form(data[name]);
      if (cell.textContent !== text) cell.textContent = text;
      cell.classList.toggle("zero", !data[name]);
    } else {
      cell.replaceChildren(shown(data.name));
      if (data.kind !== "queue") cell.append(" ", element("span", data.kind, "badge"));
      if (data.dynamic) cell.append(" ", element("span", "dynamic", "badge"));
      if (data.takes_dead_letters) cell.append(" ", element("span", "dead letters", "badge dead"));
    }
  });
}

function showRange(start, count, total) {
  put("range", total ? `${whole(start + 1)} – ${whole(start + count)} of ${whole(total)}` : "");
  $("back").disabled = start === 0;
  $("forth").disabled = start + count >= total;
}

function turn(by) {
  if (state.tab === "nodes") state.page = Math.max(0, Math.round(order.start / PAGE) + by);
  else state.connections = Math.max(0, Math.round(connected.offset / PAGE) + by);
  watch();
}

// -- connections

function cells(row, texts, first, last = texts.length) {  // first and last: those of numbers
  row.replaceChildren(...texts.map((text, i) => element("td", text, i >= first && i < last ? "n" : "name")));
  return row;
}

function showConnections() {
  $("connection-rows").replaceChildren(...connected.items.map((item) => cells(element("tr"), [
    shown(item.container), shown(item.user || "–"), shown(item.address || "–") + (item.encrypted ? " (TLS)" : ""),
    shown(item.product || "–"), whole(item.sessions), whole(item.producers), whole(item.consumers), whole(item.unsettled),
  ], 4)));
  $("no-connections").hidden = connected.items.length > 0;
  if (state.tab === "connections") showRange(connected.offset, connected.items.length, connected.total);
}

function tab(name) {
  state.tab = name;
  for (const each of ["nodes", "connections"]) {
    $("tab-" + each).setAttribute("aria-selected", String(each === name));
    $(each).hidden = each !== name;
  }
  $("filter").hidden = name !== "nodes";
  put("range", "");
  watch();
}

// -- one node

function open(name) {
  state.node = name;
  current = null;
  forget();
  $("detail").hidden = name === null;
  $("facts").hidden = true;
  $("gone").hidden = true;
  put("name", name === null ? "" : shown(name));
  showNodes();
  watch();
}

// Shown in any case, in this order; other numbers where they are not 0.
const FACTS = [
  ["depth", "messages", whole], ["waiting", "waiting", whole], ["acquired", "unsettled", whole], ["bytes", "size", size],
  ["in", "in/s", rate], ["out", "ack/s", rate], ["enqueued", "enqueued", whole], ["acknowledged", "acknowledged", whole],
];
const ELSEWHERE = [...FACTS.map((fact) => fact[0]), "consumers", "producers"];

function showNode(data) {
  if (data.name !== state.node) return;
  current = data;
  $("gone").hidden = !data.gone;
  $("facts").hidden = Boolean(data.gone);
  if (data.gone) return;
  const facts = [["kind", data.kind + (data.dynamic ? ", dynamic" : "") + (data.stored ? ", stored" : "")]];
  for (const [key, title, form] of FACTS) facts.push([title, form(data[key])]);
  for (const [key, value] of Object.entries(data)) {
    if (typeof value === "number" && value && !ELSEWHERE.includes(key)) facts.push([key.replaceAll("_", " "), whole(value)]);
  }
  for (const [key, value] of Object.entries(data.policy || {})) {
    if (value !== null && value !== false) facts.push([key.replaceAll("_", " "), shown(value)]);
  }
  $("numbers").replaceChildren(...facts.map(([title, text]) => {
    const pair = element("div");
    pair.append(element("dt", title), element("dd", text));
    return pair;
  }));
  showLinks("consumer", data.consuming, (link) => {
    const row = cells(element("tr"), [shown(link.container), shown(link.name), whole(link.credit), whole(link.unsettled)], 2);
    const button = element("button", "Release");
    button.type = "button";
    button.disabled = !link.unsettled;
    button.title = "Its unsettled messages wait again, for any consumer";
    button.addEventListener("click", () => release(data.name, link));
    const cell = element("td", null, "n");
    cell.append(link.role === "browser" ? "browses" : button);
    row.append(cell);
    return row;
  });
  showLinks("producer", data.producing, (link) => cells(element("tr"), [
    shown(link.container), shown(link.name), whole(link.credit),
    link.held_back_by == null ? "may send" : `waits: ${shown(link.held_back_by)} is full`,
  ], 2, 3));
  $("messages-of-it").hidden = data.kind !== "queue";
  $("purge").disabled = !data.waiting;
}

function showLinks(kind, page, make) {
  put(kind + "s-title", `${kind === "consumer" ? "Consumers" : "Producers"} (${whole(page.total)})`);
  // A button that is under the pointer or has the focus stays the same one: rows change only where their data does.
  const body = $(kind + "-rows"), wanted = page.items.map((link) => JSON.stringify(link));
  page.items.forEach((link, i) => {
    if (!body.children[i]) body.append(element("tr"));
    if (body.children[i].dataset.data === wanted[i]) return;
    const row = make(link);
    row.dataset.data = wanted[i];
    body.children[i].replaceWith(row);
  });
  while (body.children.length > page.items.length) body.lastElementChild.remove();
  $(kind + "-table").hidden = !page.items.length;
  $("more-" + kind + "s").hidden = page.total <= page.items.length && page.total > 0;
  put("more-" + kind + "s", page.total ? `and ${whole(page.total - page.items.length)} more` : "none");
}

// -- actions

function notice(text) {
  $("notice").hidden = !text;
  put("notice", text || "");
}

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json", "X-Broker-Token": token },
  };
  try {
    // With the origin: the address of the page may have a name and a password in it, which fetch does not take.
    const answer = await fetch(location.origin + path, options);
    if (!answer.ok) throw new Error(await answer.text());
    notice("");
    return await answer.json();
  } catch (error) {
    notice(shown(error.message));
    return null;
  }
}

function sure(question, yes) {
  put("question", question);
  put("sure-yes", yes);
  const dialog = $("sure");
  dialog.returnValue = "no";
  dialog.showModal();
  return new Promise((resolve) => {
    dialog.addEventListener("close", () => resolve(dialog.returnValue === "yes"), { once: true });
  });
}

async function purge() {
  const name = state.node;
  const question = `Remove the ${several(current.waiting, "waiting message")} of ${shown(name)}? They cannot be had back.`;
  if (!await sure(question, "Purge")) return;
  const answer = await request("/purge", { node: name });
  if (answer && name === state.node) {
    forget();
    put("peeked", `${several(answer.messages, "message")} purged.`);
  }
}

async function release(name, link) {
  const question = `Have ${shown(link.container)} give back ${several(link.unsettled, "unsettled message")}? They wait again, for any consumer.`;
  if (!await sure(question, "Release")) return;
  const answer = await request("/release", { node: name, consumer: link.serial });
  if (answer && name === state.node) put("peeked", `${several(answer.messages, "message")} released.`);
}

let peekedTo = 0;

function forget() {
  peekedTo = 0;
  $("messages").replaceChildren();
  $("peek-on").hidden = true;
  put("peeked", "");
}

async function peek(offset) {
  const name = state.node;
  const answer = await request(`/messages?${new URLSearchParams({ node: name, offset })}`);
  if (!answer || name !== state.node) return;
  const messages = answer.messages;
  peekedTo = offset + messages.length;
  $("messages").replaceChildren(...messages.map(showMessage));
  $("peek-on").hidden = messages.length === 0 || peekedTo >= (current ? current.depth : 0);
  put("peeked", messages.length ? `${whole(offset + 1)} – ${whole(peekedTo)}, from the head of the queue` : "No messages.");
}

function showMessage(message) {
  const item = element("li"), head = element("header");
  head.append(element("b", "#" + message.place));
  const words = [message.state === "acquired" ? "unsettled at a consumer" : message.state, size(message.bytes)];
  if (message.durable) words.push("durable");
  if (message.priority !== 4) words.push(`priority ${message.priority}`);
  if (message.delivery_count) words.push(several(message.delivery_count, "failed delivery", "failed deliveries"));
  else if (message.redelivered) words.push("delivered before");
  if (message.expires_in != null) words.push(`expires in ${whole(message.expires_in)} s`);
  head.append(...words.map((word) => element("span", word)));
  item.append(head);
  const pairs = element("dl");
  for (const group of ["properties", "application_properties", "annotations"]) {
    for (const [key, value] of Object.entries(message[group])) {
      const pair = element("div");
      pair.append(element("dt", shown(key)), element("dd", shown(typeof value === "string" ? value : JSON.stringify(value))));
      pairs.append(pair);
    }
  }
  if (pairs.children.length) item.append(pairs);
  if (message.error) item.append(element("p", shown(message.error), "empty"));
  const value = message.body === null && message.clipped ? message.data : message.body;
  const text = typeof value === "string" ? value : JSON.stringify(value, null, 2);
  item.append(element("pre", text.split("\n").map(shown).join("\n") + (message.clipped ? "\n… (there is more)" : "")));
  return item;
}

// -- beginning

let typing = 0;
$("filter").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => { state.text = $("filter").value; state.page = 0; watch(); }, 200);
});
$("back").addEventListener("click", () => turn(-1));
$("forth").addEventListener("click", () => turn(1));
$("tab-nodes").addEventListener("click", () => tab("nodes"));
$("tab-connections").addEventListener("click", () => tab("connections"));
$("close").addEventListener("click", () => open(null));
$("peek").addEventListener("click", () => peek(0));
$("peek-on").addEventListener("click", () => peek(peekedTo));
$("purge").addEventListener("click", purge);
document.addEventListener("visibilitychange", watch);
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && state.node !== null && !$("sure").open) open(null);
});
recall();
const node = state.node;
tab(state.tab);
if (node !== null) open(node);
