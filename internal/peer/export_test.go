package peer

import "time"

// Less than it is for a process that others depend on, and still more than a store may take:
// what has to end here is what never does.
func init() { patience = 2500 * time.Millisecond }
