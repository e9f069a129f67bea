package orientdb_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/server"
	"github.com/sojourn-go/sojourn/internal/integration/wrongclock"
	"github.com/sojourn-go/sojourn/orientdb/orientdbtest"
)

// REL-14: the requirements of lifetimes hold in processes whose clocks are wrong by
// five minutes, an hour and a year, and whose clocks step back and forth between these.
func TestWrongClocks(t *testing.T) {
	t.Parallel()
	// Each is a class with three indexes, made and dropped by seven processes at once: that
	// takes the time, and others wait for it in the same database. These few have every verb,
	// a listing, a count and a sweep.
	requirements := `TOUCH-1|TTL-[268]|OWNER-4`
	if full() {
		requirements = `CREATE-3|UPDATE-3|UPDATE-7|TOUCH|TTL|OWNER-4|COUNT|SWEEP-1`
	}
	x := elsewhere(t)
	x.database(t, http.MethodPost)
	t.Cleanup(func() { x.database(t, http.MethodDelete) })
	wrongclock.Run(t,
		`^(TestSkew|TestConformanceOfVariable)$/(`+requirements+`)`,
		[]string{"--- PASS: TestSkew", "--- PASS: TestConformanceOfVariable/TTL-6", "--- PASS: TestConformanceOfVariable/OWNER-4"},
		server.OrientDB().URLVar+"="+strings.TrimSuffix(x.url, orientdbtest.Database(t, x.url).Name)+x.db.Name)
}
