# SPDX-License-Identifier: GPL-2.0-or-later
"""What others see of the agent by HTTP, and what hostile clients cannot do to it."""

import concurrent.futures
import json
import shutil
import socket
import subprocess
import time

import exposition
from cases import case
from watched import Answer, Watched, free_address, read_all, wait_for

REQUEST = b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n"


def watched(test, *arguments, **options):
    test.clients.append(Watched(test.directory, *arguments, **options))
    return test.clients[-1]


@case
def web_answers(case):
    """D8: GET and HEAD of each path; headers, other paths, other methods"""
    server = watched(case)
    for path in "/healthz", "/livez":
        answer = server.ask(path)
        assert answer.code == 200
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert json.loads(answer.body)["healthy"] is True
        head = server.ask(path, "HEAD")
        assert (head.code, head.body) == (200, b"")
        assert head.headers["content-length"] == str(len(answer.body))
        assert server.ask(path + "?verbose=1&x").code == 200
        assert Answer(server.send(f"GET {path} HTTP/1.0\r\n\r\n".encode())).code == 200
    for path in "/", "/health", "/healthz/", "/healthz/x", "//livez", "/%00", "/" + "x" * 2000, "*":
        assert server.ask(path).code == 404, path
    for method in "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH", "CONNECT", "BREW", "get", "X" * 500:
        answer = server.ask("/livez", method, more="Content-Length: 0\r\n")
        assert answer.code == 405 and answer.headers["allow"] == "GET, HEAD", method
    assert server.ask("/none", "POST").code == 404
    # A body that is not waited for.
    assert server.ask("/livez", "POST", more="Content-Length: 1000000000\r\n").code == 405
    assert server.ask("/livez", "POST", more="Transfer-Encoding: chunked\r\n").code == 405


@case
def web_one_request(case):
    """D8: a connection ends with its first answer"""
    server = watched(case)
    data = server.send(3 * REQUEST)
    assert data.count(b"HTTP/1.1") == 1
    assert Answer(data).headers["connection"].lower() == "close"


@case
def web_broken(case):
    """D8: what is no request harms nobody"""
    server = watched(case, limits=(16, 300, 100))
    for data in (b"", b"\0", b"\r\n\r\n", b"GET\r\n\r\n", b"GET /livez\r\n\r\n", b"GET /livez HTTP/9.9\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500,
                 b"GET /livez HTTP/1.1\r\nHost: x\r\n" + b"x" * 100000, b"GET /" + b"a" * 100000,
                 b"GET /livez HTTP/1.1\r\n" + b"a: b\r\n" * 20000, b"GET /livez HTTP/1.1\r\nHost: x\r\n: x\r\n\r\n",
                 b"GET /livez HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
                 b"POST /livez HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n",
                 b"GET http://[::1/livez HTTP/1.1\r\nHost: x\r\n\r\n", bytes(range(256)) * 100):
        try:
            server.send(data)
        except BrokenPipeError:
            pass
        assert server.ask("/livez").code == 200, data[:60]


@case
def web_slow(case):
    """D8: a client that sends or reads slowly is cut, and others are answered meanwhile"""
    server = watched(case, limits=(16, 400, 100))
    for first in REQUEST[:10], b"", b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n":
        began = time.monotonic()
        with server.connect() as slow:
            slow.sendall(first)
            cut = False
            while not cut:
                assert time.monotonic() - began < 10, "never cut"
                try:
                    slow.sendall(b"x")
                except OSError:
                    cut = True
                assert server.ask("/livez").code == 200
                time.sleep(0.02)
            assert time.monotonic() - began >= 0.35
            assert len(read_all(slow)) < 4 << 20


@case
def web_full(case):
    """D8: clients that take all connections keep nobody away, nor the CPU busy"""
    server = watched(case, limits=(8, 60000, 300))
    silent = [server.connect() for _ in range(20)]
    before = server.cpu_seconds()
    began = time.monotonic()
    assert server.ask("/livez").code == 200
    # Three rounds of 8 come before it.
    assert time.monotonic() - began < 5
    assert server.cpu_seconds() - before < 0.2
    for connection in silent:
        connection.close()
    assert server.ask("/livez").code == 200


@case
def web_freed(case):
    """D8: a connection that ends makes room for the next one that waits"""
    server = watched(case, limits=(2, 60000, 60000))
    taken = [server.connect() for _ in range(2)]
    with server.connect() as waits:
        waits.sendall(REQUEST)
        waits.settimeout(0.2)
        try:
            assert not waits.recv(1), "answered beyond the limit"
        except TimeoutError:
            pass
        taken[0].close()
        waits.settimeout(10)
        assert Answer(read_all(waits)).code == 200
    taken[1].close()


