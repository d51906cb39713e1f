"""Puts a question to several servers: rounds, ratios, the report. bench/<question> has the cases.

Each round measures each case with each server, in an order that changes by the round. The server is
started on a core of its own, its bytes are checked, and it is warmed up. Then the load, on another core,
keeps it busy. The value is the CPU time of all processes of the server between two moments of quiet,
divided by the number of replies. Neither the speed of the load nor the time on the clock matters, as long
as the server is busy; `busy` is the share of the time in which it was. Ratios are made within a round, and
the report shows their median. HTTP and TLS are measured with cubic, Linux's default congestion control, which
needs root where the system has another.
"""
import argparse
import datetime
import gzip
import http.client
import os
import platform
import re
import shutil
import signal
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field, replace

import charts
import measure
import page
import servers
from measure import Failed, Load

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..")
BUILD = os.path.join(HERE, "..", "build")
RESULTS = os.path.join(HERE, "RESULTS.md")

# Set when the arguments have been read. The load shares its core with this process.
cores = {"server": 0, "load": 1}


@dataclass
class Question:
    """A program in bench/."""
    name: str      # ./dev bench NAME
    about: str     # for --help
    title: str     # of its part of RESULTS.md
    described_in: str   # the files that describe how it is measured
    cases: dict
    peers: tuple   # servers that are compared with, the floor not among them
    every: tuple   # all servers
    targets: object
    kinds: tuple = tuple(servers.ALL)
    site: type = None  # None: Site
    own_network: bool = False  # the figures depend on the congestion control: leave_network()
    timed: bool = True  # --seconds is the time for which a server is kept busy


GZIP = "Accept-Encoding: gzip"


@dataclass
class Case:
    """One case of a question; `measure` returns a Figure for a server."""
    name: str
    about: str
    unit: str
    who: tuple
    measure: object
    path: str = "/small.html"
    connections: int = 32
    depth: int = 1
    header: str = None  # of the request
    tls: bool = False
    http2: bool = False  # in clear, by prior knowledge
    compressed_cache: bool = True  # Weir's, of compressed files
    key_process: bool = False  # Weir's, for the private keys
    rounds_max: int = 1000
    beside: str = None  # a case of the same round that it is compared with
    group: str = None   # a name for several cases

    @property
    def gzip(self):
        return self.header == GZIP

    @property
    def is_small(self):
        return self.path == "/small.html"


@dataclass
class Figure:
    """One measurement: the value that is compared, and further observations."""
    value: float
    notes: dict = field(default_factory=dict)


class Site:
    """The files that are served, and a directory for configurations; removed at the end of the block."""

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="weir-bench-")
        os.chmod(self.top, 0o755)
        self.root, self.scratch = os.path.join(self.top, "root"), os.path.join(self.top, "scratch")
        os.mkdir(self.root)
        os.mkdir(self.scratch)
        self.log = open(os.path.join(self.scratch, "log"), "w+b")
        page.write_site(self.root)
        self.chain, self.key = (os.path.join(self.top, name) for name in ("cert.pem", "key.pem"))
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                        "-out", self.chain, "-keyout", self.key],
                       check=True, stdin=subprocess.DEVNULL, capture_output=True)
        return self

    def __exit__(self, *_):
        self.log.close()
        shutil.rmtree(self.top)

    def write(self, name, text):
        path = os.path.join(self.scratch, name)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        return path

    def last_words(self):
        """Returns the end of the servers' standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-300:]


def fetch(site, running, case):
    """Returns the status and the body of the case's reply."""
    kind, options = http.client.HTTPConnection, {"timeout": 10}
    if case.tls:
        kind, options["context"] = http.client.HTTPSConnection, ssl.create_default_context(
            cafile=site.chain)
    connection = kind("127.0.0.1", running.port, **options)
    connection.request("GET", case.path, headers=dict([case.header.split(": ")]) if case.header else {})
    reply = connection.getresponse()
    body = reply.read()
    connection.close()
    if reply.getheader("Content-Encoding") == "gzip":
        body = gzip.decompress(body)
    return reply.status, body


def check(site, running, case):
    """Checks that the reply is the file, byte for byte; the load compares sizes only."""
    if case.path == "/big.html" and not case.tls:
        return
    with open(site.root + case.path, "rb") as file:
        if fetch(site, running, case) != (200, file.read()):
            raise Failed("a wrong reply")


# --- measurements that several questions make ------------------------------------------------------

