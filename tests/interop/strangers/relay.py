"""A relay made with `websockets`: python relay.py serve PORT: WebSocket here, TCP to that port of 127.0.0.1.
python relay.py connect URL: TCP here, WebSocket to that URL. It prints the port on which it listens, and runs until its
input ends."""

import asyncio
import sys

import websockets


async def pump(reader, writer, socket):
    async def inward():
        async for message in socket:
            writer.write(message)
            await writer.drain()
        writer.close()

    async def outward():
        while data := await reader.read(3000):  # a frame of AMQP may be in several of WebSocket, and the other way
            await socket.send(data)
        await socket.close()

    await asyncio.gather(inward(), outward(), return_exceptions=True)


async def main():
    how, where = sys.argv[1:]
    if how == "serve":

        async def join(socket):
            assert socket.subprotocol == "amqp"
            reader, writer = await asyncio.open_connection("127.0.0.1", int(where))
            await socket.ping()
            await pump(reader, writer, socket)

        server = await websockets.serve(join, "127.0.0.1", 0, subprotocols=["amqp"])
    else:

        async def take(reader, writer):
            async with websockets.connect(where, subprotocols=["amqp"], max_size=None) as socket:
                assert socket.subprotocol == "amqp"
                await (await socket.ping())
                await pump(reader, writer, socket)

        server = await asyncio.start_server(take, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


asyncio.run(main())
