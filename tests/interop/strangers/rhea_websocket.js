// rhea over WebSocket, by the package ws: node rhea_websocket.js MODULES connect URL: sends to `jobs` of that broker, and
// takes it back. node rhea_websocket.js MODULES listen: gives each client one message, and prints what it sends.
const [modules, how, url] = process.argv.slice(2);
const rhea = require(modules + '/rhea');
const WebSocket = require(modules + '/ws');
const container = rhea.create_container({ id: 'rhea' });

container.on('message', ({ message, connection }) => {
    console.log('message:', message.body.length || message.body);
    if (how === 'connect') connection.close();
});
container.on('connection_close', () => {
    console.log('closed in good order');
    if (how === 'listen') process.exit(0);
});
container.on('disconnected', ({ error }) => console.log('disconnected', error));

if (how === 'connect') {
    container.on('connection_open', ({ connection }) => {
        connection.open_sender('jobs');
        connection.open_receiver('jobs');
    });
    container.once('sendable', ({ sender }) => sender.send({ body: 'x'.repeat(100000) }));
    const dial = container.websocket_connect(WebSocket);
    container.connect({ connection_details: dial(url, ['amqp'], {}), username: 'anonymous', reconnect: false });
} else {
    container.on('sendable', ({ sender }) => {
        if (!sender.given) sender.send({ body: 'from rhea' });
        sender.given = true;
    });
    const server = new WebSocket.Server({ host: '127.0.0.1', port: 0, handleProtocols: () => 'amqp' });
    server.on('connection', (socket) => container.websocket_accept(socket, {}));
    server.on('listening', () => console.log(server.address().port));
}
