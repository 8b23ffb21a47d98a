/* SPDX-License-Identifier: GPL-2.0 */
/* As much of the kernel as the module's parsers need, for user space. */
#ifndef FUZZ_KERNEL_H
#define FUZZ_KERNEL_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef uint16_t __be16;

#define U16_MAX UINT16_MAX

#define min(a, b) ((a) < (b) ? (a) : (b))
#define min_t(type, a, b) min((type)(a), (type)(b))

static inline u16 get_unaligned_be16(const void *p)
{
	const u8 *data = p;

	return data[0] << 8 | data[1];
}

static inline void put_unaligned_be16(u16 value, void *p)
{
	u8 *data = p;

	data[0] = value >> 8;
	data[1] = value;
}

static inline bool ipv6_addr_v4mapped(const struct in6_addr *addr)
{
	return IN6_IS_ADDR_V4MAPPED(addr);
}

/* Up to @delim, a byte of 0, for IPv4 a colon, or @len bytes, as the kernel's. */
static inline int fuzz_pton(int family, const char *src, int len, u8 *dst,
			    int delim, const char **end)
{
	char text[INET6_ADDRSTRLEN] = "";
	int n;

	for (n = 0; n < len && src[n] && src[n] != delim; n++)
		if (family == AF_INET && src[n] == ':')
			break;
	*end = src + n;
	if (n >= (int)sizeof(text))
		return 0;
	memcpy(text, src, n);
	return inet_pton(family, text, dst) == 1;
}

static inline int in4_pton(const char *src, int len, u8 *dst, int delim,
			   const char **end)
{
	return fuzz_pton(AF_INET, src, len, dst, delim, end);
}

static inline int in6_pton(const char *src, int len, u8 *dst, int delim,
			   const char **end)
{
	return fuzz_pton(AF_INET6, src, len, dst, delim, end);
}

/* What the kernel's knows of %u, %pI4 and %pI6c, and nothing else. */
static inline int scnprintf(char *buf, size_t size, const char *format, ...)
{
	char text[INET6_ADDRSTRLEN];
	size_t at = 0;
	va_list args;

	va_start(args, format);
	while (*format && at < size - 1) {
		if (!strncmp(format, "%u", 2)) {
			snprintf(text, sizeof(text), "%u",
				 va_arg(args, unsigned int));
			format += 2;
		} else if (!strncmp(format, "%pI4", 4)) {
			inet_ntop(AF_INET, va_arg(args, void *), text,
				  sizeof(text));
			format += 4;
		} else if (!strncmp(format, "%pI6c", 5)) {
			inet_ntop(AF_INET6, va_arg(args, void *), text,
				  sizeof(text));
			format += 5;
		} else {
			text[0] = *format++;
			text[1] = '\0';
		}
		at += snprintf(buf + at, size - at, "%s", text);
	}
	va_end(args);
	return min(at, size - 1);
}

#endif
