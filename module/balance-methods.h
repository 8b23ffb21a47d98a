/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The balance methods, each with its value in enum kproxy_balance and the name of its
 * operations, kproxy_balance_NAME. Included wherever METHOD() is defined.
 */
METHOD(ROUNDROBIN, roundrobin)
METHOD(LEASTCONN, leastconn)
METHOD(RANDOM, random)
METHOD(MAGLEV, maglev)
METHOD(LATENCY, latency)
