// SPDX-License-Identifier: GPL-2.0
#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

#include "compiler.h"

static atomic_bool interrupted;
static sigset_t waiting;

/* The signals that end a command which runs until it is interrupted. */
static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void on_signal(int number)
{
	(void)number;
	interrupted = true;
}

/* A hangup that nohup(1) ignores stays ignored. */
static bool is_ignored(int number)
{
	struct sigaction old;

	return number == SIGHUP && !sigaction(number, NULL, &old) &&
	       old.sa_handler == SIG_IGN;
}

void signals_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	sigset_t caught;
	size_t i;

	sigemptyset(&caught);
	for (i = 0; i < ARRAY_SIZE(endings); i++)
		if (!is_ignored(endings[i]))
			sigaddset(&caught, endings[i]);
	sigprocmask(SIG_BLOCK, &caught, &waiting);
	for (i = 0; i < ARRAY_SIZE(endings); i++)
		if (sigismember(&caught, endings[i]))
			sigaction(endings[i], &action, NULL);
	/* Writing to a reader that has gone fails with EPIPE instead. */
	sigaction(SIGPIPE, &ignore, NULL);
}

/* Unblock and block again: a pending signal is delivered in between. */
static void let_in(void)
{
	sigset_t blocked;

	sigprocmask(SIG_SETMASK, &waiting, &blocked);
	sigprocmask(SIG_SETMASK, &blocked, NULL);
}

bool signals_wait(int fd, int ms)
{
	struct timespec time = { ms / 1000, ms % 1000 * 1000000L };
	struct pollfd in = { .fd = fd, .events = POLLIN };

	/*
	 * A negative descriptor is ignored; where there is input, no signal is
	 * delivered.
	 */
	if (ppoll(&in, 1, ms < 0 ? NULL : &time, &waiting) > 0)
		let_in();
	return !interrupted;
}
