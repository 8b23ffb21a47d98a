// SPDX-License-Identifier: GPL-2.0
/* Words of the command line: what is read, and what is refused and why. */
#include <inttypes.h>
#include <sys/socket.h>

#include <linux/kproxy.h>

#include "addr.h"
#include "batch.h"
#include "compiler.h"
#include "tap.h"
#include "token.h"

/* What a case gives back is the value as text, or "! " and the reason. */
struct test_case {
	const char *in;
	const char *out;
};

static const char bad_time[] = "! not a time, write it like 500ms, 2s, 10m or 1h";
static const char no_unit[] = "! a time needs a unit: ms, s, m, h or d";

static const struct test_case times[] = {
	{ "0", "0" }, { "0s", "0" }, { "500ms", "500ms" }, { "2s", "2s" },
	{ "10m", "10m" }, { "1h", "1h" }, { "1d", "24h" }, { "7d", "168h" },
	{ "2000ms", "2s" }, { "90s", "90s" }, { "60m", "1h" },
	{ "1500ms", "1500ms" }, { "10", no_unit }, { "10x", no_unit },
	{ "1m30s", no_unit }, { "1.5", no_unit }, { "2 s", no_unit },
	{ "1.5s", "1500ms" }, { "0.25m", "15s" },
	{ "0.0s", "0" }, { "1.50h", "90m" },
	{ "0.0010000000000000000s", "1ms" },
	{ "1.5ms", "! a time is whole milliseconds" },
	{ "0.0005s", "! a time is whole milliseconds" },
	{ "0.0000000000001d", "! a time is whole milliseconds" },
	{ "1.s", "! a digit must follow the point" },
	{ "1..5s", "! a digit must follow the point" },
	{ ".5s", bad_time }, { "1.5.5s", no_unit },
	{ "", bad_time }, { "s", bad_time }, { "-1s", bad_time },
	{ "+1s", bad_time }, { " 1s", bad_time },
	{ "18446744073709551615d", "! time is too long" },
	{ "18446744073709551616ms", "! number is too large" },
};

static const char bad_size[] = "! not a size, write it like 65536, 64k or 4m";
static const char size_unit[] = "! the unit of a size is k, m or g";

static const struct test_case sizes[] = {
	{ "0", "0" }, { "0k", "0" }, { "1", "1" }, { "65536", "64k" },
	{ "64k", "64k" }, { "4m", "4m" }, { "1g", "1g" }, { "1024m", "1g" },
	{ "1500", "1500" }, { "1025k", "1025k" }, { "64K", size_unit },
	{ "64kb", size_unit }, { "1.5m", size_unit }, { "4 m", size_unit },
	{ "", bad_size }, { "k", bad_size }, { "-1k", bad_size },
	{ "17179869184g", "! number is too large" },
	{ "18446744073709551616", "! number is too large" },
};

static const char bad_rate[] =
	"! not a rate, write it like 500kbit, 10mbit or 1gbit";
static const char rate_unit[] =
	"! a rate needs a unit: bit, kbit, mbit, gbit or tbit";

static const struct test_case rates[] = {
	{ "0", "0" }, { "0mbit", "0" }, { "8bit", "8bit" },
	{ "10mbit", "10mbit" }, { "1gbit", "1gbit" }, { "1000mbit", "1gbit" },
	{ "1500kbit", "1500kbit" }, { "2tbit", "2tbit" },
	{ "12bit", "! a rate is a multiple of 8bit" },
	{ "10", rate_unit }, { "10m", rate_unit }, { "10Mbit", rate_unit },
	{ "1.5gbit", rate_unit }, { "10 mbit", rate_unit },
	{ "", bad_rate }, { "mbit", bad_rate }, { "-1mbit", bad_rate },
	{ "18446745tbit", "! number is too large" },
};

static const struct test_case numbers[] = {
	{ "0", "0" }, { "42", "42" },
	{ "18446744073709551615", "18446744073709551615" },
	{ "18446744073709551616", "! number is too large" },
	{ "", "! not a number" }, { "-1", "! not a number" },
	{ "0x10", "! not a number" }, { "1 ", "! not a number" },
};

static const char bad_name[] = "! a name is 1 to 63 of A-Za-z0-9._-";

static const struct test_case names[] = {
	{ "web", "web" }, { "a.B_9-", "a.B_9-" }, { "-", "-" },
	{ "", bad_name }, { "a b", bad_name }, { "a/b", bad_name },
	{ "\xc3\xa4", bad_name },
	{ "123456789012345678901234567890123456789012345678901234567890123",
	  "123456789012345678901234567890123456789012345678901234567890123" },
	{ "1234567890123456789012345678901234567890123456789012345678901234",
	  bad_name },
};

