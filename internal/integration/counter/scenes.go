package counter

import "testing"

// GoesOn is the lesson's scene: two browsers count apart, and a restart changes nothing.
func GoesOn(t *testing.T, storeURL string) {
	t.Helper()
	program := Build(t)
	var one, two Tab
	c := program.Start(t, storeURL)
	one.Visits(t, c.URL, 1)
	one.Visits(t, c.URL, 2)
	two.Visits(t, c.URL, 1)
	c.Stop(t)
	c = program.Start(t, storeURL)
	defer c.Stop(t)
	one.Visits(t, c.URL, 3)
	two.Visits(t, c.URL, 2)
	old := one
	if _, err := one.Do(t.Context(), "POST", c.URL+"/end"); err != nil {
		t.Error(err)
	}
	one.Visits(t, c.URL, 1)
	old.Visits(t, c.URL, 1) // the cookie of before is worth nothing
	two.Visits(t, c.URL, 3)
}
