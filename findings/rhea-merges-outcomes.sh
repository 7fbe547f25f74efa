#!/usr/bin/env bash
# What most expect: each delivery gets the outcome that the program gave it; outcomes that are told in one disposition for
#   a range of deliveries are equal [2.7.6].
# What happens: rhea compares the outcome of a delivery with the one before only from the second of a range on
#   (write_dispositions in lib/session.js). When the first delivery of a turn is MODIFIED, RELEASED or REJECTED, those
#   that follow it are told with its outcome, whatever their own is: accepted messages come again, or are dead-lettered.
# Version: rhea 3.0.5. Seen: 2026-11-28.
# Why it matters: a broker that tests its redelivery with rhea sees messages again that a program has accepted; with a
#   credit of one message the outcomes are right.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
echo '{"private": true}' >package.json
npm install --silent --no-audit --no-fund rhea@3.0.5 # rhea==3.0.5
cat >program.js <<'PROGRAM'
const rhea = require('rhea');
const told = {};

function server() {
    const container = rhea.create_container({ id: 'server' });
    container.on('sendable', ({ sender }) => {
        if (told.sent) return;
        told.sent = true;
        for (let number = 0; number < 5; number++) sender.send({ body: number });
    });
    for (const outcome of ['accepted', 'released', 'rejected', 'modified']) {
        container.on(outcome, ({ delivery }) => { told[delivery.id] = outcome; });
    }
    return container.listen({ port: 0, host: '127.0.0.1' });
}

function client(port) {
    const given = {};
    const container = rhea.create_container({ id: 'client' });
    container.on('message', ({ message, delivery }) => {
        if (message.body === 1) {
            delivery.release({ delivery_failed: true });
            given[message.body] = 'released';
        } else {
            delivery.accept();
            given[message.body] = 'accepted';
        }
    });
    const connection = container.connect({ port, host: '127.0.0.1', reconnect: false });
    connection.open_receiver({ source: 'queue', autoaccept: false, credit_window: 10 });
    return given;
}

const listener = server();
listener.on('listening', () => {
    const given = client(listener.address().port);
    setTimeout(() => {
        for (const number of [0, 1, 2, 3, 4]) console.log(`message ${number}: given ${given[number]}, told ${told[number]}`);
        process.exit(0);
    }, 1000);
});
PROGRAM
node program.js
