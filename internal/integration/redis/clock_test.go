package redis_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/conformance"
	"github.com/sojourn-go/sojourn/internal/integration/wrongclock"
	"github.com/sojourn-go/sojourn/redis/redistest"
)

// REL-14: the requirements of lifetimes hold in processes whose clocks are wrong by
// five minutes, an hour and a year, and whose clocks step back and forth between these.
// That what has expired is neither listed nor counted is TTL-2 and OWNER-4, how long one listed
// lives TTL-6: LIST-1, which takes the most time, knows no clock.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	wrongclock.Run(t,
		`^(TestSkew|TestLifetimes)$/(CREATE-3|UPDATE-3|UPDATE-7|TOUCH|TTL|OWNER-4|COUNT)`,
		[]string{"--- PASS: TestSkew", "--- PASS: TestLifetimes/TTL-6", "--- PASS: TestLifetimes/COUNT-1"},
		shared.Spec.URLVar+"="+shared.URL(t))
}

// TestLifetimes is what TestWrongClocks runs in these processes. In this one it sees
// that nothing is missing there.
func TestLifetimes(t *testing.T) {
	conformance.Run(t, func(tb testing.TB) conformance.Subject {
		return redistest.Subject(tb, shared.URL(tb), nil)
	}, conformance.Strict(), limit, conformance.Only(`CREATE-3|UPDATE-3|UPDATE-7|TOUCH.*|TTL.*|OWNER-4|COUNT.*`))
}