def load(kind, running, case, **options):
    program = os.path.join(BUILD, "bench", "tls_load" if case.tls else "load")
    path = options.pop("path", case.path)
    return Load(program, cores["load"], kind, running.port, path, **options)


def requests(running, case, seconds, kind="requests"):
    """Measures the CPU time of a reply, in microseconds."""
    depth = case.depth if case.depth != 1 else None
    with load(kind, running, case, connections=case.connections, depth=depth, seconds=seconds,
              header=case.header) as busy:
        busy.wait_until_ready()
        pids = running.pids()
        before = measure.cpu_s(pids)
        done = busy.go()
        spent = measure.cpu_s(pids) - before
    return Figure(spent / done["replies"] * 1e6,
                  {"busy": spent / done["seconds"], "size": done["body_size"]})


def held(kind, running, case, kernel_bytes=measure.tcp_bytes):
    """Returns user and kernel memory, in bytes, of each of the case's connections while they are open."""
    measure.wait_until_quiet(running.pids())
    user, kernel = measure.pss_bytes(running.pids()), kernel_bytes()
    with load(kind, running, case, connections=case.connections, header=case.header) as holding:
        holding.wait_until_ready()
        measure.wait_until_quiet(running.pids())
        user = measure.pss_bytes(running.pids()) - user
        kernel = kernel_bytes() - kernel
    return user / case.connections, kernel / case.connections


# --- the run ---------------------------------------------------------------------------------------

def progress(text):
    print(text, file=sys.stderr, flush=True)


def run(site, cases, present, rounds, seconds):
    """{case: {server: [Figure or None, a round each]}}"""
    results = {case.name: {server.name: [] for server in present if server.name in case.who}
               for case in cases}
    for number in range(rounds):
        for case in cases:
            if number >= case.rounds_max:
                continue
            turn = number % len(present)
            for server in present[turn:] + present[:turn]:
                if server.name not in case.who:
                    continue
                try:
                    figure = case.measure(server, site, case, seconds)
                    told = f"{figure.value:.2f} {case.unit}"
                except (Failed, OSError, http.client.HTTPException) as failure:
                    figure, told = None, f"no result: {failure} {site.last_words()}"
                results[case.name][server.name].append(figure)
                progress(f"round {number + 1}/{rounds}  {case.name:10} {server.name:9} {told}")
    return results


def ratios(figures, others):
    """Returns the ratios of the rounds in which both were measured."""
    return [mine.value / other.value for mine, other in zip(figures, others)
            if mine and other and other.value > 0]


class Results:
    """Medians and ratios of the measurements; None where there are none."""

    def __init__(self, results, peers):
        self.results = results
        self.peers = peers

    def figures(self, case, server):
        return [figure for figure in self.results.get(case, {}).get(server, []) if figure]

    def median(self, case, server):
        values = [figure.value for figure in self.figures(case, server)]
        return statistics.median(values) if values else None

    def note(self, case, server, name):
        values = [figure.notes[name] for figure in self.figures(case, server) if name in figure.notes]
        return statistics.median_low(values) if values else None

    def ratio(self, case, server, other, other_case=None):
        found = ratios(self.results.get(case, {}).get(server, []),
                       self.results.get(other_case or case, {}).get(other, []))
        return statistics.median(found) if found else None

    def best_peer(self, case):
        peers = [(self.median(case, peer), peer) for peer in self.peers]
        return min((pair for pair in peers if pair[0] is not None), default=(None, None))[1]


# --- the report ------------------------------------------------------------------------------------

def show(value, form="{:.2f}"):
    return "-" if value is None else form.format(value)