@case
def web_many(case):
    """D8: 200 connections at once are all answered, and leave nothing open"""
    server = watched(case)

    def open_fds():
        return exposition.value(exposition.parse(server.ask("/metrics").body.decode()), "process_open_fds")

    before = open_fds()
    connections = [server.connect() for _ in range(200)]
    for connection in connections:
        connection.sendall(REQUEST)
    for connection in connections:
        assert Answer(read_all(connection)).code == 200
        connection.close()
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        assert all(answer.code == 200 for answer in pool.map(server.ask, ["/metrics"] * 200))
    wait_for(lambda: open_fds() == before, "connections closed")


@case
def web_port_in_use(case):
    """D8: a port in use is an error that names it, and kube-proxy if it is one of its ports"""
    host, port = free_address()
    for port, hint in (port, None), (10249, "kube-proxy serves its metrics"), (10256, "kube-proxy serves its health"):
        watched(case, host, port)
        text = watched(case, host, port, fails=True).failure()
        assert f"cannot listen at {host}:{port}" in text and "Address already in use" in text, text
        assert (hint or "kube-proxy") in text if hint else "kube-proxy" not in text, text


@case
def web_addresses(case):
    """D8: IPv6, all addresses, and what is no address"""
    _, port = free_address()
    assert watched(case, "::1", port).ask("/livez").code == 200
    _, port = free_address()
    server = watched(case, "::", port)
    assert server.ask("/livez", host="::1").code == 200
    assert server.ask("/livez", host="127.0.0.1").code == 200
    for host, port in ("localhost", 80), ("127.0.0.1", 0), ("127.0.0.1", 65536), ("127.0.0.1", "x"), ("192.0.2.1", 80):
        text = watched(case, host, port, fails=True).failure()
        assert f"{host}:{port}" in text, text


@case
def web_health(case):
    """D8: both codes by HTTP: late, without a Node, detached; they are counted"""
    server = watched(case)
    codes = []

    def probe():
        codes.append((server.ask("/healthz").code, server.ask("/livez").code))
        return codes[-1]

    server.do("queued 3", "pass 60000")
    assert probe() == (200, 200)
    server.do("written 3", "queued 2", "pass 60000")
    assert probe() == (503, 503)
    assert json.loads(server.ask("/livez").body)["status"]["IPv6"]["healthy"] is False
    server.do("written 2", "node 0")
    assert probe() == (503, 200)
    server.do("node 1", "detached veth1: no program")
    assert probe() == (503, 503)
    assert json.loads(server.ask("/healthz").body)["natbridge"]["detached"] == "veth1: no program"
    server.do("detached")
    assert probe() == (200, 200)
    metrics = exposition.parse(server.ask("/metrics").body.decode())
    assert exposition.value(metrics, "kubeproxy_proxy_healthz_total", code="503") == 4
    assert exposition.value(metrics, "kubeproxy_proxy_livez_total", code="200") == 3


@case
def metrics_text(case):
    """D9: valid, whatever names hold; promtool finds nothing but what kube-proxy does as well"""
    server = watched(case)
    names = ['a"b', "back\\slash", "} 1", 'x",y="z', "é\u2028😀", "\x7f\x01"]
    server.do("queued 1", "written 3", *(f"network {name}" for name in names), "request [fd00::1]:6443")
    answer = server.ask("/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    metrics = exposition.parse(answer.body.decode())
    for name in names:
        assert exposition.value(metrics, "natbridge_table_write_failures_total", network=name) == 1
    assert exposition.value(metrics, "kubeproxy_sync_proxy_rules_duration_seconds_bucket",
                            "kubeproxy_sync_proxy_rules_duration_seconds", ip_family="IPv6", le="0.004") == 1
    assert exposition.value(metrics, "process_start_time_seconds") <= time.time()
    assert exposition.value(metrics, "process_resident_memory_bytes") > 1 << 20
    promtool = shutil.which("promtool")
    if promtool:
        check = subprocess.run([promtool, "check", "metrics"], input=answer.body, capture_output=True, timeout=60)
        found = (check.stdout + check.stderr).decode().splitlines()
        assert [line.split()[0] for line in found] == list(exposition.MISNAMED), found


@case
def metrics_reset(case):
    """D9: a client that breaks off while it reads"""
    server = watched(case)
    for _ in range(20):
        with server.connect() as connection:
            connection.sendall(b"GET /big HTTP/1.1\r\nHost: x\r\n\r\n")
            connection.recv(100)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
    assert server.ask("/livez").code == 200
