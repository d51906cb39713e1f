/* The keys of the configuration as a whole, and of what all protocols share: guard and limits. */
#include <weir/limits.h>

#include "config.h"
#include "tables.h"
#include "types.h"

/* -- limits ------------------------------------------------------------------------------------ */

static const struct key limit_keys[] = {
        {"idle", &type_duration, AT(config_limits, idle_ms), .min = TIME_MIN_MS, .max = DAY_MS,
                .otherwise = "60s, and 5m for FTP", .example = "60s",
                .doc = "How long a connection may stay open without a request.",
                .more = "Mail has the times of its RFCs instead: 5m for SMTP, 10m for POP3."},
        {"request", &type_duration, AT(config_limits, request_ms), .min = TIME_MIN_MS,
                .max = DAY_MS, .preset = WEIR_REQUEST_MS,
                .doc = "How long a request may take from its first byte to its last."},
        {"progress", &type_duration, AT(config_limits, progress_ms), .min = TIME_MIN_MS,
                .max = DAY_MS, .preset = WEIR_PROGRESS_MS,
                .doc = "How long a client may neither read a byte of its reply nor send a byte of "
                       "its request."},
        {"drain", &type_duration, AT(config_limits, drain_ms), .min = TIME_MIN_MS, .max = DAY_MS,
                .preset = WEIR_DRAIN_MS,
                .doc = "How long requests in flight may take to finish when the server stops."},
        {"connections", &type_number, AT(config_limits, connections), .min = 1, .max = 10000000,
                .otherwise = "what the limit of open files allows", .example = "10000",
                .doc = "How many connections may be open in all.",
                .more = "Each worker has an equal share at each address. Further connections wait "
                        "in the kernel."},
        {"connections-per-address", &type_number, AT(config_limits, address_connections), .min = 1,
                .max = 10000000, .preset = WEIR_HTTP_PEER_CONNECTIONS_MAX,
                .doc = "How many connections one address may have with HTTP and HTTPS together.",
                .more = "Further ones are closed at once. A /64 of IPv6 counts as one address."},
        {"replies", &type_number, AT(config_limits, replies), .min = 1, .max = 65536,
                .otherwise = "128, and 32 for DNS", .example = "128",
                .doc = "How many replies may be unfinished in one connection before no further "
                       "request is read."},
        {0},
};
static const struct section table_limits = {
        .what = "limits",
        .keys = limit_keys,
        .size = sizeof(struct config_limits),
        .doc = "What a client may use.",
};

/* -- guard ------------------------------------------------------------------------------------- */

static const struct key guard_keys[] = {
        {"enabled", &type_flag, AT(config_guard, enabled), .preset = true,
                .doc = "Whether the guard is on."},
        {"threshold", &type_number, AT(config_guard, threshold), .max = WEIR_GUARD_THRESHOLD_MAX,
                .doc = "How many wrong passwords of a network cost no delay."},
        {"first-delay", &type_duration, AT(config_guard, first_ms), .min = 1, .max = DAY_MS,
                .preset = WEIR_GUARD_FIRST_MS,
                .doc = "How long the answer to the next wrong password waits; the time doubles "
                       "with each."},
        {"most-delay", &type_duration, AT(config_guard, most_ms), .min = 1, .max = DAY_MS,
                .preset = WEIR_GUARD_MOST_MS, .doc = "The longest time that an answer waits."},
        {"forget-after", &type_duration, AT(config_guard, decay_ms), .min = 1000, .max = DAY_MS,
                .preset = WEIR_GUARD_DECAY_MS,
                .doc = "The time after which one wrong password is forgotten."},
        {"exempt", &type_networks, AT(config_guard, exempt), .min = 1, .max = CONFIG_NETWORKS_MAX,
                .otherwise = "none", .doc = "Networks whose wrong passwords are not counted."},
        {0},
};
static const struct section table_guard = {
        .what = "guard",
        .keys = guard_keys,
        .size = sizeof(struct config_guard),
        .doc = "The guard against guessing passwords, in all protocols. Answers to passwords, right "
               "or wrong, are delayed for a network that has sent wrong ones: an address of IPv4, "
               "or a /64 of IPv6. A user who has logged in from the network before is delayed only "
               "for wrong passwords under the user's own name.",
};

/* -- the whole --------------------------------------------------------------------------------- */