def report_case(results, case):
    yield f"{case.name}: {case.about}; {case.unit}"
    peer = results.best_peer(case.name)
    yield f"  {'':9}{'median':>10}{'min':>10}{'max':>10}{'/floor':>9}{'/best peer':>12}"
    for server in case.who:
        figures = results.figures(case.name, server)
        if not figures:
            continue
        values = [figure.value for figure in figures]
        notes = []
        for name, form in (("busy", "busy {:.0%}"), ("size", "{:.0f} bytes"), ("user", "user {:.0f}"),
                           ("kernel", "kernel {:.0f}"), ("rss", "RSS {:.0f}"),
                           ("anonymous", "anonymous {:.0f}"), ("cpu", "{:.2f} s of CPU a GB"), ("rate", "{:.0f} a second"),
                           ("connections", "{:.0f} connections"),
                           ("ours", "{:.0f} µs of them ours"), ("one", "{:.0f} by one"),
                           ("shared", "{:.0f} with as many connections as one"), ("full", "{:.0f} a second"),
                           ("empty", "{:.0f} a second when empty"),
                           ("first", "{:.0f} a second right after a checkpoint"),
                           ("in turn", "median ratio {:.2f}"), ("acknowledged", "{:.0f} acknowledged"),
                           ("unanswered", "{:.0f} without a reply"), ("found", "{:.0f} found"),
                           ("doubled", "{:.0f} doubled"), ("lost", "{:.0f} lost"), ("damaged", "{:.0f} damaged"),
                           ("refused", "{:.0f} refused and stored"), ("closed", "{:.0f} idle ones closed"),
                           ("middle", "median {:.1f}"), ("worst", "worst {:.1f}"), ("before", "before the attack {:.1f}")):
            value = results.note(case.name, server, name)
            if value is not None:
                notes.append(form.format(value))
        if case.beside:
            ratio = results.ratio(case.name, server, server, case.beside)
            notes.append(f"{show(ratio)} times {case.beside}")
        yield (f"  {server:9}{statistics.median(values):10.2f}{min(values):10.2f}{max(values):10.2f}"
               f"{show(results.ratio(case.name, server, 'floor')):>9}"
               f"{show(results.ratio(case.name, server, peer)):>12}  {', '.join(notes)}")
    yield ""


def report(question, results, cases, present, rounds, seconds):
    yield from header(present, rounds, seconds)
    for case in cases:
        yield from report_case(results, case)
    yield "Targets"
    names = {case.name for case in cases}
    for case, asked, shown, holds in question.targets(results):
        if case in names:
            verdict = {True: "PASS", False: "MISS", None: "----"}[holds]
            yield f"  {verdict}  {case:10} {asked:34} {shown}"


def cpu_model():
    for text in measure.read("/proc/cpuinfo").splitlines():
        if text.startswith("model name"):
            return text.split(":", 1)[1].strip()
    return platform.machine()


def header(present, rounds, seconds):
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    versions = ", ".join(f"{server.name} {server.version()}".strip() for server in present)
    yield f"Date      {datetime.date.today().isoformat()}"
    yield f"Machine   {cpu_model()}, {os.cpu_count()} cores, {memory:.0f} GB"
    yield f"Kernel    Linux {platform.release()}, congestion control {congestion_control()}"
    yield f"Servers   {versions}"
    lasting = f" of {seconds:g} s" if seconds else ""
    yield f"Runs      {rounds} rounds{lasting} a case and server, interleaved"
    yield ""


def save(question, text):
    """Replaces the question's part of the results, and draws the charts."""
    chart = charts.reference(question.name, question.title, "../") + "\n"
    if not charts.comparisons(charts.read_part(text)):
        chart = ""
    part = (f"# {question.title}\n\nMade by `./dev bench {question.name} --save`. How it is measured is"
            f" described {question.described_in}.\n\n{chart}```\n{text}```\n")
    try:
        with open(RESULTS, encoding="utf-8") as file:
            parts = re.split(r"^(?=# )", file.read(), flags=re.MULTILINE)
    except FileNotFoundError:
        parts = []
    parts = [other for other in parts if other.strip()]
    heading = part.split("\n", 1)[0]
    places = [i for i, other in enumerate(parts) if other.split("\n", 1)[0] == heading]
    if places:
        parts[places[0]] = part
    else:
        parts.append(part)
    with open(RESULTS, "w", encoding="utf-8") as file:
        file.write("\n".join(other.rstrip("\n") + "\n" for other in parts))
    charts.draw_all()


