"""WebSocket with a client of others: python3-websockets, with and without compression, many at a time."""

import asyncio
import random
import subprocess

import pytest

from conftest import program_of_tests

websockets = pytest.importorskip("websockets", reason="needs python3-websockets")

PROGRAM = program_of_tests("http-sockets")
PATIENCE = 60

pytestmark = pytest.mark.skipif(not PROGRAM, reason="tests/http-sockets is not built")


@pytest.fixture(params=["off", "alone", "takeover"])
def url(request):
    """The server with this mode of compression, for a client that offers it."""
    server = subprocess.Popen([str(PROGRAM), request.param], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    yield f"ws://127.0.0.1:{int(server.stdout.readline())}"
    server.stdin.close()
    server.stdout.close()
    assert server.wait(PATIENCE) == 0


def run(conversation):
    asyncio.run(asyncio.wait_for(conversation, PATIENCE))


def connect(url, path="/echo", **options):
    return websockets.connect(url + path, max_size=None, open_timeout=PATIENCE, **options)


def texts():
    chance = random.Random(1)
    words = ["lorem", "ipsum", "dolor", "κόσμε", "🦫"]
    for size in 0, 1, 20, 125, 126, 1000, 65535, 65536, 300_000:
        text = " ".join(chance.choice(words) for _ in range(size // 5 + 1))
        yield text[:size]


@pytest.mark.parametrize("compression", [None, "deflate"])
def test_messages_come_back(url, compression):
    async def conversation():
        async with connect(url, compression=compression) as socket:
            for text in texts():
                await socket.send(text)
                assert await socket.recv() == text
                data = text.encode()
                await socket.send(data)
                assert await socket.recv() == data
            noise = random.Random(2).randbytes(2_000_000)
            await socket.send(noise)
            assert await socket.recv() == noise

    run(conversation())


def test_fragments_are_joined(url):
    async def conversation():
        async with connect(url) as socket:
            parts = ["αβγ" * 100, "", "δ", "ε" * 70_000]
            await socket.send(parts)
            assert await socket.recv() == "".join(parts)
            await socket.send([b"a" * 10, b"b" * 100_000])
            assert await socket.recv() == b"a" * 10 + b"b" * 100_000

    run(conversation())


def test_a_producer_sends_fragments(url):
    async def conversation():
        async with connect(url, "/ticks") as socket:
            await socket.send("please")
            assert await socket.recv() == "ticktick" "tick"

    run(conversation())


# Sizes of messages, and of the frames that they are cut into; None: one frame.
SIZES = [(size, None) for size in (16, 64, 256, 1024, 4096, 8192, 16384, 32768, 65536, 131072)]
SIZES += [(size, 256) for size in (8192, 16384, 32768, 65536, 131072)]
SIZES += [(131072, frame) for frame in (1024, 4096, 32768)]
# Offers of a client: lists of (the server keeps no context, the bits of its window or None).
OFFERS = [
    [(False, None)],
    [(True, None)],
    [(False, 8)],
    [(False, 9)],
    [(False, 15)],
    [(True, 8)],
    [(True, 9)],
    [(True, 15)],
    [(True, 9), (True, None), (False, None)],
]


def contents():
    """Text that is much alike, text with characters of all lengths, and bytes that are half noise."""
    chance = random.Random(3)
    numbers = [str({"id": i, "tag": chance.choice("abcdef") * 8, "at": [i / 7, -i]}) for i in range(5000)]
    words = ["Habe", "nun", "ach", "Φιλοσοφία", "✓", "🦫", "\n"]
    return [
        ",".join(numbers)[: 1 << 18],
        " ".join(chance.choice(words) for _ in range(60_000)),
        b"".join(bytes(64) + chance.randbytes(64) for _ in range(2000)),
    ]


CONTENTS = contents()


@pytest.mark.parametrize("url", ["alone", "takeover"], indirect=True)
@pytest.mark.parametrize("offers", OFFERS, ids=str)
def test_compressed_messages_of_all_sizes_and_windows(url, offers):
    from websockets.extensions.permessage_deflate import ClientPerMessageDeflateFactory

    factories = [
        ClientPerMessageDeflateFactory(server_no_context_takeover=alone, server_max_window_bits=bits)
        for alone, bits in offers
    ]

    async def conversation():
        chance = random.Random(4)
        async with connect(url, compression=None, extensions=factories) as socket:
            for i, (size, frame) in enumerate(SIZES):
                content = CONTENTS[i % len(CONTENTS)]
                at = chance.randrange(len(content) - size)
                message = content[at : at + size]
                parts = [message[i : i + frame] for i in range(0, size, frame)] if frame else message
                await socket.send(parts)
                assert await socket.recv() == message

    run(conversation())


def test_pings_have_their_pongs(url):
    async def conversation():
        async with connect(url) as socket:
            for data in b"", b"x", bytes(range(125)):
                pong = await socket.ping(data)
                await asyncio.wait_for(pong, PATIENCE)

    run(conversation())


def test_either_side_closes_with_its_code(url):
    async def conversation():
        async with connect(url) as socket:
            await socket.close(4001, "because")
            assert (socket.close_code, socket.close_reason) == (4001, "")
        socket = await connect(url)
        await socket.send("x")
        assert await socket.recv() == "x"
        await socket.close()
        assert socket.close_code == 1000

    run(conversation())


def test_the_first_subprotocol_of_the_server_is_chosen(url):
    async def conversation():
        async with connect(url, subprotocols=["v1.test", "v2.test"]) as socket:
            assert socket.subprotocol == "v2.test"
        async with connect(url, subprotocols=["other"]) as socket:
            assert socket.subprotocol is None

    run(conversation())


def test_a_page_of_another_host_is_refused(url):
    async def conversation():
        async with connect(url, origin="http://" + url.split("//")[1]):
            pass
        with pytest.raises(websockets.InvalidStatusCode) as refused:
            await connect(url, origin="http://evil.example")
        assert refused.value.status_code == 403

    run(conversation())


def test_all_in_the_room_get_every_message(url):
    async def conversation():
        sockets = [await connect(url, "/room") for _ in range(50)]
        for i in range(20):
            await sockets[i].send(f"message {i} " * 30)
        for socket in sockets:
            for i in range(20):
                assert (await socket.recv()).startswith("message ")
        for socket in sockets:
            await socket.close()

    run(conversation())
