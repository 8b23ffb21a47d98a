// SPDX-License-Identifier: GPL-2.0
/*
 * The load of the count of shared cache lines (share.c), and the check of that
 * count. A lane is a processor with a client of its own on it, and a server.
 * All lanes do the same fixed work, one thing at a time.
 *
 * usage: lanes mark TEXT
 *        lanes serve ADDR:PORT LANES
 *        lanes crr|rr|bulk ADDR:PORT STEP LANES WARM COUNT NAME
 *        lanes scene LANES COUNT NAME
 *
 * Lane I connects to PORT + I * STEP. crr: connect, one byte there and back, close.
 * rr: one byte there and back. bulk: 64 KiB there, one byte back; both on four
 * connections in rotation, since a proxy may make some of them on other processors.
 * Each lane does WARM of them, at least four, then COUNT that are counted as NAME.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net.h"

#define LANES 16
#define CONNS 4
#define BULK (64 << 10)
#define ALONE __attribute__((aligned(64)))

/* The plugin sees this instruction, a long nop, and reads RDI (share.c). */
static void mark(const char *text)
{
	asm volatile(".byte 0x0f, 0x1f, 0x84, 0x00, 0x6b, 0x70, 0x72, 0x78"
		     :: "D"(text) : "memory");
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("processor %d", cpu);
}

static pthread_barrier_t *new_barrier(int n)
{
	pthread_barrier_t *barrier;
	pthread_barrierattr_t attr;

	barrier = mmap(NULL, sizeof(*barrier), PROT_READ | PROT_WRITE,
		       MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (barrier == MAP_FAILED)
		die("memory");
	pthread_barrierattr_init(&attr);
	pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	if (pthread_barrier_init(barrier, &attr, n))
		die("barrier");
	return barrier;
}

static char end[256];

/* Between the two, lane 0 has told the plugin to count. */
static void begin_counting(pthread_barrier_t *barrier, int lane)
{
	pthread_barrier_wait(barrier);
	if (!lane)
		mark("count");
	pthread_barrier_wait(barrier);
}

static void end_counting(pthread_barrier_t *barrier, int lane)
{
	pthread_barrier_wait(barrier);
	if (!lane)
		mark(end);
}

/* The traffic */

static char buf[BULK];

static int blocking_socket(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		die("socket");
	return fd;
}

static void set(int fd, int option, int value)
{
	if (setsockopt(fd, SOL_SOCKET, option, &value, sizeof(value)))
		die("option %d", option);
}

static int lane_connect(const struct sockaddr_storage *server, uint32_t size)
{
	int fd = blocking_socket();

	set_nodelay(fd);
	if (connect(fd, (const struct sockaddr *)server,
		    sizeof(struct sockaddr_in)))
		die("connect");
	if (send(fd, &size, sizeof(size), 0) != sizeof(size))
		die("send");
	return fd;
}

static void lane_request(int fd, size_t size)
{
	ssize_t sent;

	while (size) {
		sent = send(fd, buf, size, 0);
		if (sent <= 0)
			die("send");
		size -= sent;
	}
	if (recv(fd, buf, 1, 0) != 1)
		die("receive");
}

static void lane_work(const struct sockaddr_storage *server, int *fds,
		      const char *mode, int n)
{
	size_t size = strcmp(mode, "bulk") ? 1 : BULK;
	int *fd;

	while (n--) {
		fd = &fds[n % CONNS];
		if (*fd < 0)
			*fd = lane_connect(server, size);
		lane_request(*fd, size);
		if (strcmp(mode, "crr"))
			continue;
		close(*fd);
		*fd = -1;
	}
}

static void lane(int i, pthread_barrier_t *barrier, char **args)
{
	struct sockaddr_storage server = address(args[1]);
	struct sockaddr_in *in = (struct sockaddr_in *)&server;
	int fds[CONNS] = { -1, -1, -1, -1 };

	pin(i);
	in->sin_port = htons(ntohs(in->sin_port) + i * atoi(args[2]));
	pthread_barrier_wait(barrier);
	if (!i)
		mark("begin");
	pthread_barrier_wait(barrier);
	lane_work(&server, fds, args[0], atoi(args[4]));
	begin_counting(barrier, i);
	lane_work(&server, fds, args[0], atoi(args[5]));
	end_counting(barrier, i);
}

/* A lane that fails ends the others, which would wait for it. */
static int wait_for_all(int n)
{
	int status;

	while (n--) {
		if (wait(&status) < 0 || status)
			return 1;
	}
	return 0;
}

static void in_process(int cpu)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	pin(cpu);
}

static int run(char **args)
{
	int n = atoi(args[3]), i;
	pthread_barrier_t *barrier = new_barrier(n);

	snprintf(end, sizeof(end), "end %s", args[6]);
	for (i = 0; i < n; i++) {
		if (!fork()) {
			in_process(i);
			lane(i, barrier, args);
			_exit(0);
		}
	}
	return wait_for_all(n);
}

/* The servers: connections that arrive on a processor are served on it. */

struct conn {
	int fd;
	uint32_t size, got;
};

static int listen_here(const char *text, int cpu)
{
	struct sockaddr_storage addr = address(text);
	int fd = blocking_socket();

	set(fd, SO_REUSEADDR, 1);
	set(fd, SO_REUSEPORT, 1);
	set(fd, SO_INCOMING_CPU, cpu);
	if (bind(fd, (struct sockaddr *)&addr, sizeof(struct sockaddr_in)) ||
	    listen(fd, 4096))
		die("listen on %s", text);
	return fd;
}

