// Runs Python in the browser: a Seat, as the server of the page has one in a process. Commands and answers are JSON.
"use strict";

const place = new URL("PLACE_OF_PYODIDE", self.location.href).href;

const ready = (async () => {
  const {loadPyodide} = await import(place + "pyodide.mjs");
  const python = await loadPyodide();
  const archive = await fetch("lessons.zip");
  if (!archive.ok) throw new Error("lessons.zip: status " + archive.status);
  python.unpackArchive(await archive.arrayBuffer(), "zip", {extractDir: "/lessons"});
  return python.runPython(`
import json
import sys

sys.path.insert(0, "/lessons")
from examples.lessons.web.seat import Seat

seat = Seat()
lambda command: json.dumps(seat.answer(json.loads(command)))
`);
})();

self.onmessage = async message => {
  let answer;
  try {
    answer = (await ready)(message.data);
  } catch (error) {
    answer = JSON.stringify({error: "Python in the browser: " + error.message});
  }
  self.postMessage(answer);
};
