/*
 * The checks of mailboxes and bodies, for `weir store check`. Each of them reads a table or two
 * whole, but no bytes of bodies. The mailboxes and messages at fault are named, up to 20 of a kind.
 */
#include "checks.h"

const struct database_check database_checks_mailboxes[] = {
        {"mailboxes",
                "SELECT 'mailboxes', count(*) || ', with ' || coalesce(sum(messages), 0) ||"
                " ' messages of ' || coalesce(sum(octets), 0) || ' bytes', false FROM weir_mailbox",
                false},
        {"mailboxes",
                "SELECT 'mailbox ' || name, 'its sums do not fit its messages', true"
                " FROM weir_mailbox AS box LEFT JOIN (SELECT mailbox, count(*) AS messages,"
                " sum(octets) AS octets FROM weir_message GROUP BY mailbox) AS held"
                " ON held.mailbox = box.name WHERE box.messages <> coalesce(held.messages, 0)"
                " OR box.octets <> coalesce(held.octets, 0) ORDER BY name LIMIT 20",
                false},
        {"mailboxes",
                "SELECT 'message ' || uid || ' of ' || mailbox, 'it has no mailbox', true"
                " FROM weir_message AS message WHERE NOT EXISTS (SELECT 1 FROM weir_mailbox"
                " WHERE name = message.mailbox) ORDER BY mailbox, uid LIMIT 20",
                false},
        {"mailboxes",
                "SELECT 'message ' || uid || ' of ' || mailbox, 'its body is not whole', true"
                " FROM weir_message AS message LEFT JOIN (SELECT body, count(*) AS chunks,"
                " sum(length(bytes)) AS octets FROM weir_body_chunk GROUP BY body) AS held"
                " ON held.body = message.body WHERE message.chunks <> coalesce(held.chunks, 0)"
                " OR message.octets <> coalesce(held.octets, 0) ORDER BY mailbox, uid LIMIT 20",
                false},
        {"mailboxes",
                "SELECT 'message ' || uid || ' of ' || mailbox, 'it shares a body that it does"
                " not hold', true FROM weir_message AS message WHERE shared AND NOT EXISTS"
                " (SELECT 1 FROM weir_body_holder WHERE body = message.body"
                " AND holder = message.mailbox) ORDER BY mailbox, uid LIMIT 20",
                false},
        {"mailboxes",
                "SELECT 'bodies to be removed', count(*) || ', ' || count(*) FILTER (WHERE due <"
                " now() - interval '1 hour') || ' of them due for over an hour', count(*) FILTER"
                " (WHERE due < now() - interval '1 hour') > 0 FROM weir_body_sweep",
                false},
        /* The queue shares the bodies: its id is that of the body. */
        {"queue",
                "SELECT 'bodies without an owner', count(DISTINCT body)::text, count(*) > 0"
                " FROM weir_body_chunk AS chunk WHERE"
                " NOT EXISTS (SELECT 1 FROM weir_message WHERE body = chunk.body)"
                " AND NOT EXISTS (SELECT 1 FROM weir_queue_message WHERE id = chunk.body)"
                " AND NOT EXISTS (SELECT 1 FROM weir_body_holder WHERE body = chunk.body)"
                " AND NOT EXISTS (SELECT 1 FROM weir_body_sweep WHERE body = chunk.body)",
                false},
        {0},
};