static void conn_new(int epoll, int fd)
{
	struct conn *conn = calloc(1, sizeof(*conn));

	if (!conn)
		die("memory");
	set_nodelay(fd);
	conn->fd = fd;
	watch(epoll, EPOLL_CTL_ADD, fd, EPOLLIN, conn);
}

/* False at the end of the connection. */
static int conn_read(struct conn *conn)
{
	ssize_t got;

	if (!conn->size)
		return recv(conn->fd, &conn->size, sizeof(conn->size), 0) ==
		       sizeof(conn->size);
	got = recv(conn->fd, buf, sizeof(buf), 0);
	if (got <= 0)
		return 0;
	conn->got += got;
	if (conn->got < conn->size)
		return 1;
	conn->got = 0;
	return send(conn->fd, buf, 1, MSG_NOSIGNAL) == 1;
}

static void serve_lane(const char *text, int cpu)
{
	struct epoll_event events[64];
	struct conn *conn;
	int listener, epoll, i, n;

	in_process(cpu);
	epoll = epoll_create1(EPOLL_CLOEXEC);
	listener = listen_here(text, cpu);
	watch(epoll, EPOLL_CTL_ADD, listener, EPOLLIN, NULL);
	for (;;) {
		n = epoll_wait(epoll, events, 64, -1);
		for (i = 0; i < n; i++) {
			conn = events[i].data.ptr;
			if (!conn) {
				conn_new(epoll, accept(listener, NULL, NULL));
			} else if (!conn_read(conn)) {
				close(conn->fd);
				free(conn);
			}
		}
	}
}

static int serve(const char *text, int lanes)
{
	int i;

	for (i = 0; i < lanes; i++) {
		if (!fork())
			serve_lane(text, i);
	}
	return wait_for_all(lanes);
}

/*
 * The scene of which one knows the result: LANES threads, each on a processor
 * of its own, do the same in turns, COUNT times. The names are those that
 * "share.py check" looks for.
 */

static long turn ALONE, shared ALONE, produced ALONE, neighbours[8] ALONE;
static struct {
	long counter ALONE;
} private[LANES] ALONE;
static int event;
static pthread_barrier_t *threads_meet;
static int nr_threads, rounds;

static __attribute__((noinline)) void scene_add_shared(void)
{
	asm volatile("lock incq %0" : "+m"(shared));
}

static __attribute__((noinline)) void scene_add_private(int i)
{
	asm volatile("incq %0" : "+m"(private[i].counter));
}

static __attribute__((noinline)) void scene_add_neighbour(int i)
{
	asm volatile("incq %0" : "+m"(neighbours[i % 8]));
}

static __attribute__((noinline)) void scene_produce(void)
{
	asm volatile("movq $1, %0" : "=m"(produced));
}

static __attribute__((noinline)) void scene_consume(void)
{
	asm volatile("movq %0, %%rax" :: "m"(produced) : "rax");
}

static void *scene_thread(void *arg)
{
	int i = (long)arg, n;

	pin(i);
	pthread_barrier_wait(threads_meet);
	if (!i)
		mark("begin");
	begin_counting(threads_meet, i);
	for (n = 0; n < rounds; n++) {
		while (__atomic_load_n(&turn, __ATOMIC_ACQUIRE) % nr_threads != i)
			asm volatile("pause");
		scene_add_shared();
		scene_add_private(i);
		scene_add_neighbour(i);
		if (i)
			scene_consume();
		else
			scene_produce();
		if (eventfd_write(event, 1))
			die("eventfd");
		__atomic_store_n(&turn, turn + 1, __ATOMIC_RELEASE);
	}
	end_counting(threads_meet, i);
	return NULL;
}

static int scene(int lanes, int count, const char *name)
{
	pthread_t thread[LANES];
	long i;

	if (lanes < 2 || lanes > LANES)
		die("%d lanes", lanes);
	event = eventfd(0, EFD_CLOEXEC);
	if (event < 0)
		die("eventfd");
	nr_threads = lanes;
	rounds = count;
	snprintf(end, sizeof(end), "end %s", name);
	threads_meet = new_barrier(lanes);
	for (i = 0; i < lanes; i++) {
		if (pthread_create(&thread[i], NULL, scene_thread, (void *)i))
			die("thread");
	}
	for (i = 0; i < lanes; i++)
		pthread_join(thread[i], NULL);
	return 0;
}

int main(int argc, char **argv)
{
	memset(buf, 'k', sizeof(buf));
	if (argc == 3 && !strcmp(argv[1], "mark")) {
		mark(argv[2]);
		return 0;
	}
	if (argc == 4 && !strcmp(argv[1], "serve"))
		return serve(argv[2], atoi(argv[3]));
	if (argc == 5 && !strcmp(argv[1], "scene"))
		return scene(atoi(argv[2]), atoi(argv[3]), argv[4]);
	if (argc == 8 && (!strcmp(argv[1], "crr") || !strcmp(argv[1], "rr") ||
			  !strcmp(argv[1], "bulk")))
		return run(argv + 1);
	fputs("usage: lanes mark TEXT\n"
	      "       lanes serve ADDR:PORT LANES\n"
	      "       lanes crr|rr|bulk ADDR:PORT STEP LANES WARM COUNT NAME\n"
	      "       lanes scene LANES COUNT NAME\n", stderr);
	return 1;
}
