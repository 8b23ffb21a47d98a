// SPDX-License-Identifier: GPL-2.0
/*
 * Data that a socket of the map receives goes out on another: the one that the
 * map has under the first one's addresses.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "sockmap.h"

struct {
	__uint(type, BPF_MAP_TYPE_SOCKHASH);
	__uint(max_entries, SOCKMAP_ENTRIES);
	__type(key, struct sockmap_key);
	__type(value, __u64);
} others SEC(".maps");

SEC("sk_skb")
int verdict(struct __sk_buff *skb)
{
	struct sockmap_key key = {
		.remote_ip = skb->remote_ip4,
		.local_ip = skb->local_ip4,
		.remote_port = skb->remote_port,
		.local_port = skb->local_port,
	};

	return bpf_sk_redirect_hash(skb, &others, &key, 0);
}

char _license[] SEC("license") = "GPL";