#define BAD_SNI \
	"! a server name is letters, digits, - and _ with dots between, perhaps after \"*.\""

static const struct test_case snis[] = {
	{ "example.com", "example.com" }, { "WWW.Example.COM", "www.example.com" },
	{ "*.Example.com", "*.example.com" }, { "*.com", "*.com" },
	{ "localhost", "localhost" }, { "_a-1.b", "_a-1.b" },
	{ "", BAD_SNI }, { "*", BAD_SNI }, { "*.", BAD_SNI }, { ".", BAD_SNI },
	{ ".com", BAD_SNI }, { "a.", BAD_SNI }, { "a..b", BAD_SNI },
	{ "*.*.a", BAD_SNI }, { "a.*.b", BAD_SNI }, { "*a.b", BAD_SNI },
	{ "a b", BAD_SNI }, { "\xc3\xbc.example", BAD_SNI },
	{ "a.b,c.d", BAD_SNI },
};

static const char bad_port[] = "! port must be 1 to 65535";
static const char no_port[] = "! a port is missing, write ADDR:PORT";
static const char no_brackets[] =
	"! an IPv6 address needs brackets: [ADDR]:PORT";
static const char no_scope[] =
	"! a link-local address needs a scope: [ADDR%DEV]:PORT";

static const struct test_case endpoints[] = {
	{ "10.0.0.1:80", "10.0.0.1:80" }, { "0.0.0.0:1", "0.0.0.0:1" },
	{ "*:80", "*:80" }, { "[::]:65535", "[::]:65535" },
	{ "[2001:DB8:0::1]:80", "[2001:db8::1]:80" },
	{ "[::ffff:10.0.0.1]:80", "10.0.0.1:80" },
	{ "[fe80::1%lo]:80", "[fe80::1%lo]:80" },
	{ "[fe80::1%1]:80", "[fe80::1%lo]:80" },
	{ "[fe80::1%999999]:80", "[fe80::1%999999]:80" },
	{ "[fe80::1]:80", no_scope },
	{ "[fe80::1%nosuchdev]:80", "! no such interface" },
	{ "[fe80::1%]:80", "! not the name of an interface" },
	{ "[fe80::1%0123456789abcdef]:80", "! not the name of an interface" },
	{ "[2001:db8::1%lo]:80", "! only a link-local address has a scope" },
	{ "10.0.0.1", no_port }, { "[::1]", no_port }, { "[::1]80", no_port },
	{ "10.0.0.1:", bad_port }, { "10.0.0.1:0", bad_port },
	{ "10.0.0.1:65536", bad_port }, { "10.0.0.1:80x", bad_port },
	{ "10.0.0.1:http", bad_port }, { "10.0.0.1: 80", bad_port },
	{ "::1:80", no_brackets }, { "2001:db8::1:80", no_brackets },
	{ "10.0.0.1:80:90", no_brackets },
	{ "[::1:80", "! the bracket is not closed" },
	{ "[10.0.0.1]:80", "! not an IPv6 address" },
	{ "[]:80", "! not an IPv6 address" }, { "[*]:80", "! not an IPv6 address" },
	{ ":80", "! address is empty" }, { "", no_port },
	{ "10.0.0.256:80", "! not an IPv4 address" },
	{ "10.1:80", "! not an IPv4 address" },
	{ "80:80", "! not an IPv4 address" },
	{ "0x7f000001:80", "! not an IPv4 address" },
	{ "a b:80", "! neither an address nor a host name" },
	{ "10.0.0.1/8:80", "! neither an address nor a host name" },
};

static const struct test_case prefixes[] = {
	{ "10.0.0.1", "10.0.0.1:0 /32" }, { "10.0.0.0/8", "10.0.0.0:0 /8" },
	{ "0.0.0.0/0", "0.0.0.0:0 /0" },
	{ "2001:db8::/32", "[2001:db8::]:0 /32" },
	{ "2001:db8::1", "[2001:db8::1]:0 /128" },
	{ "fe80::1%lo", "[fe80::1%lo]:0 /128" },
	{ "10.0.0.0/33", "! prefix length must be 0 to 32" },
	{ "2001:db8::/129", "! prefix length must be 0 to 128" },
	{ "10.0.0.0/", "! prefix length must be 0 to 32" },
	{ "10.0.0.0/8/8", "! prefix length must be 0 to 32" },
	{ "/8", "! address is empty" }, { "*", "! neither an address nor a host name" },
};

/* Words are shown in <>. */
static const struct test_case lines[] = {
	{ "", "" }, { " \t\n", "" }, { "# all of it", "" }, { "a", "<a>" },
	{ "listener show\n", "<listener><show>" }, { "  a\t b \r\n", "<a><b>" },
	{ "a # b", "<a>" }, { "a#b", "<a#b>" }, { "\"a b\" c", "<a b><c>" },
	{ "a\"b c\"d", "<ab cd>" }, { "\"\"", "<>" }, { "\"#\"", "<#>" },
	{ "a \"b", "! -1" }, { "\"", "! -1" },
};

