// Work through a queue of a broker with rhea: send, refuse, take again, select, browse, ask. node rhea.js MODULE PORT
const [module_path, port] = process.argv.slice(2);
const rhea = require(module_path);
const container = rhea.create_container({ id: 'rhea' });
const filters = require(module_path + '/lib/filter.js');
const seen = [];
let sent = 0;

container.on('connection_open', ({ connection }) => {
    connection.open_sender('jobs');
});
container.on('sendable', ({ sender }) => {
    for (; sender.name !== 'ask' && sent < 4 && sender.sendable(); sent++) {
        const colour = sent % 2 ? 'red' : 'blue';
        sender.send({ body: 'job ' + sent, durable: true, application_properties: { colour } });
    }
});
container.on('accepted', ({ sender, connection }) => {
    if (sender.name === 'ask' || ++seen.accepted !== 4) return;
    const source = { address: 'jobs', distribution_mode: 'copy', filter: filters.selector("colour = 'red'") };
    connection.open_receiver({ name: 'browser', source, credit_window: 10 });
});
seen.accepted = 0;
container.on('message', ({ message, receiver, delivery, connection }) => {
    if (receiver.name === 'answer') {
        console.log('answer:', message.body);
        connection.close();
        return;
    }
    console.log(receiver.name + ':', message.body, message.delivery_count || 0);
    seen.push(message.body);
    if (receiver.name === 'browser' && seen.length === 2) {
        receiver.close();
        connection.open_receiver({ name: 'worker', source: 'jobs', autoaccept: false, credit_window: 1 });
    } else if (receiver.name === 'worker') {
        if (message.body === 'job 0' && !message.delivery_count) {
            delivery.modified({ delivery_failed: true, undeliverable_here: false });
        } else if (message.body === 'job 3') {
            delivery.reject({ condition: 'amqp:decode-error', description: 'no such job' });
        } else {
            delivery.accept();
        }
        if (seen.length === 2 + 5) {
            connection.open_receiver({ name: 'answer', source: { dynamic: true } });
        }
    }
});
container.on('receiver_open', ({ receiver, connection }) => {
    if (receiver.name !== 'answer') return;
    const asking = connection.open_sender({ name: 'ask', target: {} });
    asking.once('sendable', () => asking.send({ to: receiver.source.address, body: 'to myself' }));
});
container.on('disconnected', ({ error }) => console.log('disconnected', error));
container.connect({ host: '127.0.0.1', port: Number(port), reconnect: false, username: 'anonymous' });
