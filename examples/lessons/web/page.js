// The page of the lessons. Commands go to a server, or, where there is none, to a worker that runs Python in this browser
// (window.LESSONS_WORKER, set by the site that --static writes).
"use strict";

const WORLDS = 200, PORTION = 20;
const PATIENCE = 60;     // seconds, of a program in this browser
const $ = id => document.getElementById(id);
const token = new URLSearchParams(location.search).get("token") || "";
const seat = Math.random().toString(36).slice(2);

let course = {lessons: [], exercises: []};
let current = null;      // a lesson or an exercise
let settings = {};       // of the sliders
let begun = false;       // whether the scene stands as the editor has it
let busy = false;

// -- commands -----------------------------------------------------------------------------------------------

const waiting = [];
let worker = null;

function hire() {
  worker = new Worker(window.LESSONS_WORKER, {type: "module"});
  worker.onmessage = message => waiting.shift()(JSON.parse(message.data));
  worker.onerror = error => { for (const done of waiting.splice(0)) done({error: "No Python here: " + error.message}); };
}

// A program without an end is ended with its worker; loading Python takes as long as it takes.
function viaWorker(command) {
  return new Promise(done => {
    const patience = command.do === "course" ? 0 : setTimeout(() => {
      worker.terminate();
      hire();
      waiting.splice(0);
      done({error: `No answer within ${PATIENCE} s: the program was ended. A method has to return.`});
    }, 1000 * PATIENCE);
    waiting.push(answer => { clearTimeout(patience); done(answer); });
    worker.postMessage(JSON.stringify(command));
  });
}

async function viaServer(command) {
  let answer;
  try {
    answer = await fetch("/command", {
      method: "POST",
      headers: {"Content-Type": "application/json", "X-Token": token},
      body: JSON.stringify({...command, seat}),
    });
  } catch (error) {
    return {error: "The server of the lessons does not answer. Was it ended?"};
  }
  return answer.ok ? answer.json() : {error: (await answer.text()).trim()};
}

async function ask(command) {
  busy = true;
  show("state", "running");
  $("state").classList.add("busy");
  for (const button of document.querySelectorAll("button")) button.disabled = true;
  try {
    return await (worker ? viaWorker(command) : viaServer(command));
  } finally {
    busy = false;
    $("state").classList.remove("busy");
    for (const button of document.querySelectorAll("button")) button.disabled = false;
    show("state", "");
  }
}

function program() {
  return {source: $("editor").value, name: current.file, settings};
}

// -- small things -------------------------------------------------------------------------------------------

function show(id, text) {
  const element = $(id);
  if (text !== undefined) element.textContent = text;
  element.hidden = false;
}

function make(tag, attributes, ...children) {
  const element = document.createElement(tag);
  Object.assign(element, attributes);
  element.append(...children);
  return element;
}

