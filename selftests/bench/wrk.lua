-- SPDX-License-Identifier: GPL-2.0
-- What wrk found, as JSON in its last line.

local quantiles = { 1, 5, 10, 25, 50, 75, 90, 95, 99, 99.5, 99.9 }

done = function(summary, latency)
	local list = {}
	local errors = summary.errors
	local failed = errors.connect + errors.read + errors.write +
		errors.status + errors.timeout

	for i, q in ipairs(quantiles) do
		list[i] = string.format("[%g, %g]", q / 100,
			latency:percentile(q))
	end
	io.write(string.format('{"per_s": %.1f, "seconds": %.6f, ' ..
		'"count": %d, "errors": %d, "p50_us": %g, "p99_us": %g, ' ..
		'"quantiles": [%s]}\n', summary.requests / summary.duration * 1e6,
		summary.duration / 1e6, summary.requests, failed,
		latency:percentile(50), latency:percentile(99),
		table.concat(list, ", ")))
end
