"""Servers of mail and files, each on one core, with the best settings for the case.

None has a log, TLS, or a limit that the load would reach. Their mail and files are beneath one directory,
on the file system of /var/tmp. Mail is for user0 … at bench.example. The hash of their password is the
cheapest of crypt(3), so that the servers are measured and not crypt. Files are read and stored as
anonymous: vsftpd needs no PAM then, and pure-ftpd has a user of that name.
"""
import os
import pwd
import re
import shutil
import signal
import subprocess
import tempfile
import time

import measure
import servers
from account import Account
from servers import FOREVER_S, Server

DOMAIN = "bench.example"
HASH = "abNANd1rDfiNc"  # DES, of "secret"
USERS = 8
NOBODY = 65534


class Place:
    """The directory of mail and files; removed at the end of the block."""

    mails = 0
    mail = None  # the directory that receives it now

    def __enter__(self):
        self.top = tempfile.mkdtemp(prefix="weir-bench-", dir="/var/tmp")
        os.chmod(self.top, 0o755)
        # ext4 spreads the directories in the top of a hierarchy over the disk. Making files is slow where
        # many were removed just before, and no server shall pay for files of another one.
        subprocess.run(["chattr", "+T", self.top], check=False, stderr=subprocess.DEVNULL)
        self.log = open(self.path("log"), "w+b")
        self.users = self.write("users", "".join(f"user{i}:{HASH}\n" for i in range(USERS)))
        os.chmod(self.users, 0o600)
        return self

    def __exit__(self, *_):
        self.log.close()
        shutil.rmtree(self.top)

    def path(self, name):
        return os.path.join(self.top, name)

    def directory(self, name, uid=None):
        """Returns a directory, which is made if it is missing. It belongs to `uid`, if that is given."""
        path = self.path(name)
        if not os.path.isdir(path):
            os.makedirs(path)
            os.chmod(path, 0o755)
            if uid is not None:
                os.chown(path, uid, -1)
        return path

    def fresh(self, name, uid=None):
        shutil.rmtree(self.path(name), ignore_errors=True)
        return self.directory(name, uid)

    def fresh_mail(self, server):
        """Another directory each time."""
        self.mails += 1
        uid = None if server.name in ("weir", "before") else NOBODY
        self.mail = self.directory(f"mail{self.mails}", uid)
        return self.mail

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)

    def last_words(self):
        """The end of what the servers wrote to their standard error."""
        self.log.seek(0)
        return self.log.read().decode(errors="replace").strip()[-300:]


class Running:
    """A server that runs, from `with` to the end of its block; it and all it started end there."""

    def __init__(self, server, place, core, case):
        self.port = servers.free_port()
        self.account = Account()
        command = [*self.account.begin(), "taskset", "-c", str(core),
                   *server.command(place, self.port, case)]
        self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=place.log,
                                        stderr=place.log, start_new_session=True)
        self.account.root = self.process.pid
        try:
            servers.Running.wait_until_up(self, server)
            self.account.wait_until_quiet()
        except BaseException:
            self.stop()
            raise

    def stop(self):
        for number in (signal.SIGTERM, signal.SIGKILL):
            for pid in self.account.pids():
                try:
                    os.kill(pid, number)
                except ProcessLookupError:
                    pass
            deadline = time.monotonic() + 2
            while self.account.pids() and time.monotonic() < deadline:
                self.process.poll()
                time.sleep(0.02)
        self.process.wait()
        self.account.remove()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


class Weir(servers.Weir):
    def mail(self, place, case):
        directory = place.mail if case.protocol == "smtp" else place.path("pop3-weir")
        return f"""
mail:
  directory: {directory}
  users: {place.users}
  domains: [{DOMAIN}]
  limits: {{ connections: 100000 }}
"""

    def files(self, place, case):
        return f"""
ftp:
  root: {place.directory("files")}
  writable: yes
  anonymous-writes: yes
  sessions: 100000
  sessions-per-address: 100000
"""

    def command(self, place, port, case):
        content = self.files if case.protocol == "ftp" else self.mail
        return [self.path(), "serve", "--config", place.write("weir.yaml", f"""
listen: [{{ {case.protocol}: "127.0.0.1:{port}" }}]
workers: 1
{servers.AS_ROOT}limits: {{ idle: 24h }}
{content(place, case)}
""")]


# --- mail ------------------------------------------------------------------------------------------

