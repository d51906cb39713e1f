"""WebSocket with a client of others: python3-websockets, with and without compression, many at a time."""

import asyncio
import os
import random
import subprocess
from pathlib import Path

import pytest

websockets = pytest.importorskip("websockets", reason="needs python3-websockets")

TOP = Path(__file__).resolve().parent.parent.parent
# Beside the program that is tested, so that a build with sanitizers tests its own.
BUILD = Path(os.environ.get("WEIR", TOP / "build" / "weir")).resolve().parent
PROGRAM = next(
    (path for path in (BUILD / "tests" / "http-sockets", BUILD.parent.parent / "tests" / "http-sockets",
                       TOP / "build" / "tests" / "http-sockets") if path.exists()), None)
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
