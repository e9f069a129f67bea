//go:build skewed

package orientdb_test

import (
	"testing"

	"github.com/sojourn-go/sojourn/internal/integration/wrongclock"
)

// TestSkew sees that the clock is wrong.
func TestSkew(t *testing.T) { wrongclock.Check(t) }
