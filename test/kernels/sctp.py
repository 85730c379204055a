# SPDX-License-Identifier: GPL-2.0-or-later
"""
A server of SCTP at port 8080, or a client: serve ADDRESS NAME, or ask SOURCE ADDRESS PORT. Each socket has one address: an INIT
would name all that its host has. The server answers with its name and the client's address, and the message.
"""
import socket
import sys

MESSAGES = (b"odd", b"x" * 3001)


def made(address):
    made_of = socket.AF_INET6 if ":" in address else socket.AF_INET
    one = socket.socket(made_of, socket.SOCK_STREAM, socket.IPPROTO_SCTP)
    one.settimeout(20)
    return one


def serve(address, name):
    server = made(address)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.bind((address, 8080))
    server.listen()
    server.settimeout(None)
    print("ready", flush=True)
    while True:
        client, peer = server.accept()
        with client:
            while data := client.recv(65536):
                client.sendall(f"{name} {peer[0]} ".encode() + data)


def ask(source, address, port):
    client = made(source)
    client.bind((source, 0))
    client.connect((address, int(port)))
    for message in MESSAGES:
        client.sendall(message)
        answer = client.recv(65536)
        name, seen, rest = answer.split(b" ", 2)
        if rest != message:
            sys.exit(f"another answer: {answer[:100]}")
    print(name.decode(), seen.decode(), client.getpeername()[0])


{"serve": serve, "ask": ask}[sys.argv[1]](*sys.argv[2:])
