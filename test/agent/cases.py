# SPDX-License-Identifier: GPL-2.0-or-later
"""The cases: what a server does, and what an owner of a watch must hear of it."""

import base64
import json

from case import TOKEN
from server import (Authority, added, bookmark, compact, error, event, failure, gzipped, hang, head, listing, raw, reply,
                    service, service_list, stream, tls_context)

# The answer of a server that knows no WatchList.
OLD = failure(422, "Invalid", "sendInitialEvents: Forbidden")
INITIAL = stream(added("web", 5), bookmark(9, end=True))
FIRST = ("begin", "put default/web 5", "end 1")
# A full set, after which the watch ends and the next request comes.
INITIAL_ENDS = stream(added("web", 5), bookmark(9, end=True), end="clean", pause=0.15)


def case(function):
    function.is_case = True
    return function


def make_authorities(directory):
    """Made once for all cases: openssl takes its time."""
    ours, other = Authority(directory, "ours"), Authority(directory, "other")
    return {
        "ours": ours,
        "other": other,
        "server": ours.sign("server", "IP:127.0.0.1"),
        "named": ours.sign("named", "DNS:kubernetes.default.svc"),
        "stranger": other.sign("stranger", "IP:127.0.0.1"),
        "client": ours.sign("client"),
    }


def read(path):
    with open(path) as file:
        return file.read()


# Lists and watches as they should be

