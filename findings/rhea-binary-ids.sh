#!/usr/bin/env bash
# What most expect: a message-id of bytes travels as bytes, which is one of the four types of an id (part 3, 3.2.4), and
#   what copies the id of a request to the correlation-id of its response gives back what came.
# What happens: rhea writes each Buffer in these two fields as a UUID: its first 16 bytes, filled up with zeros.
# Version: rhea 3.0.5. Seen: 2026-11-28.
# Why it matters: a server with rhea answers a request with a binary id by another id, and the client waits for ever; two
#   ids that begin alike become one, and whoever drops duplicates drops messages.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund rhea@3.0.5 # rhea==3.0.5
cat >program.js <<'PROGRAM'
const assert = require('assert');
const { message } = require('rhea');

// A request as other libraries write it: properties with one field, message-id = b"order-1"; the body null.
const request = message.decode(Buffer.from('005373c00a01a0076f726465722d31' + '00537740', 'hex'));
const response = message.decode(message.encode({ correlation_id: request.message_id, body: null }));
const shown = (id) => `${id.length} bytes, ${JSON.stringify(id.toString('latin1'))}`;

console.log('rhea', require('rhea/package.json').version);
console.log('id of the request:              ', shown(request.message_id));
console.log('correlation-id of its response: ', shown(response.correlation_id));
const sent = ['0123456789abcdef, the first', '0123456789abcdef, the second'];
const came = sent.map((id) => message.decode(message.encode({ message_id: Buffer.from(id), body: null })).message_id);
came.forEach((id, at) => console.log(`an id of ${JSON.stringify(sent[at])}: ${shown(id)}`));
assert.strictEqual(request.message_id.toString(), 'order-1');
assert.ok(message.encode({ correlation_id: request.message_id, body: null }).includes(0x98), 'it is no uuid now');
assert.strictEqual(response.correlation_id.toString('latin1'), 'order-1' + '\0'.repeat(9), 'it behaves otherwise now');
assert.ok(came.every((id) => id.toString() === '0123456789abcdef'), 'it behaves otherwise now');
PROGRAM
node program.js