class Postfix(Server):
    name = "postfix"
    program = "/usr/lib/postfix/sbin/master"

    def version(self):
        done = subprocess.run(["postconf", "-d", "-h", "mail_version"], check=False, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.strip()

    def command(self, place, port, case):
        if os.getuid() != 0:
            raise measure.Failed("Postfix has to be started by root")
        configuration = place.fresh("postfix")
        queue = place.fresh("postfix-queue")
        place.fresh("postfix-data", pwd.getpwnam("postfix").pw_uid)
        processes = 150
        # Delivered by virtual(8), which writes to a Maildir; nothing is looked up that need not be.
        place.write("postfix/main.cf", f"""
compatibility_level = 3.6
queue_directory = {queue}
data_directory = {place.path("postfix-data")}
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
myhostname = mx.{DOMAIN}
mydestination =
mynetworks = 127.0.0.0/8
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
alias_maps =
virtual_mailbox_domains = {DOMAIN}
virtual_mailbox_base = {place.mail}
virtual_mailbox_maps = static:user0/
virtual_uid_maps = static:{NOBODY}
virtual_gid_maps = static:{NOBODY}
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_timeout = {FOREVER_S}s
smtpd_peername_lookup = no
in_flow_delay = 0
default_process_limit = {processes}
maillog_file_prefixes = /dev, {place.top}
maillog_file = /dev/null
""")
        place.write("postfix/master.cf", f"""
127.0.0.1:{port} inet n - n - {processes} smtpd
cleanup unix n - n - 0 cleanup
qmgr unix n - n 300 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
proxymap unix - - n - - proxymap
anvil unix - - n - 1 anvil
error unix - - n - - error
retry unix - - n - - error
virtual unix - n n - - virtual
postlog unix-dgram n - n - 1 postlogd
""")
        return ["postfix", "-c", configuration, "start-fg"]


class Dovecot(Server):
    name = "dovecot"
    program = "dovecot"

    def version(self):
        return self.output_of("--version").split()[0]

    def command(self, place, port, case):
        run = place.fresh("dovecot-run")
        users = place.write("dovecot-users", "".join(
            f"user{i}:{{CRYPT}}{HASH}::::::\n" for i in range(USERS)))
        # The processes that log users in and those that serve them are kept, which is not its
        # default; and the state of the mailbox is not written where POP3 has no use for it.
        return [self.path(), "-F", "-c", place.write("dovecot.conf", f"""
protocols = pop3
listen = 127.0.0.1
base_dir = {run}
state_dir = {run}
log_path = /dev/null
ssl = no
disable_plaintext_auth = no
auth_mechanisms = plain
auth_cache_size = 1M
first_valid_uid = 1
mail_location = maildir:{place.directory("pop3-dovecot", NOBODY)}/%u
mailbox_list_index = no
maildir_very_dirty_syncs = yes
pop3_no_flag_updates = yes
default_internal_user = dovecot
passdb {{
  driver = passwd-file
  args = {users}
}}
userdb {{
  driver = static
  args = uid={NOBODY} gid={NOBODY} home={place.directory("pop3-dovecot", NOBODY)}/%u
}}
service pop3-login {{
  inet_listener pop3 {{
    port = {port}
  }}
  inet_listener pop3s {{
    port = 0
  }}
  chroot =
  service_count = 0
  process_min_avail = 1
  process_limit = 1
  client_limit = {servers.CONNECTIONS_MAX}
  vsz_limit = 0
}}
service pop3 {{
  service_count = 1000000
  process_min_avail = 4
}}
service anvil {{
  client_limit = 20000
}}
service auth {{
  client_limit = 20000
}}
service stats {{
  client_limit = 20000
}}
""")]


# --- files -----------------------------------------------------------------------------------------

class Vsftpd(Server):
    name = "vsftpd"
    program = "vsftpd"

    def version(self):
        # The program writes its version to its standard input only.
        done = subprocess.run(["dpkg-query", "-W", "-f", "${Version}", "vsftpd"], check=False,
                              text=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        return done.stdout.partition("-")[0]

    def command(self, place, port, case):
        return [self.path(), place.write("vsftpd.conf", f"""
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
anon_root={place.directory("files")}
anon_umask=022
anon_upload_enable=YES
anon_other_write_enable=YES
write_enable=YES
xferlog_enable=NO
seccomp_sandbox=NO
secure_chroot_dir={place.directory("empty")}
max_clients=0
max_per_ip=0
idle_session_timeout={FOREVER_S}
""")]


class PureFtpd(Server):
    name = "pure-ftpd"
    program = "pure-ftpd"

    def __init__(self, build):
        super().__init__(build)
        # Debian has one FTP server installed at a time; this one is unpacked beside.
        unpacked = f"{build}/peers/pure-ftpd"
        if not shutil.which("pure-ftpd", path="/usr/sbin") and not os.path.isdir(unpacked):
            unpack("pure-ftpd", f"{build}/peers", unpacked)
        if os.path.isdir(unpacked):
            self.program = f"{unpacked}/usr/sbin/pure-ftpd"

    def version(self):
        return re.search(r"v?(\d+\.\S+)", self.output_of("--help")).group(1)

    def command(self, place, port, case):
        # "ftp" is a user of its own database: its anonymous one lives in the system's /srv/ftp.
        ftp = pwd.getpwnam("ftp")
        passwd = place.write("pure-passwd", f"ftp:{HASH}:{ftp.pw_uid}:{ftp.pw_gid}::"
                             f"{place.directory('files')}/./::::::::::::\n")
        base = place.path("pure.pdb")
        tool = shutil.which("pure-pw") or self.program.replace("sbin/pure-ftpd", "bin/pure-pw")
        subprocess.run([tool, "mkdb", base, "-f", passwd], check=True)
        return [self.path(), "-S", f"127.0.0.1,{port}", "-E", "-H", "-c", "20000", "-C", "20000",
                "-I", "60", "-f", "none", "-L", "100000:10", "-l", f"puredb:{base}"]


def unpack(package, directory, to):
    os.makedirs(directory, exist_ok=True)
    try:
        subprocess.run(["apt-get", "-qq", "download", package], cwd=directory, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    except (OSError, subprocess.CalledProcessError):
        return
    for name in os.listdir(directory):
        if name.startswith(package + "_"):
            subprocess.run(["dpkg-deb", "-x", os.path.join(directory, name), to], check=True)
