// SPDX-License-Identifier: GPL-2.0
/*
 * The command visits the namespace of -n only to open its sockets there. A
 * socket stays in the namespace that it was made in. Everything else, name
 * resolution above all, happens in the namespace of the caller.
 */
#include "netns.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static int open_named(const char *dir, const char *name)
{
	char path[PATH_MAX];
	int len;

	len = snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (len >= (int)sizeof(path) || strchr(name, '/') || *name == '.' ||
	    !*name) {
		errno = ENOENT;
		return -1;
	}
	return open(path, O_RDONLY | O_CLOEXEC);
}

/* Takes over @ns. */
static int go(int ns)
{
	int ret = setns(ns, CLONE_NEWNET), err = errno;

	close(ns);
	errno = err;
	return ret;
}

int netns_enter(const char *name)
{
	int home, ns, err;

	home = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);
	if (home < 0)
		return -1;
	ns = open_named("/run/netns", name);
	if (ns < 0)
		ns = open_named("/var/run/netns", name);
	if (ns >= 0 && !go(ns))
		return home;
	err = errno;
	close(home);
	errno = err;
	return -1;
}

int netns_leave(int home)
{
	return go(home);
}
