// The roles of the benchmark on rhea: node rhea.js receive|send|respond|request HOST PORT COUNT SIZE CREDIT WARM
// It says the same lines of JSON as tests/benchmarks/worker.py.
'use strict';
const path = require('path');
const rhea = require(path.join(process.env.AMQP_REACTOR_STRANGERS, 'node_modules', 'rhea'));
const [role, host, port, ...numbers] = process.argv.slice(2);
const [count, size, credit, warm] = numbers.map(Number);
const container = rhea.create_container();
const say = (what) => process.stdout.write(JSON.stringify(what) + '\n');
const now = () => Number(process.hrtime.bigint()) / 1e9; // the clock that processes share on Linux
const cpu = () => { const used = process.cpuUsage(); return (used.user + used.system) / 1e6; };
const span = {
    start() { this.first = now(); this.began = cpu(); },
    stop() { this.last = now(); this.cpu = cpu() - this.began; },
    report(more) { say({ report: Object.assign({ first: this.first, last: this.last, cpu: this.cpu }, more) }); },
};
const body = 'x'.repeat(size);

const roles = {
    receive() {
        let received = 0;
        container.on('message', (context) => {
            if (received === warm) span.start();
            if (context.message.body.length !== size) throw new Error('another body');
            received += 1;
            if (received === count) { span.stop(); span.report(); }
        });
        listen();
    },
    send() {
        let sent = 0, confirmed = 0, began = -1;
        container.on('sender_open', () => say({ started: true }));
        container.on('sendable', (context) => {
            if (began < 0 && sent >= warm) { began = sent; span.start(); }
            while (sent < count && context.sender.sendable()) { context.sender.send({ body }); sent += 1; }
        });
        container.on('accepted', (context) => {
            confirmed += 1;
            if (confirmed === count) { span.stop(); span.report({ began }); context.connection.close(); }
        });
        connect().open_sender('benchmark');
    },
    respond() {
        let replies;
        container.on('sender_open', (context) => {
            replies = context.sender;
            if (context.sender.source && context.sender.source.dynamic) replies.set_source({ address: 'replies' });
        });
        container.on('message', (context) => {
            const request = context.message;
            replies.send({ body: request.body, to: request.reply_to, correlation_id: request.correlation_id });
        });
        listen();
    },
    request() {
        const times = [];
        let asked, sender;
        const ask = () => {
            if (times.length === warm) span.start();
            asked = now();
            sender.send({ body, reply_to: 'replies', correlation_id: times.length });
        };
        const connection = connect();
        sender = connection.open_sender('benchmark');
        connection.open_receiver({ source: { dynamic: true } });
        let begun = false;
        container.on('sendable', () => {
            if (!begun) { begun = true; say({ started: true }); ask(); }
        });
        container.on('message', () => {
            times.push(now() - asked);
            if (times.length < count) { ask(); return; }
            span.stop();
            const counted = times.slice(warm).sort((a, b) => a - b);
            span.report({ p50: counted[counted.length >> 1], p99: counted[Math.floor(counted.length * 0.99)] });
            connection.close();
        });
    },
};

function listen() {
    container.options.receiver_options = { credit_window: credit };
    container.listen({ host, port: +port, tcp_no_delay: true }).on('listening', () => say({ started: true }));
}

function connect() {
    const options = { credit_window: 10 };
    return container.connect({ host, port: +port, reconnect: false, tcp_no_delay: true, receiver_options: options });
}

process.stdin.on('data', (words) => { if (String(words).includes('measure')) say({ cpu: cpu(), memory: 0, now: now() }); });
process.stdin.on('end', () => process.exit(0));
// Its one connection is closed in good order: our end of the input would keep the process. What responds stays, to be measured.
const leave = () => { if (role !== 'respond') setTimeout(() => process.exit(0), 50); };
for (const end of ['connection_close', 'disconnected']) container.on(end, leave);
roles[role]();
