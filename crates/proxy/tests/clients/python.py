"""The PyPI package toxiproxy-python, unmodified, through everything it offers.

    python python.py API_HOST API_PORT UPSTREAM
"""

import socket
import sys
import time

from toxiproxy import Toxiproxy
from toxiproxy.exceptions import InvalidToxic, NotFound, ProxyExists

host, port, upstream = sys.argv[1], int(sys.argv[2]), sys.argv[3]
server = Toxiproxy()
server.update_api_consumer(host, port)


def round_trip(listen):
    at, number = listen.split(":")
    begin = time.monotonic()
    with socket.create_connection((at, int(number)), timeout=20) as stream:
        stream.sendall(b"ping")
        assert stream.recv(4) == b"ping"
    return time.monotonic() - begin


def refused(call, kind):
    try:
        call()
    except kind:
        return
    raise AssertionError(f"no {kind.__name__}")


assert server.running()
assert b'"version": "' in server.version()
proxy = server.create(upstream=upstream, name="python", enabled=True)
assert proxy.listen.startswith("127.0.0.1:"), proxy.listen
round_trip(proxy.listen)
refused(lambda: server.create(upstream=upstream, name="python"), ProxyExists)
refused(lambda: proxy.add_toxic(type="nonsense"), InvalidToxic)
refused(lambda: proxy.add_toxic(type="latency", stream="sideways"), InvalidToxic)
refused(lambda: proxy.destroy_toxic("none"), NotFound)
assert server.get_proxy("none") is None

proxy.add_toxic(type="latency", attributes={"latency": 60, "jitter": 0})
assert set(proxy.toxics()) == {"latency_downstream"}
assert round_trip(proxy.listen) >= 0.06
assert proxy.get_toxic("latency_downstream").attributes == {"latency": 60, "jitter": 0}
proxy.destroy_toxic("latency_downstream")
assert proxy.toxics() == {}

with proxy.down():
    refused(lambda: round_trip(proxy.listen), ConnectionRefusedError)
round_trip(proxy.listen)
proxy.disable()
server.reset()
round_trip(proxy.listen)

# Populate deletes and creates again, on the same port, when something differs.
for spelling in ["localhost", "127.0.0.1", "localhost"]:
    other = spelling + ":" + upstream.split(":")[1]
    (again,) = server.populate([{"name": "python", "upstream": other, "listen": proxy.listen}])
    assert again.listen == proxy.listen
    round_trip(again.listen)
server.destroy_all()
assert server.proxies() == {}
