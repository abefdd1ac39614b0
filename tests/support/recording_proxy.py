"""A proxy on the engine's socket that writes down the method and target of every request; run as a program.

It runs in the engine's own network namespace, so that whoever asks the kernel who is behind the socket is led there.
"""

import asyncio
import contextlib
import sys
from pathlib import Path


async def forward(reader, writer):
    with contextlib.suppress(OSError):
        while piece := await reader.read(65536):
            writer.write(piece)
            await writer.drain()
    with contextlib.suppress(OSError):
        writer.write_eof()


async def requests(reader, writer, record):
    """The client's side, request by request: heads are written down, bodies pass by their length."""
    with contextlib.suppress(asyncio.IncompleteReadError, OSError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            record.write(head.partition(b"\r\n")[0] + b"\n")
            record.flush()
            lengths = [line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:")]
            body = await reader.readexactly(int(lengths[0].partition(b":")[2])) if lengths else b""
            writer.write(head + body)
            await writer.drain()
    writer.close()


async def main(listen, engine, record):
    async def serve(reader, writer):
        up, down = await asyncio.open_unix_connection(engine)
        await asyncio.gather(requests(reader, down, record), forward(up, writer))
        writer.close()

    server = await asyncio.start_unix_server(serve, listen)
    sys.stdout.write("listening\n")
    sys.stdout.flush()
    await server.serve_forever()


if __name__ == "__main__":
    with Path(sys.argv[3]).open("ab") as file:
        asyncio.run(main(sys.argv[1], sys.argv[2], file))