// Text with `code`, without any HTML of its own.
function inline(text) {
  return text.split(/(`[^`]+`)/).filter(Boolean).map(part =>
    part.startsWith("`") ? make("code", {textContent: part.slice(1, -1)}) : part);
}

// Paragraphs, lists (lines that begin with "  * ") and blocks that are indented.
function prose(text) {
  const parts = [];
  for (const paragraph of text.split(/\n\n+/)) {
    if (/^ +\* /.test(paragraph)) {
      const items = paragraph.split(/^ +\* /m).slice(1).map(item => item.replace(/\s+/g, " ").trim());
      parts.push(make("ul", {}, ...items.map(item => make("li", {}, ...inline(item)))));
    } else if (/^ /.test(paragraph)) {
      parts.push(make("pre", {textContent: paragraph}));
    } else {
      parts.push(make("p", {}, ...inline(paragraph.replace(/\s+/g, " "))));
    }
  }
  return parts;
}

// -- lessons ------------------------------------------------------------------------------------------------

function fill() {
  const lessons = make("optgroup", {label: "Lessons"});
  for (const lesson of course.lessons)
    lessons.append(make("option", {value: lesson.name, textContent: `${lesson.number}. ${lesson.title}`}));
  const exercises = make("optgroup", {label: "Exercises"});
  for (const task of course.exercises)
    exercises.append(make("option", {value: "!" + task.name, textContent: task.name.replace(/-/g, " ")}));
  $("choose").replaceChildren(lessons, exercises);
}

function choose(value) {
  const isTask = value.startsWith("!");
  const found = isTask ? course.exercises.find(one => one.name === value.slice(1))
                       : course.lessons.find(one => one.name === value);
  current = {...found, isTask, file: (isTask ? value.slice(1).replace(/-/g, "_") : value) + ".py"};
  location.hash = value;
  $("choose").value = value;
  $("editor").value = current.program;
  $("editor").scrollTop = 0;
  $("reading").scrollTop = 0;
  settings = {};
  begun = false;
  $("minutes").textContent = isTask ? "an exercise" : `${current.minutes} minutes`;
  for (const id of ["run", "frame", "event", "again"]) $(id).hidden = isTask;
  for (const id of ["check", "solution"]) $(id).hidden = !isTask;
  $("compare").hidden = isTask;
  $("answer").hidden = true;
  $("question").hidden = isTask;
  if (isTask) readTask(); else readLesson();
  clear();
  sliders();
}

function readLesson() {
  $("text").replaceChildren(make("h2", {textContent: current.title}), ...prose(current.text),
    make("h3", {textContent: "The program"}), ...prose(current.guide));
  const [question, choices] = current.question.split(/\n\n(?= +a\) )/);
  $("ask").replaceChildren(...prose(question));
  $("choices").replaceChildren(...choices.split(/^ +(?=[a-z]\) )/m).filter(Boolean).map(text => {
    const letter = text[0];
    const input = make("input", {type: "radio", name: "choice", value: letter});
    return make("label", {}, input, make("span", {}, ...inline(text.slice(3).replace(/\s+/g, " ").trim())));
  }));
  $("compare").textContent = "Compare with " + Object.entries(current.other).map(pair => pair.join("=")).join(", ");
}

function readTask() {
  const doc = /^"""([^]*?)"""/.exec(current.program);
  const text = (doc ? doc[1] : current.promise).split("\n\nRun it:")[0]
    .replace(/^Exercise "[^"]*": (.)/, (_, first) => first.toUpperCase());
  $("text").replaceChildren(make("h2", {textContent: current.name.replace(/-/g, " ")}), ...prose(text),
    ...prose("Change the program so that it keeps this promise, then have it checked. Each square is a world with " +
             "a storm of its own: connections are cut, programs are killed and started again."));
}

// The answer is shown after the run, to those who have given theirs.
function reveal() {
  const given = document.querySelector("#choices input:checked");
  if (current.isTask || !given || !$("answer").hidden) return;
  for (const label of document.querySelectorAll("#choices label")) {
    const letter = label.firstChild.value;
    label.classList.toggle("right", letter === current.right);
    label.classList.toggle("wrong", letter === given.value && letter !== current.right);
  }
  $("answer").replaceChildren(
    make("h3", {textContent: given.value === current.right ? "Yes" : `It is ${current.right}`}), ...prose(current.answer),
    make("h3", {textContent: "Now you"}), ...prose(current.change),
    make("h3", {textContent: "To remember"}), ...prose(current.remember));
  $("answer").hidden = false;
  $("answer").scrollIntoView({block: "nearest", behavior: "smooth"});
}

// -- sliders: for those of PREFETCH and LATENCY that the program has -------------------------------------------

const KNOBS = {
  PREFETCH: {least: 0, most: 20, step: 1, unit: ""},
  LATENCY: {least: 0, most: 0.2, step: 0.005, unit: " s"},
};