static const struct key top_keys[] = {
        {"include", &type_files, .otherwise = "none", .example = "conf.d/*.yaml",
                .doc = "Files to read as parts of this one, such as `conf.d/*.yaml`, or a list "
                       "of these.",
                .more = "The pattern is relative to the file that contains it, and its files are "
                        "read in the order of their names. A file that is included has the same "
                        "keys: its lists are appended to those of this file, its sections are "
                        "merged, and any other key may be given only once. Relative paths start "
                        "at the directory of the file that contains them. Included files may "
                        "include others."},
        {"listen", &type_sections, AT(config, listeners), .max = CONFIG_LISTENERS_MAX,
                .of = &table_listener, .initial = "", .preset_text = "[{http: 127.0.0.1:8080}]",
                .doc = "The addresses to listen on, see LISTEN."},
        {"tls", &type_section, AT(config, tls), .of = &table_tls, .otherwise = "no certificates",
                .doc = "The certificates, see TLS."},
        {"workers", &type_number, AT(config, workers), .min = 1, .max = CONFIG_WORKERS_MAX,
                .zero = "auto", .option = "workers", .option_values = "1 2 4 8",
                .doc = "The number of threads, each with its own connections; auto is one for "
                       "each processor."},
        {"user", &type_user, AT(config, user), .otherwise = "the user that started the server",
                .doc = "The user to become once the addresses and logs are open, if the server is "
                       "started as root.",
                .more = "The files that are served, and those that a reload reads, must be "
                        "readable for this user. Without this key all parsers run as root, which "
                        "is reported at the start and by `weir check`. Logs are opened as this "
                        "user. Where this user may not create a log, root creates it and gives it "
                        "away; a path through a symbolic link that another user could have made "
                        "is refused, and so is a file with a second name or of a third user."},
        {"access-log", &type_log, AT(config, logs[LOG_ACCESS]), .preset_text = "off",
                .example = "access.log", .option = "access-log", .option_values = "off -",
                .doc = "The file that HTTP requests are logged to, in the combined format.",
                .more = "A line ends with the version of TLS, the time that the request took in "
                        "seconds, and + where the connection was kept open, - where it was "
                        "closed, or X where the client closed it before the end of the reply. The "
                        "size is the number of bytes that were sent. For input that is no "
                        "request, the request line is `malformed:`, the reason, and its first "
                        "bytes."},
        {"sites", &type_sections, AT(config, sites), .max = CONFIG_SITES_MAX, .of = &table_site,
                .initial = "", .otherwise = "none; listeners of HTTP need one",
                .doc = "The sites that HTTP serves, see SITES."},
        {"mail", &type_section, AT(config, mail), .of = &table_mail,
                .otherwise = "no mail; listeners of mail need it",
                .doc = "The mailboxes and where mail goes, see MAIL."},
        {"mail-log", &type_log, AT(config, logs[LOG_MAIL]), .preset_text = "off",
                .example = "mail.log", .option = "mail-log", .option_values = "off -",
                .doc = "The file that messages, refusals, logins and sessions of mail are logged "
                       "to.",
                .more = "A line is one event: the time in UTC, the type of the listener, the "
                        "event (accepted, failed, refused, login, denied, logout) and its "
                        "details."},
        {"ftp", &type_section, AT(config, ftp), .of = &table_ftp,
                .doc = "The files that FTP serves, see FTP; listeners of FTP need this section."},
        {"ftp-log", &type_log, AT(config, logs[LOG_FTP]), .preset_text = "off",
                .example = "ftp.log", .option = "ftp-log", .option_values = "off -",
                .doc = "The file that logins, transfers and changes of FTP are logged to.",
                .more = "The events are login, denied, logout, sent, received, listed and "
                        "changed."},
        {"dns", &type_section, AT(config, dns), .of = &table_dns,
                .doc = "The zones of DNS and the servers to ask, see DNS; listeners of DNS need "
                       "this section."},
        {"dns-log", &type_log, AT(config, logs[LOG_DNS]), .preset_text = "off",
                .example = "dns.log", .option = "dns-log", .option_values = "off -",
                .doc = "The file that transfers and notifications of DNS are logged to; queries "
                       "are not.",
                .more = "The events are transferred, transfer-failed, transfer-refused, notified, "
                        "notify-failed, fetched, fetch-failed, restored, expired, keep-failed, "
                        "and ended with the counters of a server when it ends."},
        {"guard", &type_section, AT(config, guard), .of = &table_guard,
                .doc = "The guard against guessing passwords, see GUARD."},
        {"limits", &type_section, AT(config, limits), .of = &table_limits,
                .doc = "What a client may use, see LIMITS."},
        {0},
};

static void top_check(struct reader *reader, struct node *node, void *target)
{
	(void)target;
	table_listen_check(reader, node);
	table_tls_check(reader, node);
	table_ftp_check(reader, node);
	table_dns_check(reader, node);
	table_http_check(reader, node);
}

const struct section table_top = {
        .what = "the configuration",
        .keys = top_keys,
        .size = sizeof(struct config),
        .check = top_check,
        .doc = "The keys of the file as a whole.",
};