static int ifd;

static void reason(char *out, size_t size, const char *why)
{
	snprintf(out, size, "! %s", why);
}

static void run_time(const char *in, char *out, size_t size)
{
	const char *why;
	uint64_t ms;

	why = token_time(in, &ms);
	if (why)
		reason(out, size, why);
	else
		token_format_time(ms, out, size);
}

static void run_number(const char *in, char *out, size_t size)
{
	const char *why;
	uint64_t value;

	why = token_number(in, &value);
	if (why)
		reason(out, size, why);
	else
		snprintf(out, size, "%" PRIu64, value);
}

static void run_size(const char *in, char *out, size_t size)
{
	const char *why;
	uint64_t bytes;

	why = token_size(in, &bytes);
	if (why)
		reason(out, size, why);
	else
		token_format_size(bytes, out, size);
}

static void run_rate(const char *in, char *out, size_t size)
{
	const char *why;
	uint64_t bytes;

	why = token_rate(in, &bytes);
	if (why)
		reason(out, size, why);
	else
		token_format_rate(bytes, out, size);
}

static void run_name(const char *in, char *out, size_t size)
{
	const char *why = token_name(in);

	if (why)
		reason(out, size, why);
	else
		snprintf(out, size, "%s", in);
}

static void run_endpoint(const char *in, char *out, size_t size)
{
	struct endpoint ep;
	const char *why;

	why = endpoint_parse(ifd, in, &ep);
	if (why)
		reason(out, size, why);
	else
		endpoint_format(ifd, &ep, out);
}

static void run_prefix(const char *in, char *out, size_t size)
{
	char text[ENDPOINT_TEXT_MAX];
	struct endpoint ep;
	const char *why;
	uint8_t len;

	why = endpoint_parse_prefix(ifd, in, &ep, &len);
	if (why) {
		reason(out, size, why);
		return;
	}
	endpoint_format(ifd, &ep, text);
	snprintf(out, size, "%s /%u", text, len);
}

static void run_sni(const char *in, char *out, size_t size)
{
	char sni[KPROXY_SNI_MAX + 1];
	const char *why;

	why = token_sni(in, sni);
	if (why)
		reason(out, size, why);
	else
		snprintf(out, size, "%s", sni);
}

static void run_line(const char *in, char *out, size_t size)
{
	char line[64], *words[33];
	size_t len = 0;
	int n, i;

	snprintf(line, sizeof(line), "%s", in);
	n = batch_split(line, words);
	*out = '\0';
	if (n < 0)
		reason(out, size, "-1");
	for (i = 0; i < n; i++)
		len += snprintf(out + len, size - len, "<%s>", words[i]);
}

static void run(const char *kind, const struct test_case *cases, size_t n,
		void (*fn)(const char *in, char *out, size_t size))
{
	char out[128], name[128];
	size_t i;

	for (i = 0; i < n; i++) {
		fn(cases[i].in, out, sizeof(out));
		snprintf(name, sizeof(name), "%s %zu", kind, i);
		tap_is(out, cases[i].out, name);
	}
}

static void test_localhost(void)
{
	struct endpoint ep;
	const char *why;

	why = endpoint_parse(ifd, "localhost:80", &ep);
	tap_ok(!why && ep.family != AF_UNSPEC && ep.port == 80,
	       "a host name is resolved");
}

static void test_long(void)
{
	char text[1000];
	struct endpoint ep;

	memset(text, 'a', sizeof(text));
	strcpy(text + sizeof(text) - 4, ":80");
	tap_is(endpoint_parse(ifd, text, &ep), "address is too long",
	       "a long word is refused");
}

int main(void)
{
	ifd = socket(AF_UNIX, SOCK_DGRAM, 0);
	run("time", times, ARRAY_SIZE(times), run_time);
	run("size", sizes, ARRAY_SIZE(sizes), run_size);
	run("rate", rates, ARRAY_SIZE(rates), run_rate);
	run("number", numbers, ARRAY_SIZE(numbers), run_number);
	run("name", names, ARRAY_SIZE(names), run_name);
	run("sni", snis, ARRAY_SIZE(snis), run_sni);
	run("endpoint", endpoints, ARRAY_SIZE(endpoints), run_endpoint);
	run("prefix", prefixes, ARRAY_SIZE(prefixes), run_prefix);
	run("line", lines, ARRAY_SIZE(lines), run_line);
	test_localhost();
	test_long();
	return tap_done();
}