def parse_arguments(question):
    parser = argparse.ArgumentParser(prog=f"./dev bench {question.name}", description=question.about,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    cases, every = question.cases, question.every
    parser.add_argument("cases", nargs="*", metavar="CASE", help=", ".join(cases))
    parser.add_argument("--rounds", type=int, default=5, help="default: 5")
    if question.timed:
        parser.add_argument("--seconds", type=float, default=2,
                            help="of load for a measurement; default: 2")
    else:
        parser.set_defaults(seconds=None)
    parser.add_argument("--servers", type=lambda text: text.split(","), metavar="NAME,...",
                        default=list(every), help=",".join(every))
    parser.add_argument("--save", action="store_true", help="write bench/RESULTS.md too")
    parser.add_argument("--before", metavar="BUILD", type=os.path.abspath,
                        help="the build directory of an earlier version, to be measured beside this one")
    arguments = parser.parse_args()
    for name in list(arguments.cases):
        members = [case.name for case in cases.values() if case.group == name]
        if members:
            arguments.cases.remove(name)
            arguments.cases += members
        elif name not in cases:
            parser.error(f"no case {name}; there are {' '.join(cases)}")
    for name in arguments.servers:
        if name not in every:
            parser.error(f"no server {name}; there are {' '.join(every)}")
    for name in list(arguments.cases):
        beside = cases[name].beside
        if beside and beside not in arguments.cases:
            arguments.cases.insert(0, beside)
    return arguments


def earlier(question, build):
    """Returns Weir as it was built in another directory, as a server of its own."""
    weir = next(kind for kind in question.kinds if kind(BUILD).name == "weir")
    server = type("Before", (weir,), {"name": "before"})(build)
    if not server.path():
        sys.exit(f"there is no {server.program}")
    return server


def report_before(results, cases):
    """The ratios of this version to the earlier one."""
    yield ""
    yield "Beside the earlier version (median of the rounds' ratios)"
    for case in cases:
        yield f"  {case.name:12} {show(results.ratio(case.name, 'weir', 'before'), '{:.3f}')}"


def choose_cores():
    free = sorted(os.sched_getaffinity(0))
    cores["server"], cores["load"] = free[0], free[-1]
    if len(free) == 1:
        progress("one core only: the load disturbs the server, and the figures are worth little")
    os.sched_setaffinity(0, {cores["load"]})


# Linux's default. BBR paces by the rate that it measures, which on the loopback is that of the
# processes: with it one server's figure for a large file went from 7 to 12 ms from run to run.
CONGESTION_CONTROL = "cubic"

# Set in a process that leave_network() has started.
OWN_NETWORK = "WEIR_BENCH_OWN_NETWORK"


def congestion_control():
    """Returns the congestion control of connections over the loopback."""
    if os.environ.get(OWN_NETWORK):
        return CONGESTION_CONTROL
    return measure.read("/proc/sys/net/ipv4/tcp_congestion_control").strip()


def leave_network():
    """Where the system has another congestion control, goes on in a network namespace with cubic."""
    tools = shutil.which("unshare") and shutil.which("ip")
    if congestion_control() == CONGESTION_CONTROL or os.geteuid() != 0 or not tools:
        return
    routes = "; ".join(f"ip route replace local {address} dev lo proto kernel scope host src 127.0.0.1"
                       f" table local congctl {CONGESTION_CONTROL}"
                       for address in ("127.0.0.0/8", "127.0.0.1"))
    os.environ[OWN_NETWORK] = "1"
    os.execvp("unshare", ["unshare", "--net", "sh", "-ec", f'ip link set lo up; {routes}; exec "$@"',
                          "sh", sys.executable, "-B", *sys.argv])


def end_by_signal():
    """Ends the servers after a signal, too, whatever signals follow."""
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

    def leave(number, _):
        for each in numbers:
            signal.signal(each, signal.SIG_IGN)
        sys.exit(128 + number)

    for number in numbers:
        signal.signal(number, leave)


def main(question):
    arguments = parse_arguments(question)
    if question.own_network:
        leave_network()
    cases = [case for name, case in question.cases.items()
             if not arguments.cases or name in arguments.cases]
    present = []
    for kind in question.kinds:
        server = kind(BUILD)
        if server.name not in arguments.servers:
            continue
        if server.path():
            present.append(server)
        else:
            progress(f"{server.name} is left out: there is no {os.path.relpath(server.program)}")
    if arguments.before:
        present.append(earlier(question, arguments.before))
        cases = [replace(case, who=(*case.who, "before")) if "weir" in case.who else case
                 for case in cases]
    end_by_signal()
    choose_cores()
    began = time.monotonic()
    with (question.site or Site)() as site:
        results = run(site, cases, present, arguments.rounds, arguments.seconds)
    results = Results(results, question.peers)
    lines = list(report(question, results, cases, present, arguments.rounds, arguments.seconds))
    if arguments.before:
        lines += report_before(results, cases)
    text = "\n".join(lines) + "\n"
    progress(f"{time.monotonic() - began:.0f} seconds")
    print(text, end="")
    if arguments.save:
        save(question, text)
    return 0
