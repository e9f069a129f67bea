package postgres_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/wrongclock"
)

// REL-14: the requirements of lifetimes hold in processes whose clocks are wrong by
// five minutes, an hour and a year, and whose clocks step back and forth between these. What
// else there is to listing and sweeping, which takes the most time, knows no clock: that what
// has expired is neither listed nor counted is TTL-2 and OWNER-4, how long one listed lives TTL-6.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	wrongclock.Run(t,
		`^(TestSkew|TestConformanceOfVariable)$/(CREATE-3|UPDATE-3|UPDATE-7|TOUCH|TTL|OWNER-4|COUNT|SWEEP-1)`,
		[]string{"--- PASS: TestSkew", "--- PASS: TestConformanceOfVariable/TTL-6", "--- PASS: TestConformanceOfVariable/SWEEP-1"},
		server.Postgres().URLVar+"="+shared.URL(t))
}