function sliders() {
  const bar = [];
  for (const [name, knob] of Object.entries(KNOBS)) {
    const found = new RegExp(`^${name} = ([\\d.]+)`, "m").exec($("editor").value);
    if (!found || current.isTask) continue;
    const value = name in settings ? settings[name] : Number(found[1]);
    const output = make("output", {textContent: value + knob.unit});
    const input = make("input", {type: "range", min: knob.least, max: knob.most, step: knob.step, value, id: "knob" + name});
    input.addEventListener("input", () => {
      settings[name] = Number(input.value);
      output.textContent = input.value + knob.unit;
      begun = false;
    });
    input.addEventListener("change", () => { if (!busy) play("run"); });
    bar.push(make("label", {}, name, input, output));
  }
  $("sliders").replaceChildren(...bar);
  $("sliders").hidden = !bar.length;
}

// -- the picture ----------------------------------------------------------------------------------------------

function clear() {
  $("main").classList.remove("comparing");
  for (const id of ["error", "report", "printed", "printedTitle", "programs"]) $(id).hidden = true;
  $("pictures").replaceChildren(make("p", {className: "empty", textContent: current.isTask
    ? "Have the program checked to see in which worlds it keeps its promise."
    : "Answer the question, then run the program, or step through it, to see what happens."}));
}

// The picture is our own SVG, in which all that comes from programs is text.
function figure(picture, caption) {
  const box = make("figure", {}, make("figcaption", {textContent: caption}));
  const holder = document.createElement("div");
  if (picture.svg) {
    const parsed = new DOMParser().parseFromString(picture.svg, "image/svg+xml");
    holder.append(document.importNode(parsed.documentElement, true));
  } else {
    holder.append(make("pre", {textContent: picture.text}));
  }
  box.append(holder);
  return box;
}

function draw(answer) {
  $("report").hidden = true;
  if (answer.error) show("error", answer.error); else $("error").hidden = true;
  if (answer.svg || answer.text)
    $("pictures").replaceChildren(figure(answer, `${answer.now.toFixed(3)} s${answer.over ? ", the end" : ""}`));
  if (answer.printed) {
    $("printed").hidden = $("printedTitle").hidden = !answer.printed.length;
    $("printed").textContent = answer.printed.join("\n");
    $("printed").scrollTop = $("printed").scrollHeight;
  }
  if (answer.programs) {
    $("programs").hidden = !answer.programs.length;
    $("programs").replaceChildren(...answer.programs.map(one => {
      const button = make("button", {textContent: one.running ? "kill" : "restart", id: "program-" + one.name});
      button.addEventListener("click", () => play(one.running ? "kill" : "restart", {program: one.name}));
      return make("span", {className: "program" + (one.running ? "" : " gone")}, one.name, button);
    }));
  }
}

async function play(what, more) {
  let answer = {};
  if (!begun || what === "run" && !more && $("again").dataset.over) answer = await ask({do: "start", ...program()});
  begun = !answer.error;
  if (begun && what !== "start") answer = await ask({do: what, ...program(), ...more});
  $("again").dataset.over = answer.over ? "yes" : "";
  if (answer.error) begun = false;
  draw(answer);
  $("seeing").scrollTop = what === "run" ? 0 : $("seeing").scrollHeight;
  if (answer.over) reveal();
}

async function compare() {
  const answer = await ask({do: "compare", ...program(), other: current.other, focus: current.focus});
  if (answer.error) { show("error", answer.error); return; }
  clear();
  $("main").classList.add("comparing");
  const names = {...settings};
  for (const name of Object.keys(current.other)) {
    const found = new RegExp(`^${name} = (.+?)( *#.*)?$`, "m").exec($("editor").value);
    if (!(name in names) && found) names[name] = found[1];
  }
  const said = pairs => Object.entries(pairs).map(pair => pair.join(" = ")).join(", ");
  $("pictures").replaceChildren(figure(answer.pictures[0], said(names)), figure(answer.pictures[1], said(current.other)));
  const back = make("button", {id: "back", textContent: "Back to the program"});
  back.addEventListener("click", () => { clear(); });
  $("report").replaceChildren(back, ...prose(current.compare));
  $("report").hidden = false;
}

