# SPDX-License-Identifier: GPL-2.0-or-later
"""The two arms of one config: each a node and a pod, which are network namespaces, and how the plugin is called there."""
import contextlib
import ctypes
import fcntl
import json
import os
import socket
import struct
import subprocess
import tempfile

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNET = 0x40000000
SIOCSIFFLAGS, IFF_UP = 0x8914, 1
HOME = os.open("/proc/self/ns/net", os.O_RDONLY)
TEST_BIN_DIR = os.environ.get("TEST_BIN_DIR", "/opt/natbridge-test/bin")
PROGRAMS = {"reference": f"{TEST_BIN_DIR}/bridge", "natbridge": "build/natbridge"}
TYPES = {"reference": "bridge", "natbridge": "natbridge"}


def enter(descriptor):
    """This thread only."""
    if LIBC.setns(descriptor, CLONE_NEWNET):
        raise OSError(ctypes.get_errno(), "setns")


class Namespace:
    def __init__(self, name):
        self.name, self.path = name, f"/run/netns/{name}"
        subprocess.run(["ip", "netns", "add", name], check=True)
        with self.entered(), socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
            fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH22x", b"lo", IFF_UP))

    @contextlib.contextmanager
    def entered(self):
        descriptor = os.open(self.path, os.O_RDONLY)
        try:
            enter(descriptor)
            yield
        finally:
            enter(HOME)
            os.close(descriptor)

    def command(self, command, text="", environment=None):
        """Runs a list of words in it. text: for stdin, a file, since a pipe may be written late on a busy machine."""
        with self.entered(), tempfile.TemporaryFile("w+") as stdin:
            stdin.write(text)
            stdin.seek(0)
            return subprocess.run(command, stdin=stdin, text=True, capture_output=True, env=environment, check=False)

    def run(self, script, **variables):
        """Runs a line of shell in it, which must succeed."""
        done = self.command(["sh", "-ec", script], environment=dict(os.environ, **variables))
        if done.returncode:
            raise RuntimeError(f"{script}: {done.stderr or done.stdout}")
        return done.stdout

    def write_sysctl(self, key, value):
        with self.entered(), open(f"/proc/sys/net/{key}", "w") as file:
            file.write(value)

    def delete(self):
        subprocess.run(["ip", "netns", "del", self.name], check=False)


class Arm:
    """name: reference or natbridge. number: of the config, which makes names unique."""

    def __init__(self, name, number, prefix, directory):
        self.name, self.network = name, f"net{number}"
        self.bpffs = f"{directory}/node-{name}/bpf"
        self.ipam_directory = f"{directory}/ipam-{name}-{number}"
        self.namespaces = []
        self.node = self.namespace(f"{prefix}-{name}-{number}-node")
        self.pod = self.namespace(f"{prefix}-{name}-{number}-pod")
        # The plugin has to write these; the bridge's link-local address is there at once.
        for key in ("ipv4/ip_forward", "ipv6/conf/all/forwarding", "ipv6/conf/all/accept_dad", "ipv6/conf/default/accept_dad"):
            self.node.write_sysctl(key, "0")
        self.macs = {}  # what a MAC address is called, in everything that is compared
        self.result = None  # of the last ADD that succeeded

    def namespace(self, name):
        made = Namespace(name)
        self.namespaces.append(made)
        return made

    def close(self):
        for namespace in self.namespaces:
            namespace.delete()
        subprocess.run(["rm", "-rf", self.ipam_directory, f"{self.bpffs}/natbridge/{self.network}"], check=False)

    def config(self, keys):
        """The JSON for stdin; a key that is null is left out."""
        config = {"name": self.network, "type": TYPES[self.name], **keys}
        if isinstance(config.get("ipam"), dict) and config["ipam"].get("type") == "host-local":
            config["ipam"] = {"dataDir": self.ipam_directory, **config["ipam"]}
        return {key: value for key, value in config.items() if value is not None}

    def call(self, verb, keys, environment, stdin=None):
        """One call of the plugin: exit code and what it printed."""
        config = self.config(keys)
        if self.result is not None and verb in ("CHECK", "DEL") and "prevResult" not in keys:
            config["prevResult"] = self.result
        variables = {
            "CNI_COMMAND": verb, "CNI_CONTAINERID": "pod", "CNI_NETNS": self.pod.path, "CNI_IFNAME": "eth0", "CNI_PATH": TEST_BIN_DIR,
            "NATBRIDGE_BPFFS": self.bpffs, "PATH": os.environ["PATH"], **environment,
        }
        variables = {name: value.replace("$POD", self.pod.path).replace("$NODE", self.node.path)
                     for name, value in variables.items() if value is not None}
        done = self.node.command([PROGRAMS[self.name]], stdin if stdin is not None else json.dumps(config), variables)
        try:
            answer = json.loads(done.stdout) if done.stdout else None
        except ValueError:
            answer = {"not JSON": done.stdout}
        if verb == "ADD" and done.returncode == 0:
            self.result = answer
        return done.returncode, answer

    def host_end(self):
        """The name of the pod's port; empty if it has none."""
        links = json.loads(self.node.command(["ip", "-j", "link", "show", "type", "veth"]).stdout or "[]")
        return next((link["ifname"] for link in links if link["ifname"].startswith("veth")), "")

    def shell(self, where, script):
        getattr(self, where).run(script, HOST=self.host_end(), DIR=self.ipam_directory)
