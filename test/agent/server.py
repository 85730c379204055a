# SPDX-License-Identifier: GPL-2.0-or-later
"""An API server that does what a test tells it, one answer for each request, on a loopback address."""

import gzip
import json
import os
import socket
import ssl
import struct
import subprocess
import threading
import time
import urllib.parse


class Request:
    def __init__(self, head):
        lines = head.decode("latin-1").split("\r\n")
        self.target = lines[0].split(" ")[1]
        url = urllib.parse.urlsplit(self.target)
        self.path = url.path
        self.query = dict(urllib.parse.parse_qsl(url.query, keep_blank_values=True))
        self.headers = {}
        for line in lines[1:]:
            key, _, value = line.partition(":")
            self.headers[key.lower()] = value.strip()
        self.time = time.monotonic()


class Server:
    """Answers the n-th request by the n-th of its answers, functions of connection and request; further ones hang.

    An answer returns True if the connection may be used again."""

    def __init__(self, *answers, tls=None, port=0, host="127.0.0.1"):
        self.answers = list(answers)
        self.requests = []
        self.faults = []  # what an answer found wrong
        self.tls = tls
        self.lock = threading.Lock()
        self.open = set()
        self.stopping = threading.Event()
        v6 = ":" in host
        self.listener = socket.create_server((host, port), family=socket.AF_INET6 if v6 else socket.AF_INET)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{f'[{host}]' if v6 else host}:{self.port}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            with self.lock:
                self.open.add(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        raw = connection
        try:
            if self.tls:
                connection = self.tls.wrap_socket(connection, server_side=True)
                with self.lock:
                    self.open.add(connection)
            while self.answer(connection):
                pass
        except OSError:
            pass  # the client went
        finally:
            with self.lock:
                self.open -= {raw, connection}
            connection.close()

    def answer(self, connection):
        head = b""
        while b"\r\n\r\n" not in head:
            more = connection.recv(65536)
            if not more:
                return False
            head += more
        request = Request(head)
        with self.lock:
            self.requests.append(request)
            number = len(self.requests)
        answer = self.answers[number - 1] if number <= len(self.answers) else hang
        try:
            return answer(connection, request)
        except OSError:
            raise
        except Exception as error:
            self.faults.append(error)
            raise

    def stop(self):
        """Closes the port and cuts all connections."""
        self.stopping.set()
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        with self.lock:
            connections = list(self.open)
        for connection in connections:
            try:
                reset(connection)
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # gone, or it is a TLS socket by now


def reset(connection, _request=None):
    """RST instead of FIN, when the connection is closed."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return False


def hang(connection, _request):
    """Never answers; ends with the connection."""
    while connection.recv(65536):
        pass
    return False


# Objects and events

def service(name, version, **more):
    return {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": "default", "resourceVersion": str(version), **more},
        "spec": {"clusterIP": "10.96.0.10", "ports": [{"port": 80}]},
    }


def event(kind, name, version, **more):
    return {"type": kind, "object": service(name, version, **more)}


def added(name, version, **more):
    return event("ADDED", name, version, **more)


def bookmark(version, end=False):
    annotations = {"k8s.io/initial-events-end": "true"} if end else {}
    metadata = {"resourceVersion": str(version), "annotations": annotations}
    return {"type": "BOOKMARK", "object": {"kind": "Service", "apiVersion": "v1", "metadata": metadata}}


def status(code, reason, message="", **details):
    return {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "reason": reason,
            "code": code, "details": details}


def error(*args, **details):
    return {"type": "ERROR", "object": status(*args, **details)}


def service_list(version, *items, **metadata):
    """Items of a list have no kind."""
    items = [{key: item[key] for key in item if key not in ("kind", "apiVersion")} if isinstance(item, dict) else item
             for item in items]
    return {"kind": "ServiceList", "apiVersion": "v1", "metadata": {"resourceVersion": str(version), **metadata},
            "items": items}


def compact(value):
    """As Go encodes, without blanks. What is bytes already stays."""
    return value if isinstance(value, bytes) else json.dumps(value, separators=(",", ":")).encode()


# Answers

def head(code, *headers):
    return "\r\n".join([f"HTTP/1.1 {code} X", "Content-Type: application/json", *headers, "", ""]).encode()


def reply(code, body, *headers):
    body = compact(body)
    return lambda connection, _request: (
        connection.sendall(head(code, f"Content-Length: {len(body)}", *headers) + body) or True)


def listing(*args, **metadata):
    return reply(200, service_list(*args, **metadata))


def failure(code, reason, message="", headers=(), **details):
    return reply(code, status(code, reason, message, **details), *headers)


def gzipped(body):
    def answer(connection, request):
        assert request.headers["accept-encoding"] == "gzip", request.headers
        return reply(200, gzip.compress(compact(body)), "Content-Encoding: gzip")(connection, request)
    return answer


def chunk(data):
    return f"{len(data):x}\r\n".encode() + data + b"\r\n" if data else b""


def stream(*events, size=None, end="hang", pause=0):
    """A watch with these events, each a chunk, or in chunks of size bytes. end: "hang", "clean", "reset" or "cut".

    A number among the events is a pause in seconds."""
    def answer(connection, request):
        assert request.query["watch"] == "true", request.query
        assert 300 <= int(request.query["timeoutSeconds"]) <= 600, request.query
        connection.sendall(head(200, "Transfer-Encoding: chunked"))
        for part in events:
            if isinstance(part, (int, float)):
                time.sleep(part)
                continue
            data = compact(part) + b"\n"
            step = size or len(data)
            for at in range(0, len(data), step):
                connection.sendall(chunk(data[at:at + step]))
        time.sleep(pause)
        if end == "clean":
            connection.sendall(b"0\r\n\r\n")
            return True
        if end == "hang":
            return hang(connection, request)
        return reset(connection) if end == "reset" else False
    return answer


def raw(data):
    """Sends bytes and closes."""
    return lambda connection, _request: connection.sendall(data) or False


# Certificates

def openssl(*args):
    subprocess.run(["openssl", *args], check=True, capture_output=True)


class Authority:
    """A CA in a directory, which signs certificates with names such as "IP:127.0.0.1"."""

    def __init__(self, directory, name):
        self.base = os.path.join(directory, name)
        self.cert = self.base + ".crt"
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-keyout", self.base + ".key", "-out", self.cert)

    def sign(self, name, names="DNS:client"):
        """Returns the paths of certificate and key."""
        base = f"{self.base}-{name}"
        with open(base + ".ext", "w") as file:
            file.write(f"subjectAltName={names}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}",
                "-keyout", base + ".key", "-out", base + ".csr")
        openssl("x509", "-req", "-in", base + ".csr", "-CA", self.cert, "-CAkey", self.base + ".key",
                "-CAcreateserial", "-days", "2", "-extfile", base + ".ext", "-out", base + ".crt")
        return base + ".crt", base + ".key"


def tls_context(cert, key, clients=None):
    """Of a server; clients: the CA whose certificates its clients must have."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    if clients:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(clients)
    return context
