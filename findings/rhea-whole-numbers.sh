#!/usr/bin/env bash
# What most expect: a long of AMQP, such as a sequence number or the offset in a stream, reaches a program in JavaScript
#   as it was sent, or as a BigInt, or with an error; and a BigInt is written as the number that it is, or refused.
# What happens: rhea reads a long below 2^53 + 2^32 as the nearest Number, so that 2^53 + 1 comes as 2^53; a larger one
#   comes as a Buffer with its 8 bytes, and goes out again as a binary. A BigInt is written as an empty map.
# Version: rhea 3.0.5. Seen: 2026-11-29.
# Why it matters: a program that turns the Buffer into a BigInt, the way of the language, sends {} to its peers, without
#   an error; and a number that was read and sent on is another value, or of another type.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund rhea@3.0.5 # rhea==3.0.5
cat >program.js <<'PROGRAM'
const assert = require('assert');
const { message } = require('rhea');

const read = (number) => {
    const bytes = Buffer.from('005377810000000000000000', 'hex'); // an amqp-value of type long
    bytes.writeBigInt64BE(number, 4);
    return message.decode(bytes).body;
};
const shown = (value) => (Buffer.isBuffer(value) ? `Buffer ${value.toString('hex')}` : `${typeof value} ${JSON.stringify(value)}`);
const written = (value) => message.decode(message.encode({ body: value })).body;

console.log('rhea', require('rhea/package.json').version);
const longs = [2n ** 53n - 1n, 2n ** 53n + 1n, 2n ** 53n + 2n ** 32n, 2n ** 62n];
for (const long of longs) {
    console.log(`a long of ${long} is read as`, shown(read(long)), '- and sent on as', shown(written(read(long))));
}
console.log('BigInt 5n is written as', shown(written(5n)));
assert.strictEqual(read(2n ** 53n - 1n), Number.MAX_SAFE_INTEGER);
assert.strictEqual(read(2n ** 53n + 1n), 2 ** 53, 'it behaves otherwise now');
assert.ok(Buffer.isBuffer(read(2n ** 53n + 2n ** 32n)) && Buffer.isBuffer(written(read(2n ** 62n))), 'it is a number now');
assert.deepStrictEqual(written(5n), {}, 'it behaves otherwise now');
PROGRAM
node program.js
