// The worker of the site in Node: commands are lines of JSON on standard input, answers are lines on standard output.
//
//     node run.mjs SITE
import { readFile } from "node:fs/promises";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const site = pathToFileURL(process.argv[2] + "/");
const answers = [];
globalThis.self = {
  location: {href: new URL("worker.js", site).href},
  postMessage: text => answers.shift()(text),
};
globalThis.fetch = async name => {
  const bytes = await readFile(new URL(name, site));
  return {ok: true, arrayBuffer: async () => Uint8Array.from(bytes).buffer};
};
await import(new URL("worker.js", site));
for await (const line of createInterface({input: process.stdin})) {
  const answer = new Promise(done => answers.push(done));
  self.onmessage({data: line});
  process.stdout.write(await answer + "\n");
}
