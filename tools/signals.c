// SPDX-License-Identifier: GPL-2.0
#include "signals.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>

static atomic_bool interrupted;
static sigset_t waiting;

static void on_signal(int number)
{
	(void)number;
	interrupted = true;
}

void signals_catch(void)
{
	struct sigaction action = { .sa_handler = on_signal };
	sigset_t caught;

	sigemptyset(&caught);
	sigaddset(&caught, SIGINT);
	sigaddset(&caught, SIGTERM);
	sigprocmask(SIG_BLOCK, &caught, &waiting);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

/* What is waiting to be let in is, by the first of the two. */
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
	 * let in.
	 */
	if (ppoll(&in, 1, ms < 0 ? NULL : &time, &waiting) > 0)
		let_in();
	return !interrupted;
}
