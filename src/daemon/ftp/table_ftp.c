/* The keys of `ftp`. The users are loaded here, so that `weir check` finds their mistakes, too. */
#include <weir/ftp.h>
#include <weir/limits.h>

#include "config.h"
#include "config_ftp.h"
#include "kinds.h"
#include "tables.h"
#include "types.h"

static const char *const upload_words[] = {
        [WEIR_FTP_KEEP_PART] = "keep-part", [WEIR_FTP_WHOLE] = "whole", NULL};
static const char *const tls_words[] = {
        [CONFIG_FTP_TLS_OFFERED] = "offered", [CONFIG_FTP_TLS_REQUIRED] = "required", NULL};
static const char *const reuse_words[] = {
        [WEIR_FTP_REUSE_PREFER] = "prefer",
        [WEIR_FTP_REUSE_REQUIRE] = "require",
        [WEIR_FTP_REUSE_OFF] = "off",
        NULL,
};

static const struct key ftp_keys[] = {
        {"root", &type_directory, AT(config_ftp, root), .otherwise = "the root of the first site",
                .example = "files", .doc = "The directory to serve."},
        {"users", &type_file, AT(config_ftp, users_path), .otherwise = "nobody can log in",
                .example = "users",
                .doc = "A file of the users who may log in, as `weir passwd` writes it.",
                .more = "Behind the hash of a line, separated by spaces, may follow "
                        "`home=/directory` (below the root, and the user's own root then), "
                        "`rights=` with letters (default: all), and `rate=` with bytes a second. "
                        "The letters are r (read), w (write files whose names are free), d "
                        "(delete), l (list), o (overwrite, append, resume, change modes and "
                        "times), m (create directories) and n (rename). Without any of o, m and n, "
                        "w also gives m, and w with d also gives o and n. No symbolic link leads "
                        "out of a user's home."},
        {"anonymous", &type_flag, AT(config_ftp, anonymous), .preset = true,
                .doc = "Whether everybody may log in as anonymous or ftp, and read."},
        {"anonymous-home", &type_text, AT(config_ftp, anonymous_home), .otherwise = "the root",
                .example = "/", .doc = "The directory of the root that anonymous users see."},
        {"anonymous-writes", &type_flag, AT(config_ftp, anonymous_writes),
                .doc = "Whether anonymous users may create files and directories there."},
        {"anonymous-overwrites", &type_flag, AT(config_ftp, anonymous_overwrites),
                .doc = "Whether anonymous users may replace files there."},
        {"writable", &type_flag, AT(config_ftp, writable), .option = "ftp-writable",
                .option_value = "yes",
                .option_doc = "Let the users of --users upload, rename and delete files by FTP.",
                .doc = "Whether users may write, rename and delete, as far as their rights go."},
        {"hidden", &type_flag, AT(config_ftp, hidden),
                .doc = "Whether names that begin with a dot are visible."},
        {"mode", &type_mode, AT(config_ftp, mode), .otherwise = "0644 less the umask",
                .example = "0640", .doc = "The permission bits of new files, in octal."},
        {"uploads", &type_word, AT(config_ftp, uploads), .words = upload_words,
                .doc = "What an upload that breaks off leaves: keep-part the part that came, so "
                       "that REST can resume it; whole nothing."},
        {"max-size", &type_size, AT(config_ftp, max_size), .min = 1, .max = 1ull << 50,
                .preset = WEIR_FTP_UPLOAD_MAX, .example = "1G",
                .doc = "The largest file of an upload."},
        {"rate", &type_size, AT(config_ftp, rate), .min = 1024, .max = 1ull << 40,
                .otherwise = "no limit", .example = "10M",
                .doc = "The bytes a second of each transfer."},
        {"passive-ports", &type_ports, AT(config_ftp, passive), .otherwise = "any",
                .example = "50000-50100",
                .doc = "The ports of passive data connections, which a firewall must let in.",
                .more = "They should be outside the range from which the system takes the ports "
                        "of clients, and more than `sessions-per-address`."},
        {"announce", &type_ipv4, AT(config_ftp, announce),
                .otherwise = "the address that the client connected to", .example = "192.0.2.1",
                .doc = "The IPv4 address that the reply to PASV names, for a server behind NAT."},
        {"tls", &type_word, AT(config_ftp, tls), .words = tls_words,
                .doc = "Whether TLS is offered, if there are certificates, or required for login "
                       "and data."},
        {"reuse", &type_word, AT(config_ftp, reuse), .words = reuse_words,
                .doc = "Whether a data connection must resume the TLS session of its control "
                       "connection.",
                .more = "Prefer accepts both kinds. Require refuses a new session, and some "
                        "clients cannot do otherwise. Off does not check."},
        {"sessions", &type_number, AT(config_ftp, sessions), .min = 1, .max = 1000000,
                .preset = WEIR_FTP_SESSIONS_MAX, .doc = "How many sessions each worker may have."},
        {"sessions-per-address", &type_number, AT(config_ftp, sessions_per_address), .min = 1,
                .max = 1000000, .preset = WEIR_PEER_CONNECTIONS_MAX,
                .doc = "How many sessions one address may have."},
        {"failures", &type_number, AT(config_ftp, failures), .min = 1, .max = 1000,
                .preset = WEIR_FTP_FAILURES_MAX, .doc = "How many wrong passwords end a session."},
        {"welcome", &type_text, AT(config_ftp, welcome), .otherwise = "Weir FTP",
                .example = "Files of example.org", .doc = "The text of the greeting."},
        {"hosts", &type_hosts, AT(config_ftp, hosts), .max = CONFIG_NAMES_MAX, .otherwise = "any",
                .example = "[example.org]", .doc = "The names that the command HOST accepts."},
        {0},
};

/* -- rules ------------------------------------------------------------------------------------- */

struct ftp_report {
	struct reader *reader;
	const struct node *node;
};

static void ftp_add_problem(void *context, const char *path, unsigned line, const char *text)
{
	const struct ftp_report *report = context;
	if (line)
		reader_problem_at(report->reader, report->node, "%s:%u: %s", path, line, text);
	else
		reader_problem_at(report->reader, report->node, "%s: %s", path, text);
}

static void ftp_check(struct reader *reader, struct node *node, void *target)
{
	const struct config_ftp *ftp = target;
	const struct node *users = node_find(node, "users");
	struct ftp_report report = {reader, users ? users : node};
	if (!ftp->anonymous && !users)
		reader_problem_at(reader, node,
		        "nobody could log in: name a file of 'users', or let 'anonymous' in");
	config_ftp_load(reader->config, ftp_add_problem, &report);
}

const struct section table_ftp = {
        .what = "ftp",
        .keys = ftp_keys,
        .size = sizeof(struct config_ftp),
        .check = ftp_check,
        .doc = "FTP, on the files that HTTP serves or on others.",
};

/* FTP serves the root of the first site if it has none of its own. */
void table_ftp_check(struct reader *reader, const struct node *top)
{
	const struct node *ftp = node_find(top, "ftp");
	if (ftp && kinds_include(reader->config, SERVICE_FTP) && !config_ftp_root(reader->config))
		reader_problem_at(reader, ftp,
		        "'ftp' has no 'root', and there is no site whose root it could serve");
}