@case
def watch_list(case):
    """D2: a list in a watch, then changes and bookmarks; unknown events are ignored"""
    server, client = case.follow(
        stream(added("a", 3), added("b", 4), event("MODIFIED", "a", 6), event("DELETED", "b", 7), bookmark(8, end=True),
               event("MODIFIED", "a", 9), {"type": "LATER", "object": {"x": 1}}, event("DELETED", "a", 10), bookmark(20),
               end="clean", pause=0.15),
        stream(added("c", 21)), options=("label=!a/b,!c", "field=metadata.name=n 1"))
    client.expect("begin", "put default/a 3", "put default/b 4", "put default/a 6", "remove default/b 7", "end 3",
                  "put default/a 9", "remove default/a 10", "put default/c 21")
    first, second = (request.query for request in server.requests)
    del first["timeoutSeconds"], second["timeoutSeconds"]
    always = {"watch": "true", "allowWatchBookmarks": "true", "labelSelector": "!a/b,!c",
              "fieldSelector": "metadata.name=n 1"}
    assert first == {**always, "sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, first
    assert second == {**always, "resourceVersion": "20"}, second
    assert client.stop()[0] == "stats synced=1 up=1 requests=2 sets=1 events=9 bad=0 failures=0"
    assert client.log() == "", client.log()


@case
def old_server(case):
    """D2: a server without WatchList is listed, and watched from the version of the list, not of an item"""
    server, client = case.follow(OLD, listing(30, service("a", 3), service("b", 31)), stream(added("c", 32)))
    client.expect("begin", "put default/a 3", "put default/b 31", "end 2", "put default/c 32")
    assert server.requests[1].query == {"resourceVersion": "0"}
    assert server.requests[2].query["resourceVersion"] == "30"
    assert "sendInitialEvents" not in server.requests[2].query


@case
def silent_server(case):
    """D2: a server that does not know sendInitialEvents, and sends no last bookmark"""
    server, client = case.follow(stream(added("a", 3)), listing(30, service("a", 3)), stream(added("c", 32)),
                                 options=("silent-ms=200",))
    client.expect("begin", "put default/a 3", "abort", "begin", "put default/a 3", "end 1", "put default/c 32")


@case
def pages(case):
    """D2: a list in pages; its frame may stand before and after the items"""
    page = json.dumps({"items": [service("c", 3)], "metadata": {"resourceVersion": "7"}, "kind": "ServiceList"}, indent=2)
    server, client = case.follow(OLD, listing(7, service("a", 1), **{"continue": "x/+="}),
                                 listing(7, service("b", 2), **{"continue": "y"}), reply(200, page.encode()),
                                 stream(added("d", 8)))
    client.expect("begin", "put default/a 1", "put default/b 2", "put default/c 3", "end 3", "put default/d 8")
    assert [request.query.get("continue") for request in server.requests[1:4]] == [None, "x/+=", "y"]
    assert "resourceVersion" not in server.requests[2].query


@case
def empty_lists(case):
    """D2: a list of nothing, null or empty, is a full set"""
    server, client = case.follow(OLD, listing(7), failure(410, "Expired"),
                                 reply(200, {"kind": "ServiceList", "metadata": {"resourceVersion": "8"}, "items": None}))
    client.expect("begin", "end 0", "begin", "end 0")


@case
def gzip_list(case):
    """D2: a compressed list"""
    items = [service(f"s{i}", i) for i in range(2000)]
    server, client = case.follow(OLD, gzipped(service_list(2500, *items)), options=("quiet=1",))
    client.expect("begin", "end 2000")
    case.wait_requests(server, 3)
    assert "accept-encoding" not in server.requests[2].headers, "a watch does not ask for compression"


@case
def byte_by_byte(case):
    """D5: chunks that end anywhere"""
    tricky = added("a", 3, annotations={"x": "}]{[\"\\ \u00e4\n"})
    server, client = case.follow(
        stream(tricky, added("b", 4), bookmark(8, end=True), event("DELETED", "a", 9), size=1, end="clean", pause=0.15),
        stream(tricky, size=7))
    client.expect("begin", "put default/a 3", "put default/b 4", "end 2", "remove default/a 9", "put default/a 3")
    assert server.requests[1].query["resourceVersion"] == "9"


@case
def http_1_0(case):
    """D2: a server of HTTP/1.0, whose answers end with the connection"""
    items = compact(service_list(9, service("a", 3)))
    server, client = case.follow(
        OLD, raw(b"HTTP/1.0 200 OK\r\nContent-Type: application/json\r\n\r\n" + items),
        raw(b"HTTP/1.0 200 OK\r\n\r\n" + compact(added("b", 10)) + b"\n"), stream(added("c", 11)))
    client.expect("begin", "put default/a 3", "end 1", "put default/b 10", "put default/c 11")
    assert server.requests[3].query["resourceVersion"] == "10"
    assert client.log() == ""


# What the server has forgotten, or does not know yet

@case
def gone(case):
    """D2: HTTP 410 reads all again, as a set; a delete that was missed shows in it"""
    server, client = case.follow(stream(added("a", 3), added("b", 4), bookmark(9, end=True), end="clean", pause=0.15),
                                 failure(410, "Expired", "too old resource version"),
                                 stream(added("b", 4), bookmark(50, end=True)))
    client.expect("begin", "put default/a 3", "put default/b 4", "end 2", "begin", "put default/b 4", "end 1")
    assert "resourceVersion" not in server.requests[2].query
    assert client.log() == "", "nothing is wrong"


@case
def gone_in_watch(case):
    """D2: 410 as an event in the middle of a watch, here by its reason only"""
    server, client = case.follow(
        stream(added("a", 3), bookmark(9, end=True), added("b", 10), error(None, "Expired", "too old"), added("x", 11)),
        stream(added("b", 10), bookmark(50, end=True)))
    client.expect("begin", "put default/a 3", "end 1", "put default/b 10", "begin", "put default/b 10", "end 1")
    assert client.log() == "", "nothing is wrong"


@case
def gone_page(case):
    """D2: 410 in the middle of a list: the set is aborted, and the next list asks for the newest"""
    server, client = case.follow(OLD, listing(7, service("a", 1), **{"continue": "x"}),
                                 failure(410, "Expired", "continue has expired"), listing(50, service("b", 2)))
    client.expect("begin", "put default/a 1", "abort", "begin", "put default/b 2", "end 1")
    assert server.requests[3].query == {"limit": "500"}


@case
def relist_old_server(case):
    """D2: without WatchList, the list after a 410 is not older than what is known"""
    server, client = case.follow(OLD, listing(30, service("a", 3)), failure(410, "Gone"), listing(60), stream())
    client.expect("begin", "put default/a 3", "end 1", "begin", "end 0")
    case.wait_requests(server, 5)
    assert [request.query["resourceVersion"] for request in server.requests[1:]] == ["0", "30", "30", "60"]


@case
def too_new(case):
    """D2: a server that is behind (504): its newest is asked for"""
    server, client = case.follow(
        OLD, listing(30, service("a", 3)), stream(added("b", 40), end="clean"),
        failure(504, "Timeout", causes=[{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]),
        failure(504, "Timeout", "Too large resource version: 40, current: 35"), listing(41, service("b", 40)))
    client.expect("begin", "put default/a 3", "end 1", "put default/b 40")
    case.wait_requests(server, 5)
    assert server.requests[4].query == {"limit": "500"}
    client.expect("begin", "put default/b 40", "end 1")


@case
def other_version(case):
    """D2: a server that cannot read the version, as after another etcd's data: its newest is asked for"""
    server, client = case.follow(OLD, listing("a-b", service("a", 3)), *[failure(400, "BadRequest")] * 2,
                                 listing(5, service("b", 4)))
    client.expect("begin", "put default/a 3", "end 1", "begin", "put default/b 4", "end 1")
    assert [request.query.get("resourceVersion") for request in server.requests[1:5]] == ["0", "a-b", "a-b", None]


@case
def error_in_watch(case):
    """D3: another error in a watch: everything is read again after a pause"""
    server, client = case.follow(stream(added("a", 3), bookmark(9, end=True), error(500, "InternalError", "etcd: no")),
                                 INITIAL)
    client.expect("begin", "put default/a 3", "end 1", *FIRST)
    client.logged("Cannot follow the API.*error 500 in a watch: etcd: no")


# A server in trouble

@case
def retry_after(case):
    """D3: 429 with Retry-After"""
    server, client = case.follow(failure(429, "TooManyRequests", headers=("Retry-After: 1",)), INITIAL)
    client.expect(*FIRST)
    took = server.requests[1].time - server.requests[0].time
    assert 1 <= took < 5, took


@case
def absent(case):
    """A19: a server that does not show a resource that nobody needs, or does not have it, is asked seldom"""
    server, client = case.follow(failure(403, "Forbidden"), failure(404, "NotFound"), INITIAL,
                                 options=("optional=1", "absent-ms=300"))
    client.expect("absent", "absent", *FIRST)
    took = server.requests[2].time - server.requests[0].time
    assert 0.6 <= took < 5, took
    client.logged("Following the API again")
    assert client.log().count("The API does not show a resource") == 1, client.log()
    assert "Cannot follow" not in client.log()


@case
def pauses_grow(case):
    """D3: pauses double up to their maximum, with as much again by chance; said once"""
    server, client = case.follow(*[failure(500, "InternalError", "no")] * 7, INITIAL)
    client.expect(*FIRST)
    times = [request.time for request in server.requests]
    for number, least in enumerate([50, 100, 200, 400, 400, 400, 400]):
        took = 1000 * (times[number + 1] - times[number])
        assert least <= took < 2 * least + 500, (number, took)
    client.logged("Following the API again")
    assert client.log().count("\n") == 2, client.log()
    assert client.stop()[1:] == [f"requests 127.0.0.1:{server.port} 500 7"]


@case
def pauses_begin_again(case):
    """D3: after a healthy time the first pause is short again"""
    server, client = case.follow(*[failure(500, "X")] * 3, stream(bookmark(9, end=True), end="clean", pause=0.6),
                                 failure(500, "X"), INITIAL, options=("healthy-ms=500",))
    client.expect("begin", "end 0")
    case.wait_requests(server, 6)
    took = server.requests[5].time - server.requests[4].time
    assert took < 0.38, took


@case
def short_watches(case):
    """D3: watches that end at once and bring nothing are failures"""
    server, client = case.follow(INITIAL_ENDS, *[stream(end="clean")] * 3, stream(added("b", 10)))
    client.expect(*FIRST, "put default/b 10")
    times = [request.time for request in server.requests]
    assert times[4] - times[1] >= 0.35, times
    client.logged("Cannot follow the API.*the watch ended after [0-9]+ ms without an event")
    client.logged("Following the API again")


@case
def breaking_watches(case):
    """D3: connections that break soon are failures, even if events came"""
    server, client = case.follow(INITIAL_ENDS, *[stream(added("b", 10 + i), end="reset", pause=0.15) for i in range(3)],
                                 stream(added("c", 20)))
    client.expect(*FIRST, "put default/b 10", "put default/b 11", "put default/b 12", "put default/c 20")
    assert server.requests[4].query["resourceVersion"] == "12"
    client.logged("Cannot follow the API")


@case
def broken_watch(case):
    """D3: a connection that breaks after a while is replaced at once, from where it was"""
    server, client = case.follow(stream(added("web", 5), bookmark(9, end=True), 0.6, added("b", 10), end="reset"),
                                 stream(added("c", 11)), options=("short-ms=20",))
    client.expect(*FIRST, "put default/b 10", "put default/c 11")
    assert server.requests[1].query["resourceVersion"] == "10"
    assert client.log() == ""


@case
def half_open(case):
    """D3: a connection without a byte is broken"""
    server, client = case.follow(INITIAL, stream(added("b", 10)), options=("idle-ms=400", "short-ms=20"))
    client.expect(*FIRST, "put default/b 10")
    took = server.requests[1].time - server.requests[0].time
    assert 0.4 <= took < 5, took
    assert server.requests[1].query["resourceVersion"] == "9"


@case
def never_answers(case):
    """D3: a server that accepts connections and says nothing"""
    server, client = case.follow(hang, INITIAL, options=("idle-ms=1000",))
    client.expect(*FIRST)
    client.logged("no byte for 1000 ms")


@case
def truncated_list(case):
    """D2: a list that breaks is aborted, and what was known stands"""
    half = compact(service_list(7, service("a", 1), service("b", 2)))[:-40]
    server, client = case.follow(
        OLD, raw(head(200, f"Content-Length: {len(half) + 40}") + half), listing(8, service("c", 3)))
    client.expect("begin", "put default/a 1", "abort", "begin", "put default/c 3", "end 1")


@case
def cut_in_object(case):
    """D2: answers that end well in the middle of an object"""
    half = compact(service_list(7, service("a", 1), service("b", 2)))[:-40]
    server, client = case.follow(OLD, reply(200, half), listing(8), stream(compact(added("b", 10))[:-1], end="clean"),
                                 stream(added("b", 10)), options=("short-ms=20",))
    client.expect("begin", "put default/a 1", "abort", "begin", "end 0", "put default/b 10")
    assert server.requests[4].query["resourceVersion"] == "8"


@case
def cut_initial(case):
    """D2: a list in a watch that breaks is aborted, and asked for as before"""
    server, client = case.follow(INITIAL_ENDS, failure(410, "Expired"), stream(added("a", 3), end="reset", pause=0.05),
                                 stream(added("b", 4), end="clean"), INITIAL)
    client.expect(*FIRST, "begin", "put default/a 3", "abort", "begin", "put default/b 4", "abort", *FIRST)
    assert "sendInitialEvents" in server.requests[4].query


@case
def goes_and_comes(case):
    """D3: a server that goes and comes: one line for each change"""
    server, client = case.follow(INITIAL)
    client.expect(*FIRST)
    server.stop()
    client.logged("Cannot follow the API")
    again = case.server(stream(added("b", 10)), port=server.port)
    client.expect("put default/b 10")
    assert again.requests[0].query["resourceVersion"] == "9"
    client.logged("Following the API again")
    assert client.log().count("\n") == 2, client.log()


@case
def second_server(case):
    """D6: when a server goes, the next one is asked at once"""
    server = case.server(stream(added("web", 5), bookmark(9, end=True), 0.2, added("a", 10)))
    other = case.server(stream(added("b", 11)))
    client = case.client(server.url, f"server={other.url}", "pause-ms=60000", "pause-max-ms=60000", "short-ms=1")
    client.expect(*FIRST, "put default/a 10")
    server.stop()
    client.expect("put default/b 11")
    assert other.requests[0].query["resourceVersion"] == "10"


@case
def all_servers(case):
    """D6: a pause comes only after all servers were tried"""
    server, other = case.server(failure(500, "X"), INITIAL), case.server(failure(503, "X"))
    client = case.client(server.url, f"server={other.url}", "pause-ms=1000", "pause-max-ms=1000")
    client.expect(*FIRST)
    assert other.requests[0].time - server.requests[0].time < 0.9
    assert server.requests[1].time - other.requests[0].time >= 1


# What is no good

@case
def large_object(case):
    """D5: objects of over 8 MiB, in a watch and in a list, are named and skipped"""
    large = service("large", 4, annotations={"x": "y" * (8 << 20)})
    skipped = r"bad default/large an object of 83[0-9]+ bytes is too large"
    server, client = case.follow(
        stream(added("a", 3), {"type": "ADDED", "object": large}, added("b", 5), bookmark(9, end=True),
               {"type": "MODIFIED", "object": large}, added("c", 10), end="clean", pause=0.15),
        failure(422, "Invalid"), OLD, listing(20, service("a", 3), large, service("b", 5)))
    client.expect("begin", "put default/a 3", skipped, "put default/b 5", "end 2", skipped, "put default/c 10",
                  "begin", "put default/a 3", skipped, "put default/b 5", "end 2")
    assert "bad=3" in client.stop()[0]
    client.logged('"Skipped an object" resource="services" namespace="default" name="large"')


@case
def wrong_types(case):
    """D5: objects that are none are named and skipped, everything else goes on"""
    rows = [
        (b'{"type":"ADDED","object":7}', r'/ "object": is a number, not an object'),
        (b'{"type":"ADDED"}', "/ there is no object"),
        (b'{"type":7,"object":{}}', r'/ "type": is a number, not a string'),
        (b'{"object":{}}', "/ an event without a type"),
        (b'[]', r"/ .*not an object.*"),
        (b'null', r"/ .*"),
        (b'hello', "/ not JSON: line 1, column 1: .*"),
        (b'{"type":"ADDED","object":{"metadata":[]}}', r'/ "object.metadata": is an array, not an object'),
        (b'{"type":"ADDED","object":{"metadata":{"name":7}}}', r'/ "object.metadata.name": is a number, not a string'),
        (b'{"type":"ADDED","object":{"metadata":{"namespace":"n"}}}', r'n/ "object.metadata": has no name'),
        (b'{"type":"ADDED","object":{"metadata":{"name":"x","namespace":"n"},"metadata":{}}}', "n/x .*"),
        (b'{"type":"ADDED","object":{"metadata":{"name":"x"},"spec":"\xff"}}', "/x not JSON: .*"),
        (b'{"type":"ADDED","object":{"metadata":{"name":"x"},"spec":01}}', "/x not JSON: .*"),
        (b'{"type":"ADDED","object":{"metadata":{"name":"x"},"spec":' + b"[" * 100 + b"]" * 100 + b"}}",
         "/x not JSON: .*nested too deeply.*"),
        (b'{"type":"ADDED","object":{"metadata":{"name":"' + b"x" * 300 + b'"}}}', ".* longer than 253 bytes"),
        (compact({"type": "ADDED", "object": {**service("x", 1), "kind": "Pod"}}),
         r'default/x "object.kind": not a Service'),
        (b'{"type":"ADDED","object":{"metadata":{"name":"x\\u001b[31m\xe2\x80\xae","resourceVersion":[]}}}', ".*"),
    ]
    server, client = case.follow(stream(*[row[0] for row in rows], added("a", 3), bookmark(9, end=True)))
    client.expect("begin", *["bad " + row[1] for row in rows], "put default/a 3", "end 1")
    assert f"bad={len(rows)}" in client.stop()[0]
    assert "\x1b" not in client.log()


@case
def wrong_lists(case):
    """D5: lists that are none are not taken; bad items are skipped"""
    rows = [
        (b"[]", "not a JSON object"),
        (b"<html>no</html>", "not a JSON object"),
        (compact({**service_list(3), "kind": "PodList"}), "not a ServiceList"),
        (compact({**service_list(3), "items": {}}), "is an object, not an array"),
        (compact({"kind": "ServiceList", "metadata": {}, "items": []}), "without a resourceVersion"),
        (b'{"items":[],"items":[],"metadata":{"resourceVersion":"1"}}', "items"),
        (compact(service_list(3)) + b"{}", "unexpected text"),
    ]
    server, client = case.follow(OLD, *[reply(200, row[0]) for row in rows],
                                 listing(9, service("a", 3), 7, [], "x", service("b", 4)),
                                 options=("pause-max-ms=50", "v=2"))
    client.expect(*["begin", "abort"] * len(rows), "begin", "put default/a 3", *["bad / .*"] * 3, "put default/b 4",
                  "end 2")
    logged = [line for line in client.log().splitlines() if "annot follow" in line]
    for row, line in zip(rows, logged, strict=True):
        assert row[1] in line, (row, line)


@case
def not_an_api(case):
    """D5: pages instead of answers"""
    server, client = case.follow(raw(b"HTTP/1.1 200 OK\r\n\r\n<html>hello</html>"), raw(b"SSH-2.0-OpenSSH\r\n\r\n"),
                                 raw(b""), failure(404, "NotFound", "no\x1bsuch"), INITIAL,
                                 options=("pause-max-ms=50",))
    client.expect("begin", "abort", *FIRST)


@case
def redirect(case):
    """D5: redirects are refused, and nobody else gets the token"""
    thief = case.server()
    tls = tls_context(*case.authorities["server"])
    server = case.server(reply(302, b"", f"Location: {thief.url}/api/v1/services"), INITIAL, tls=tls)
    client = case.client(server.url, cluster={"certificate-authority": case.authorities["ours"].cert},
                         user={"token": TOKEN})
    client.expect(*FIRST)
    client.logged("HTTP status 302")
    assert not thief.requests


# Credentials

def secure(case, *answers, name="server", clients=None, **options):
    return case.server(*answers, tls=tls_context(*case.authorities[name], clients), **options)


@case
def tls(case):
    """D4: TLS with the CA of the kubeconfig, as data, with a token"""
    server = secure(case, INITIAL)
    data = base64.b64encode(read(case.authorities["ours"].cert).encode()).decode()
    client = case.client(server.url, cluster={"certificate-authority-data": data}, user={"token": TOKEN})
    client.expect(*FIRST)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"
    assert server.requests[0].headers["user-agent"].startswith("natbridge-agent/")


@case
def tls_reset(case):
    """D3: a TLS connection that is reset, to which nothing more can be written"""
    server = secure(case, stream(added("web", 5), bookmark(9, end=True), 0.6, end="reset"), stream(added("b", 10)))
    client = case.client(server.url, "short-ms=20", cluster={"certificate-authority": case.authorities["ours"].cert})
    client.expect(*FIRST, "put default/b 10")


@case
def other_ca(case):
    """D3, D4: a server with a certificate of another CA gets no request; a new CA file counts at once"""
    server = secure(case, INITIAL, name="stranger")
    ca = case.write("ca.crt", read(case.authorities["ours"].cert))
    client = case.client(server.url, cluster={"certificate-authority": ca}, user={"token": TOKEN})
    client.logged("certificate")
    assert not server.requests
    case.write("ca.crt", read(case.authorities["other"].cert))
    client.expect(*FIRST)


@case
def other_name(case):
    """D4: the certificate must be for the server's address, or for tls-server-name"""
    server = secure(case, INITIAL, name="named")
    cluster = {"certificate-authority": case.authorities["ours"].cert}
    client = case.client(server.url, cluster=cluster)
    client.logged("Cannot follow the API")
    assert not server.requests
    client.stop()
    client = case.client(server.url, cluster={**cluster, "tls-server-name": "kubernetes.default.svc"})
    client.expect(*FIRST)


@case
def ipv6(case):
    """D4, D6: an IPv6 address, without TLS, and with a certificate that names another"""
    plain, named = case.server(INITIAL, host="::1"), secure(case, INITIAL, name="named", host="::1")
    case.client(plain.url).expect(*FIRST)
    case.client(named.url, cluster={"certificate-authority": case.authorities["ours"].cert,
                                    "tls-server-name": "kubernetes.default.svc"}).expect(*FIRST)
    assert named.requests[0].headers["host"] == f"kubernetes.default.svc:{named.port}"


@case
def client_certificate(case):
    """D4: client certificates, relative to the kubeconfig"""
    cert, key = case.authorities["client"]
    case.write("client.crt", read(cert))
    case.write("client.key", read(key))
    server = secure(case, INITIAL, clients=case.authorities["ours"].cert)
    client = case.client(server.url, cluster={"certificate-authority": case.authorities["ours"].cert},
                         user={"client-certificate": "client.crt", "client-key": "client.key"})
    client.expect(*FIRST)


@case
def new_token(case):
    """D4: 401 reads the token again and asks once more; nothing is wrong"""
    def rotate(connection, request):
        case.write("token", "second-secret-token")
        return failure(401, "Unauthorized")(connection, request)

    server = secure(case, INITIAL_ENDS, rotate, stream(added("b", 10)))
    case.write("token", TOKEN + "\n")
    client = case.client(server.url, cluster={"certificate-authority": case.authorities["ours"].cert},
                         user={"tokenFile": "token"})
    client.expect(*FIRST, "put default/b 10")
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == [f"Bearer {TOKEN}", f"Bearer {TOKEN}", "Bearer second-secret-token"], sent
    assert client.log() == ""


@case
def wrong_token(case):
    """D4: a token that is refused twice is a failure, without the token in the log"""
    server = secure(case, *[failure(401, "Unauthorized", "Unauthorized")] * 2, INITIAL)
    client = case.client(server.url, cluster={"certificate-authority": case.authorities["ours"].cert},
                         user={"token": TOKEN})
    client.expect(*FIRST)
    client.logged("HTTP status 401: Unauthorized")
    assert server.requests[2].time - server.requests[1].time >= 0.05


@case
def missing_token(case):
    """D4: files that are not there, or no good, are named; they may come later"""
    server = secure(case, INITIAL)
    client = case.client(server.url, "v=2", cluster={"certificate-authority": case.authorities["ours"].cert},
                         user={"tokenFile": "token"})
    client.logged(r"token: cannot open .*token.*No such file")
    case.write("token", "a secret\r\nX: y")
    client.logged(r"token: .*token is not a token")
    assert not server.requests
    case.write("token", TOKEN)
    client.expect(*FIRST)


@case
def in_cluster(case):
    """D4: the service account of a pod; no proxy of the environment"""
    server = secure(case, INITIAL)
    case.write("token", TOKEN)
    case.write("ca.crt", read(case.authorities["ours"].cert))
    client = case.client_with(f"in-cluster={case.directory}", environment={
        "KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(server.port),
        "https_proxy": "http://127.0.0.1:9", "ALL_PROXY": "http://127.0.0.1:9"})
    client.expect(*FIRST)
    assert server.requests[0].headers["authorization"] == f"Bearer {TOKEN}"


@case
def proxy(case):
    """D4: proxy-url"""
    proxy = case.server(INITIAL)
    client = case.client("http://192.0.2.1:6443", cluster={"proxy-url": proxy.url})
    client.expect(*FIRST)
    assert proxy.requests[0].target.startswith("http://192.0.2.1:6443/api/v1/services?")