// -- exercises ------------------------------------------------------------------------------------------------

async function check() {
  clear();
  const squares = Array.from({length: WORLDS}, () => make("i", {}));
  const title = make("p", {textContent: current.promise});
  const verdict = make("p", {});
  const detail = make("div", {});
  $("report").replaceChildren(title, make("div", {id: "worlds"}, ...squares), verdict, detail);
  $("report").hidden = false;
  $("pictures").replaceChildren();
  let broken = [];
  for (let first = 0; first < WORLDS; first += PORTION) {
    const answer = await ask({do: "check", ...program(), seeds: [first, first + PORTION]});
    if (answer.error) { show("error", answer.error); return; }
    for (const [seed, broke] of answer.worlds) {
      squares[seed].className = broke ? "broke" : "held";
      squares[seed].title = `world ${seed}`;
      if (broke) {
        broken.push(seed);
        squares[seed].addEventListener("click", () => { if (!busy) explain(seed, detail); });
      }
    }
    verdict.textContent = `${first + PORTION} worlds: kept in ${first + PORTION - broken.length}, broken in ${broken.length}`;
  }
  verdict.className = broken.length ? "broken" : "kept";
  if (!broken.length) verdict.textContent = `The promise held in all ${WORLDS} worlds. Well done!`;
  else await explain(broken[0], detail);
}

async function explain(seed, detail) {
  const answer = await ask({do: "show", ...program(), seed});
  if (answer.error) { show("error", answer.error); return; }
  const few = answer.faults.length;
  const matter = !few ? "It breaks without any storm, too."
    : `Of the ${answer.of} faults of its storm ${few === 1 ? "one matters" : few + " matter, together"}:`;
  detail.replaceChildren(make("h3", {textContent: `In world ${seed}`}), make("blockquote", {textContent: answer.breach}),
    make("p", {textContent: matter}), make("ul", {}, ...answer.faults.map(fault => make("li", {textContent: fault}))));
  $("pictures").replaceChildren(figure({text: answer.picture.join("\n")}, "What happened"));
}

// -- begin ----------------------------------------------------------------------------------------------------

$("choose").addEventListener("change", () => choose($("choose").value));
$("run").addEventListener("click", () => play("run"));
$("frame").addEventListener("click", () => play("step_frame"));
$("event").addEventListener("click", () => play("step_event"));
$("again").addEventListener("click", () => { begun = false; play("start"); });
$("compare").addEventListener("click", compare);
$("check").addEventListener("click", check);
$("original").addEventListener("click", () => choose($("choose").value));
$("solution").addEventListener("click", () => { $("editor").value = current.solution; });
$("editor").addEventListener("input", () => { begun = false; sliders(); });
$("editor").addEventListener("keydown", event => {
  if (event.key === "Enter" && event.ctrlKey && !busy) { event.preventDefault(); current.isTask ? check() : play("run"); }
  if (event.key === "Tab" && !event.shiftKey && !event.altKey && !event.ctrlKey) {
    event.preventDefault();
    document.execCommand("insertText", false, "    ");
  }
});
$("question").addEventListener("submit", event => event.preventDefault());
$("question").addEventListener("change", () => { if ($("again").dataset.over) reveal(); });

async function begin() {
  if (window.LESSONS_WORKER) hire();
  course = {...course, ...await ask({do: "course"})};
  if (course.error) { show("error", course.error); return; }
  fill();
  const wanted = decodeURIComponent(location.hash.slice(1));
  const known = [...$("choose").options].some(option => option.value === wanted);
  choose(known ? wanted : course.lessons[0].name);
}

begin();
