/* SPDX-License-Identifier: GPL-2.0 */
#ifndef KPROXY_SESSION_FIELDS_H
#define KPROXY_SESSION_FIELDS_H

#include "field.h"

/**
 * enum session_scope - where a value of a session is shown
 * @SESSION_LIVE: session show, in JSON
 * @SESSION_COLUMN: session show, in its table
 * @SESSION_MORE: the same, with -s only
 * @SESSION_BEGUN: both events of a session
 * @SESSION_ENDED: the event of its end
 * @SESSION_REFUSED: the event of a client that was refused
 */
enum session_scope {
	SESSION_LIVE = 1 << 0,
	SESSION_COLUMN = 1 << 1,
	SESSION_MORE = 1 << 2,
	SESSION_BEGUN = 1 << 3,
	SESSION_ENDED = 1 << 4,
	SESSION_REFUSED = 1 << 5,
};

/* All values of the attribute set "session" that are shown. */
extern const struct field session_fields[];

#endif
