// Send and receive with amqp10, with its default policy. node amqp10.js MODULE PORT
const [module_path, port] = process.argv.slice(2);
const { Client } = require(module_path);
const client = new Client();
const received = [];

async function main() {
    await client.connect(`amqp://127.0.0.1:${port}`);
    const receiver = await client.createReceiver('jobs');
    const all = new Promise((resolve) => {
        receiver.on('message', (message) => {
            received.push(message.body);
            if (received.length === 3) resolve();
        });
    });
    const sender = await client.createSender('jobs');
    for (const body of ['text', { a: [1, 2] }, 42]) {
        await sender.send(body, { properties: { subject: 'kind' } }); // rejects, unless it is accepted
        console.log('accepted');
    }
    await all;
    console.log(JSON.stringify(received));
    await client.disconnect();
}
main().then(() => process.exit(0), (error) => { console.log('failed:', error); process.exit(1); });
